{{/* runcast.yaml: what the values say, and what follows from how the chart runs it. One file for all components. */}}
{{- define "runcast.config" -}}
{{- $tls := dict "cert_file" "/etc/runcast/tls/tls.crt" "key_file" "/etc/runcast/tls/tls.key" "ca_file" "/etc/runcast/tls/ca.crt" }}
{{- $config := dict "metrics_address" ":9465" }}
{{- $scheduler := dict }}
{{- if include "runcast.distributed" . }}
{{- $_ := set $config "server" (dict "listen" ":7465" "tls" $tls) }}
{{- $collector := printf "%s:7465" (include "runcast.host" (dict "root" . "component" "collector")) }}
{{- $predictor := printf "%s:7465" (include "runcast.host" (dict "root" . "component" "predictor")) }}
{{- $_ := set $config "client" (dict "collector" $collector "predictor" $predictor "tls" $tls) }}
{{- $_ := set $config "predictor" (dict "cache_dir" "/var/cache/runcast") }}
{{- $_ := set $scheduler "election" (dict "namespace" .Release.Namespace "name" (printf "%s-scheduler" (include "runcast.name" .))) }}
{{- else }}
{{- $_ := set $config "server" (dict "listen" "127.0.0.1:7465") }}
{{- if not .Values.scheduler.enabled }}
{{- $_ := set $scheduler "disabled" true }}
{{- end }}
{{- end }}
{{- if include "runcast.webhook" . }}
{{- $_ := set $scheduler "webhook" (dict "listen" ":9443" "cert_file" $tls.cert_file "key_file" $tls.key_file) }}
{{- end }}
{{- $_ := set $config "scheduler" $scheduler }}
{{- $_ := set $config "store" (dict "path" "/var/lib/runcast/runcast.bolt") }}
{{- mergeOverwrite (deepCopy .Values.config) $config | toYaml }}
{{- end }}
