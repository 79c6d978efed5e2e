{{/* Names and labels, and what the proxy by itself and the sidecar have in common. */}}

{{- define "foxbridge.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "foxbridge.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "foxbridge.labels" -}}
{{ include "foxbridge.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "foxbridge.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* Variables go before proxy.toml, so that ports and paths are always those of the manifest. */}}
{{- define "foxbridge.env" -}}
{{- with .Values.apiKeySecret }}{{ if and .name .list }}
- name: FOXBRIDGE_UPSTREAM_KEYS_FILE
  value: /run/secrets/foxapi/{{ .list }}
{{- else if .name }}
- name: FOXBRIDGE_UPSTREAM_API_KEY_FILE
  value: /run/secrets/foxapi/{{ .key }}
{{- end }}{{ end }}
{{- if .Values.ledger.file }}
{{- if .Values.ledger.redis.url }}{{ fail "ledger.file and ledger.redis.url: what was bought is in one place, set one of them" }}{{ end }}
- name: FOXBRIDGE_LEDGER_STORE
  value: file:/var/lib/foxbridge/ledger
{{- end }}
{{- with .Values.ledger.redis }}{{ if .url }}
- name: FOXBRIDGE_LEDGER_STORE
  value: {{ .url | quote }}
- name: FOXBRIDGE_LEDGER_REDIS_TOPOLOGY
  value: {{ .topology | quote }}
{{- if .secretName }}
- name: FOXBRIDGE_LEDGER_REDIS_PASSWORD_FILE
  value: /run/secrets/redis/{{ .passwordKey }}
{{- if .caKey }}
- name: FOXBRIDGE_LEDGER_REDIS_CA_FILE
  value: /run/secrets/redis/{{ .caKey }}
{{- end }}
{{- end }}
{{- end }}{{ end }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "foxbridge.mounts" -}}
{{/* The folder, not the file in it: a mounted file would never change. */ -}}
- {name: foxbridge-settings, mountPath: /etc/foxbridge, readOnly: true}
{{- if .Values.apiKeySecret.name }}
- {name: foxbridge-key, mountPath: /run/secrets/foxapi, readOnly: true}
{{- end }}
{{- if .Values.ledger.file }}
- {name: foxbridge-ledger, mountPath: /var/lib/foxbridge}
{{- end }}
{{- with .Values.ledger.redis }}{{ if and .url .secretName }}
- {name: foxbridge-redis, mountPath: /run/secrets/redis, readOnly: true}
{{- end }}{{ end }}
{{- end -}}

{{- define "foxbridge.volumes" -}}
- name: foxbridge-settings
  configMap: {name: {{ include "foxbridge.fullname" . }}}
{{- with .Values.apiKeySecret.name }}
- name: foxbridge-key
  secret: {secretName: {{ . }}{{ if $.Values.standalone }}, defaultMode: 288{{ end }}}
{{- end }}
{{- if .Values.ledger.file }}
- name: foxbridge-ledger
  emptyDir: {sizeLimit: 1Gi}
{{- end }}
{{- with .Values.ledger.redis }}{{ if and .url .secretName }}
- name: foxbridge-redis
  secret: {secretName: {{ .secretName }}{{ if $.Values.standalone }}, defaultMode: 288{{ end }}}
{{- end }}{{ end }}
{{- end -}}

{{- define "foxbridge.alive" -}}
startupProbe:
  httpGet: {path: /livez, port: {{ . }}}
  periodSeconds: 1
  failureThreshold: 30
{{/* A restart breaks every stream: only for a process that is really stuck. */ -}}
livenessProbe:
  httpGet: {path: /livez, port: {{ . }}}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- end -}}

{{- define "foxbridge.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "foxbridge.scheme" -}}
{{- if .Values.tls.secretName }}https{{ else }}http{{ end -}}
{{- end -}}

{{- define "foxbridge.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "foxbridge.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}
