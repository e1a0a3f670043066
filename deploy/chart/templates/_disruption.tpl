{{/* Of a component's replicas, one at a time may be away. */}}
{{- define "runcast.disruptionBudget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "runcast.metadata" . | nindent 2 }}
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "runcast.selector" . | nindent 6 }}
{{- end }}
