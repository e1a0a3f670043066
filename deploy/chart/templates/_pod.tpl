{{/*
A pod template of one container:

  component, args   what runs
  resources         of the container
  process           true: serves /healthz, /readyz and /metrics
  api               true: talks to the API server
  prometheus        true: asks Prometheus
  client            true: calls other components
  ports             further ports of the container, by name
  mounts            volumes beside its configuration and its certificate, by name: dict "path", "volume", "writable"
  spread            true: its replicas are kept apart
  job               true: ends by itself
*/}}
{{- define "runcast.pod" }}
{{- $values := .root.Values }}
{{- $mounts := .mounts | default dict }}
{{- if .process }}
{{- $config := dict "configMap" (dict "name" (printf "%s-config" (include "runcast.name" .root))) }}
{{- $mounts = merge (dict "config" (dict "path" "/etc/runcast/config" "volume" $config)) $mounts }}
{{- end }}
{{- if include "runcast.tls" .root }}
{{- $secret := dict "defaultMode" 0440 "secretName" (include "runcast.tlsSecret" .root) }}
{{- if not .process }}
{{- $_ := set $secret "items" (list (dict "key" "ca.crt" "path" "ca.crt")) }}
{{- end }}
{{- $mounts = merge (dict "tls" (dict "path" "/etc/runcast/tls" "volume" (dict "secret" $secret))) $mounts }}
{{- end }}
{{- if and .prometheus $values.configSecret }}
{{- $secret := dict "secret" (dict "defaultMode" 0440 "secretName" $values.configSecret) }}
{{- $mounts = merge (dict "secret" (dict "path" "/etc/runcast/secret" "volume" $secret)) $mounts }}
{{- end }}
{{- if .client }}
{{- $token := dict "serviceAccountToken" (dict "audience" "runcast" "expirationSeconds" 3600 "path" "token") }}
{{- $projected := dict "projected" (dict "defaultMode" 0440 "sources" (list $token)) }}
{{- $mounts = merge (dict "token" (dict "path" "/etc/runcast/token" "volume" $projected)) $mounts }}
{{- end -}}
metadata:
  labels:
    {{- include "runcast.selector" . | nindent 4 }}
  {{- if .process }}
  annotations:
    checksum/config: {{ include "runcast.config" .root | sha256sum }} # a change starts the pods anew
  {{- end }}
spec:
  serviceAccountName: {{ include "runcast.name" .root }}-{{ .component }}
  automountServiceAccountToken: {{ .api | default false }}
  {{- if .job }}
  restartPolicy: Never
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: {type: RuntimeDefault}
  {{- with $values.image.pullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if .spread }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "runcast.selector" . | nindent 10 }}
  {{- end }}
  containers:
    - name: runcast
      image: "{{ $values.image.repository }}:{{ $values.image.tag | default .root.Chart.AppVersion }}"
      imagePullPolicy: {{ $values.image.pullPolicy }}
      args: {{- concat .args (list (printf "--log-level=%s" $values.log.level) (printf "--log-format=%s" $values.log.format)) | toYaml | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      {{- with .resources }}
      resources: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- if .process }}
      ports:
        {{- range $name, $port := merge (dict "metrics" 9465) (.ports | default dict) }}
        - {name: {{ $name }}, containerPort: {{ $port }}}
        {{- end }}
      startupProbe: # opening the store
        httpGet: {path: /healthz, port: metrics}
        periodSeconds: 2
        failureThreshold: 60
      livenessProbe: # its loops turn
        httpGet: {path: /healthz, port: metrics}
        periodSeconds: 20
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe: # it can do its part
        httpGet: {path: /readyz, port: metrics}
        periodSeconds: 5
        timeoutSeconds: 5
      {{- end }}
      volumeMounts:
        {{- range $name, $m := $mounts }}
        - {name: {{ $name }}, mountPath: {{ $m.path }}{{ if not $m.writable }}, readOnly: true{{ end }}}
        {{- end }}
  volumes:
    {{- range $name, $m := $mounts }}
    - name: {{ $name }}
      {{- toYaml $m.volume | nindent 6 }}
    {{- end }}
{{- end }}
