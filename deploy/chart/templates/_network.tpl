{{/*
A NetworkPolicy of a component: "callers" are the components that call it over gRPC, "calls" those that it calls,
"prometheus", "api" and "webhook" whether it talks to Prometheus and to the API server, and the API server to it.
Kubelets reach their pods in any case.
*/}}
{{- define "runcast.networkPolicy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "runcast.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "runcast.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress: {{- if not (or .metrics .webhook .callers .root.Values.networkPolicy.ingress) }} []{{ end }}
    {{- if .metrics }}
    - ports: [{port: metrics}]
      from: [{namespaceSelector: {}}] # Prometheus, wherever it is
    {{- end }}
    {{- if .webhook }}
    - ports: [{port: webhook}] # the API server has no pod to be named by
    {{- end }}
    {{- with .callers }}
    - ports: [{port: grpc}]
      from:
        {{- range . }}
        - podSelector:
            matchLabels:
              {{- include "runcast.selector" (dict "root" $.root "component" .) | nindent 14 }}
        {{- end }}
    {{- end }}
    {{- with .root.Values.networkPolicy.ingress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  egress:
    - ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
    {{- range .calls }}
    - ports: [{port: 7465}]
      to:
        - podSelector:
            matchLabels:
              {{- include "runcast.selector" (dict "root" $.root "component" .) | nindent 14 }}
    {{- end }}
    {{- if .api }}
    - ports: [{port: 443}, {port: 6443}] # the API server
    {{- end }}
    {{- if and .prometheus .root.Values.config.prometheus }}
    - ports: [{port: {{ include "runcast.prometheusPort" .root }}}]
    {{- end }}
    {{- with .root.Values.networkPolicy.egress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{- define "runcast.prometheusPort" -}}
{{- $url := urlParse .Values.config.prometheus.url }}
{{- regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (ternary 443 80 (eq $url.scheme "https")) }}
{{- end }}
