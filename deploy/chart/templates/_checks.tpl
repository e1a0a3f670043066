{{/* Values that contradict each other: one sentence each, that says what to change. Kinds and ranges are the schema's. */}}
{{- define "runcast.checks" -}}
{{- $tls := .Values.tls }}
{{- if and $tls.existingSecret $tls.certManager.enabled }}
{{- fail "tls.existingSecret and tls.certManager.enabled exclude each other: the certificate is either yours or cert-manager's" }}
{{- end }}
{{- if and $tls.existingSecret (include "runcast.webhook" .) (not $tls.caBundle) }}
{{- fail "tls.caBundle is not set: with tls.existingSecret the API server needs its ca.crt to trust the webhook (or set scheduler.webhook.enabled=false)" }}
{{- end }}
{{- if and $tls.caBundle (not $tls.existingSecret) }}
{{- fail "tls.caBundle is for tls.existingSecret, which is not set: the certificates of the chart and of cert-manager need none" }}
{{- end }}
{{- if and $tls.certManager.issuerRef (not $tls.certManager.enabled) }}
{{- fail "tls.certManager.issuerRef is set, but tls.certManager.enabled is false" }}
{{- end }}
{{- if and .Values.store.existingClaim .Values.store.storageClass }}
{{- fail "store.storageClass has no effect on store.existingClaim: leave one of them out" }}
{{- end }}
{{- $p := .Values.config.prometheus }}
{{- if and $p (not $p.url) }}
{{- fail "config.prometheus.url is empty: give Prometheus' URL, or set config.prometheus=null to learn from Kubernetes alone" }}
{{- end }}
{{- end }}
