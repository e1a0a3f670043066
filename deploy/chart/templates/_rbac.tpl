{{/* What each component may do. Informers list and watch. */}}
{{- define "runcast.rules.collector" -}}
- {apiGroups: [batch], resources: [jobs], verbs: [list, watch]}
- {apiGroups: [""], resources: [pods, nodes], verbs: [list, watch]}
- {apiGroups: [scheduling.k8s.io], resources: [priorityclasses], verbs: [list, watch]}
{{- end }}

{{- define "runcast.rules.scheduler" -}}
- {apiGroups: [batch], resources: [jobs], verbs: [list, watch, patch, get]} # get: when it is in doubt what became of a patch
- {apiGroups: [""], resources: [pods, nodes], verbs: [list, watch]}
- {apiGroups: [scheduling.k8s.io], resources: [priorityclasses], verbs: [list, watch]}
- {apiGroups: [events.k8s.io], resources: [events], verbs: [create, patch]}
{{- end }}

{{/* A component's rights, for the service account that it runs under. */}}
{{- define "runcast.grant" -}}
{{- $name := printf "%s-%s" (include "runcast.name" .root) .component -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ $name }}
  labels:
    {{- include "runcast.labels" . | nindent 4 }}
rules:
  {{- include (printf "runcast.rules.%s" .component) . | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ $name }}
  labels:
    {{- include "runcast.labels" . | nindent 4 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {{ $name }}}
subjects:
  {{- include "runcast.account" . | nindent 2 }}
{{- end }}

{{/* The right to hold the Lease that is called by the component. */}}
{{- define "runcast.lease" -}}
{{- $name := printf "%s-%s" (include "runcast.name" .root) .component -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  {{- include "runcast.metadata" . | nindent 2 }}
rules:
  - {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [create]} # which no name can be given for
  - {apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [{{ $name }}], verbs: [get, update]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  {{- include "runcast.metadata" . | nindent 2 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: {{ $name }}}
subjects:
  {{- include "runcast.account" . | nindent 2 }}
{{- end }}

{{- define "runcast.account" -}}
- kind: ServiceAccount
  name: {{ include "runcast.name" .root }}-{{ if include "runcast.distributed" .root }}{{ .component }}{{ else }}up{{ end }}
  namespace: {{ .root.Release.Namespace }}
{{- end }}
