{{/* The pod: of the gateway, and of the Job that migrates. Both are allowed under the "restricted" pod security standard. */}}

{{/* Takes root and what: serve or migrate. */}}
{{- define "filmgate.podSpec" -}}
{{- $serves := eq .what "serve" -}}
{{- with .root -}}
automountServiceAccountToken: false
# Its variables would stand among our own: the Service's name is also the prefix of those.
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
securityContext:
  runAsNonRoot: true
  {{- with .Values.runAsUser }}
  runAsUser: {{ int . }}
  runAsGroup: {{ int . }}
  fsGroup: {{ int . }}
  {{- end }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: filmgate
    image: {{ include "filmgate.image" . }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    args: [{{ $.what }}, --config, /etc/filmgate/config/filmgate.yaml]
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities:
        drop: [ALL]
    env:
      - name: FILMGATE_DATA
        value: /data
      {{- range .Values.secrets.env }}
      - name: {{ .name }}
        valueFrom:
          secretKeyRef:
            name: {{ .secret }}
            key: {{ .key }}
      {{- end }}
      {{- with .Values.extraEnv }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- if $serves }}
    ports:
      - name: http
        containerPort: 8080
      - name: admin
        containerPort: 9090
    {{- include "filmgate.probes" . | nindent 4 }}
    {{- end }}
    resources:
      {{- toYaml .Values.resources | nindent 6 }}
    volumeMounts:
      {{- include "filmgate.mounts" $ | nindent 6 }}
{{- end }}
volumes:
  {{- include "filmgate.volumes" . | nindent 2 }}
{{- end -}}

{{/* All of them ask the operator's listener, which is there as long as the process is. */}}
{{- define "filmgate.probes" -}}
{{- range $name, $path := dict "startup" "/livez" "readiness" "/readyz" "liveness" "/livez" }}
{{ $name }}Probe:
  httpGet:
    path: {{ $path }}
    port: admin
    {{- if $.Values.tls.adminSecret }}
    scheme: HTTPS
    {{- end }}
  {{- toYaml (get $.Values.probes $name) | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Takes root and what. */}}
{{- define "filmgate.mounts" -}}
{{- $serves := eq .what "serve" -}}
{{- with .root -}}
- name: config
  mountPath: /etc/filmgate/config
  readOnly: true
- name: data
  mountPath: /data
- name: tmp
  mountPath: /tmp
{{- if .Values.postgres.enabled }}
{{- if $serves }}
- name: media
  mountPath: /media
{{- end }}
- name: postgres
  mountPath: /etc/filmgate/postgres
  readOnly: true
{{- end }}
{{- if .Values.redis.existingSecret }}
- name: redis
  mountPath: /etc/filmgate/redis
  readOnly: true
{{- end }}
{{- if .Values.tls.publicSecret }}
- name: tls
  mountPath: /etc/filmgate/tls
  readOnly: true
{{- end }}
{{- if .Values.tls.adminSecret }}
- name: admin-tls
  mountPath: /etc/filmgate/admin-tls
  readOnly: true
{{- end }}
{{- range $index, $secret := .Values.secrets.files }}
- name: secret-{{ $index }}
  mountPath: /etc/filmgate/secrets/{{ $secret }}
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Takes root and what. The Job that migrates comes before all else, so it has a configuration of its own. */}}
{{- define "filmgate.volumes" -}}
{{- $serves := eq .what "serve" -}}
{{- with .root -}}
{{- $fullname := include "filmgate.fullname" . -}}
- name: config
  configMap:
    name: {{ ternary $fullname (printf "%s-migrate" $fullname) $serves }}
{{- if and $serves (not .Values.postgres.enabled) .Values.data.existingClaim }}
- name: data
  persistentVolumeClaim:
    claimName: {{ .Values.data.existingClaim }}
{{- else if not (and $serves (include "filmgate.claimsData" .)) }}
- name: data
  emptyDir: {}
{{- end }}
- name: tmp
  emptyDir: {}
{{- if .Values.postgres.enabled }}
{{- if $serves }}
- name: media
  persistentVolumeClaim:
    claimName: {{ include "filmgate.mediaClaim" . }}
{{- end }}
- name: postgres
  secret:
    secretName: {{ .Values.postgres.existingSecret }}
    defaultMode: 0440
    items:
      - key: {{ .Values.postgres.urlKey }}
        path: url
      {{- with .Values.postgres.caKey }}
      - key: {{ . }}
        path: ca.pem
      {{- end }}
{{- end }}
{{- if .Values.redis.existingSecret }}
- name: redis
  secret:
    secretName: {{ .Values.redis.existingSecret }}
    defaultMode: 0440
    items:
      - key: {{ .Values.redis.urlKey }}
        path: url
{{- end }}
{{- if .Values.tls.publicSecret }}
- name: tls
  secret:
    secretName: {{ .Values.tls.publicSecret }}
    defaultMode: 0440
{{- end }}
{{- if .Values.tls.adminSecret }}
- name: admin-tls
  secret:
    secretName: {{ .Values.tls.adminSecret }}
    defaultMode: 0440
{{- end }}
{{- range $index, $secret := .Values.secrets.files }}
- name: secret-{{ $index }}
  secret:
    secretName: {{ $secret }}
    defaultMode: 0440
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Whether the StatefulSet makes the claim for data; empty if not. */}}
{{- define "filmgate.claimsData" -}}
{{- if and (not .Values.postgres.enabled) .Values.data.persistent (not .Values.data.existingClaim) -}}yes{{- end -}}
{{- end -}}

{{/* What the pods of the gateway are made from. */}}
{{- define "filmgate.podTemplate" -}}
metadata:
  annotations:
    {{- if .Values.rollOnConfigChange }}
    checksum/config: {{ include "filmgate.config" . | sha256sum }}
    {{- end }}
    kubectl.kubernetes.io/default-container: filmgate
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  labels:
    {{- include "filmgate.labels" . | nindent 4 }}
    app.kubernetes.io/component: gateway
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "filmgate.serviceAccountName" . }}
  terminationGracePeriodSeconds: {{ include "filmgate.terminationSeconds" . }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- include "filmgate.podSpec" (dict "root" . "what" "serve") | nindent 2 }}
{{- end -}}
