{{/*
foxbridge as a native sidecar, for the pod templates of other charts; values.yaml tells how. It is an init container that
goes on: it starts before the application and stops after it. There is no readinessProbe: a pod whose FoxAPI is out of
reach would be taken off its Service with all that the application can do without.
*/}}
{{- define "foxbridge.sidecar" -}}
- name: foxbridge
  image: {{ include "foxbridge.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  restartPolicy: Always
  args: [serve, --config, /etc/foxbridge/proxy.toml]
  env:
    - name: FOXBRIDGE_LISTEN
      value: 127.0.0.1:{{ .Values.sidecar.port }}
    - name: FOXBRIDGE_ADMIN_LISTEN
      value: 0.0.0.0:{{ .Values.sidecar.adminPort }}
    {{/* The kubelet asks from outside of the pod. */ -}}
    - name: FOXBRIDGE_ADMIN_ALLOW_PUBLIC
      value: "true"
    - name: FOXBRIDGE_SERVER_MAX_IN_FLIGHT
      value: {{ .Values.sidecar.maxInFlight | quote }}
    - name: FOXBRIDGE_SERVER_MAX_CONNECTIONS
      value: {{ div (mul .Values.sidecar.maxInFlight 6) 5 | quote }}
    {{/* The application has gone before it is told to stop. */ -}}
    - name: FOXBRIDGE_SERVER_DRAIN_DELAY
      value: 0s
    {{- include "foxbridge.env" . | nindent 4 }}
  ports:
    - {name: foxbridge-admin, containerPort: {{ .Values.sidecar.adminPort }}}
  {{- include "foxbridge.alive" "foxbridge-admin" | nindent 2 }}
  resources: {{- toYaml .Values.sidecar.resources | nindent 4 }}
  securityContext: {{- include "foxbridge.confined" . | nindent 4 }}
  volumeMounts: {{- include "foxbridge.mounts" . | nindent 4 }}
{{- end -}}

{{- define "foxbridge.sidecar.volumes" -}}
{{ include "foxbridge.volumes" . }}
{{- end -}}
