{{/* runcast.yaml: what the values say, and what follows from how the chart runs it. One file for all components. */}}
{{- define "runcast.config" -}}
{{- $certificate := dict "cert_file" "/etc/runcast/tls/tls.crt" "key_file" "/etc/runcast/tls/tls.key" }}
{{- $config := dict "metrics_address" ":9465" }}
{{- $scheduler := dict }}
{{- $recommender := dict }}
{{- if include "runcast.distributed" . }}
{{- $_ := set $config "server" (dict "listen" ":7465" "tls" $certificate "authorization" "kubernetes") }}
{{- $collector := printf "%s:7465" (include "runcast.host" (dict "root" . "component" "collector")) }}
{{- $predictor := printf "%s:7465" (include "runcast.host" (dict "root" . "component" "predictor")) }}
{{- $_ := set $config "client" (dict "collector" $collector "predictor" $predictor
      "tls" (dict "ca_file" "/etc/runcast/tls/ca.crt") "token_file" "/etc/runcast/token/token") }}
{{- $_ := set $config "predictor" (dict "cache_dir" "/var/cache/runcast") }}
{{- $_ := set $scheduler "election" (dict "namespace" .Release.Namespace "name" (printf "%s-scheduler" (include "runcast.name" .))) }}
{{- $_ := set $recommender "election" (dict "namespace" .Release.Namespace "name" (printf "%s-recommender" (include "runcast.name" .))) }}
{{- else }}
{{- $_ := set $config "server" (dict "listen" "127.0.0.1:7465") }}
{{- if not .Values.scheduler.enabled }}
{{- $_ := set $scheduler "disabled" true }}
{{- end }}
{{- if not (include "runcast.recommender" .) }}
{{- $_ := set $recommender "disabled" true }}
{{- end }}
{{- end }}
{{- if include "runcast.webhook" . }}
{{- $_ := set $scheduler "webhook" (merge (dict "listen" ":9443") $certificate) }}
{{- end }}
{{- $_ := set $config "scheduler" $scheduler }}
{{- $_ := set $config "recommender" $recommender }}
{{- $_ := set $config "store" (dict "path" "/var/lib/runcast/runcast.bolt") }}
{{- mergeOverwrite (deepCopy .Values.config) $config | toYaml }}
{{- end }}
