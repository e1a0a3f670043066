{{/* The name that all objects start with. */}}
{{- define "runcast.name" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride }}
{{- else if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{/* Labels by which the pods of a component are selected: (dict "root" $ "component" "collector"). */}}
{{- define "runcast.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{/* Labels of every object. */}}
{{- define "runcast.labels" -}}
{{ include "runcast.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The metadata of a namespaced object of a component; with "name" if it is not called by the component. */}}
{{- define "runcast.metadata" -}}
name: {{ include "runcast.name" .root }}-{{ .name | default .component }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "runcast.labels" . | nindent 2 }}
{{- end }}

{{/* The DNS name of a Service of the chart. */}}
{{- define "runcast.host" -}}
{{ include "runcast.name" .root }}-{{ .component }}.{{ .root.Release.Namespace }}.svc
{{- end }}

{{/* Which parts run; a text that is empty or not. */}}
{{- define "runcast.distributed" -}}{{ if eq .Values.mode "distributed" }}yes{{ end }}{{- end }}
{{- define "runcast.webhook" -}}{{ if and .Values.scheduler.enabled .Values.scheduler.webhook.enabled }}yes{{ end }}{{- end }}
{{- define "runcast.tls" -}}{{ if or (include "runcast.distributed" .) (include "runcast.webhook" .) }}yes{{ end }}{{- end }}
{{- define "runcast.recommender" -}}
{{- $enabled := toString .Values.recommender.enabled }}
{{- if or (eq $enabled "true") (and (eq $enabled "auto") (.Capabilities.APIVersions.Has "autoscaling.k8s.io/v1")) }}yes{{ end }}
{{- end }}

{{/* The component in whose pods the scheduler runs. */}}
{{- define "runcast.schedulerPod" -}}{{ if include "runcast.distributed" . }}scheduler{{ else }}up{{ end }}{{- end }}

{{- define "runcast.tlsSecret" -}}
{{ .Values.tls.existingSecret | default (printf "%s-tls" (include "runcast.name" .)) }}
{{- end }}

{{- define "runcast.storeClaim" -}}
{{ .Values.store.existingClaim | default (printf "%s-store" (include "runcast.name" .)) }}
{{- end }}
