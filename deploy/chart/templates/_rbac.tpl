{{/*
What each component may do. Informers list and watch. The group runcast.dev exists in RBAC only: it is what the components'
own servers ask the API server about, see docs/access.md.
*/}}
{{- define "runcast.rules.collector" -}}
- {apiGroups: [batch], resources: [jobs], verbs: [list, watch]}
- {apiGroups: [""], resources: [pods], verbs: [list, watch]}
- {apiGroups: [scheduling.k8s.io], resources: [priorityclasses], verbs: [list, watch]}
{{- end }}

{{- define "runcast.rules.predictor" -}}
- {apiGroups: [runcast.dev], resources: [models], verbs: [get, list, watch]}
- {apiGroups: [runcast.dev], resources: [jobrecords], verbs: [watch]}
{{- end }}

{{- define "runcast.rules.train" -}}
- {apiGroups: [runcast.dev], resources: [models], verbs: [get, list, create]}
- {apiGroups: [runcast.dev], resources: [jobrecords], verbs: [list]}
{{- end }}

{{- define "runcast.rules.scheduler" -}}
- {apiGroups: [batch], resources: [jobs], verbs: [list, watch, patch, get]} # get: when it is in doubt what became of a patch
- {apiGroups: [""], resources: [pods, nodes], verbs: [list, watch]}
- {apiGroups: [scheduling.k8s.io], resources: [priorityclasses], verbs: [list, watch]}
- {apiGroups: [events.k8s.io], resources: [events], verbs: [create, patch]}
- {apiGroups: [runcast.dev], resources: [estimates], verbs: [create]}
{{- end }}

{{- define "runcast.rules.recommender" -}}
- {apiGroups: [autoscaling.k8s.io], resources: [verticalpodautoscalers], verbs: [list, watch, get]}
- {apiGroups: [autoscaling.k8s.io], resources: [verticalpodautoscalers/status], verbs: [patch]}
- {apiGroups: [""], resources: [nodes, limitranges], verbs: [list, watch]}
- {apiGroups: [""], resources: [pods], verbs: [list]}
- {apiGroups: [batch], resources: [cronjobs, jobs], verbs: [get]}
- {apiGroups: [apps], resources: [deployments, statefulsets, daemonsets, replicasets], verbs: [get]}
- {apiGroups: [""], resources: [replicationcontrollers], verbs: [get]}
- {apiGroups: ["*"], resources: ["*/scale"], verbs: [get]} # of other kinds, which say there what pods are theirs
- {apiGroups: [runcast.dev], resources: [estimates], verbs: [create]}
{{- end }}

{{/* For people and programs, bound to nobody. */}}
{{- define "runcast.rules.user" -}}
- {apiGroups: [runcast.dev], resources: [estimates], verbs: [create]}
{{- end }}

{{- define "runcast.rules.operator" -}}
- {apiGroups: [runcast.dev], resources: [estimates], verbs: [create]}
- {apiGroups: [runcast.dev], resources: [jobrecords], verbs: [list, watch, create]}
- {apiGroups: [runcast.dev], resources: [models], verbs: [get, list, watch, create, update]}
- {apiGroups: [runcast.dev], resources: [stores], verbs: [get]}
{{- end }}

{{- define "runcast.clusterRole" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ include "runcast.name" .root }}-{{ .component }}
  labels:
    {{- include "runcast.labels" . | nindent 4 }}
rules:
  {{- include (printf "runcast.rules.%s" .component) . | nindent 2 }}
{{- end }}

{{/* Gives a component's service account a ClusterRole: by default its own, else "role", by a binding called "name". */}}
{{- define "runcast.bind" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ include "runcast.name" .root }}-{{ .name | default .component }}
  labels:
    {{- include "runcast.labels" . | nindent 4 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {{ .role | default (printf "%s-%s" (include "runcast.name" .root) .component) }}}
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

{{/* The service account under which a component runs. */}}
{{- define "runcast.account" -}}
- kind: ServiceAccount
  name: {{ include "runcast.name" .root }}-{{ if include "runcast.distributed" .root }}{{ .component }}{{ else }}up{{ end }}
  namespace: {{ .root.Release.Namespace }}
{{- end }}
