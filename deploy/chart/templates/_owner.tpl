{{/*
The component that owns the store, collector or up: "component", "resources" and "ports". A StatefulSet, since that never
starts a second pod before the first is gone.
*/}}
{{- define "runcast.owner" -}}
apiVersion: apps/v1
kind: StatefulSet
metadata:
  {{- include "runcast.metadata" . | nindent 2 }}
spec:
  replicas: 1
  serviceName: {{ include "runcast.name" .root }}-{{ .component }}
  selector:
    matchLabels:
      {{- include "runcast.selector" . | nindent 6 }}
  template:
    {{- $claim := dict "persistentVolumeClaim" (dict "claimName" (include "runcast.storeClaim" .root)) }}
    {{- $mounts := dict "store" (dict "path" "/var/lib/runcast" "volume" $claim "writable" true) }}
    {{- include "runcast.pod" (merge (dict "args" (list .component "--config=/etc/runcast/config/runcast.yaml")
          "process" true "api" true "prometheus" true "mounts" $mounts) .) | nindent 4 }}
{{- end }}
