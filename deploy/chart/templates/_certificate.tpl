{{/* For which names the certificate is: the Services, and this machine for a port-forward. */}}
{{- define "runcast.certificateNames" -}}
{{- range list "collector" "predictor" "scheduler" "webhook" }}
- {{ include "runcast.host" (dict "root" $ "component" .) }}
{{- end }}
- localhost
{{- end }}

{{/*
The authority and the certificate, in base64: ca, cert, key. The Secret that there is goes on being used, else they are
made, once for all templates.
*/}}
{{- define "runcast.certificate" -}}
{{- $made := index .Values "runcast made" | default dict }}
{{- if .Values.tls.existingSecret }}
{{- $made = dict "ca" (b64enc .Values.tls.caBundle) }}
{{- else if not $made }}
{{- $kept := (lookup "v1" "Secret" .Release.Namespace (include "runcast.tlsSecret" .)).data }}
{{- if $kept }}
{{- $made = dict "ca" (index $kept "ca.crt") "cert" (index $kept "tls.crt") "key" (index $kept "tls.key") }}
{{- else }}
{{- $name := include "runcast.name" . }}
{{- $ca := genCA (printf "%s-ca" $name) 3650 }}
{{- $cert := genSignedCert $name (list "127.0.0.1") (include "runcast.certificateNames" . | fromYamlArray) 3650 $ca }}
{{- $made = dict "ca" (b64enc $ca.Cert) "cert" (b64enc $cert.Cert) "key" (b64enc $cert.Key) }}
{{- end }}
{{- $_ := set .Values "runcast made" $made }}
{{- end }}
{{- toYaml $made }}
{{- end }}
