{{/* What the objects are called, and the labels that they have. */}}

{{- define "filmgate.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 50 characters, so that the longest suffix fits into the 63 of a label. */}}
{{- define "filmgate.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "filmgate.name" . -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "filmgate.serviceAccountName" -}}
{{- default (ternary (include "filmgate.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "filmgate.mediaClaim" -}}
{{- default (printf "%s-media" (include "filmgate.fullname" .)) .Values.media.existingClaim -}}
{{- end -}}

{{- define "filmgate.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Of everything that belongs to this release. */}}
{{- define "filmgate.releaseLabels" -}}
app.kubernetes.io/name: {{ include "filmgate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Of the pods that serve: what Services, the budget and the spread select by. Never changes. */}}
{{- define "filmgate.selectorLabels" -}}
{{ include "filmgate.releaseLabels" . }}
app.kubernetes.io/component: gateway
{{- end -}}

{{- define "filmgate.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "filmgate.releaseLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}
