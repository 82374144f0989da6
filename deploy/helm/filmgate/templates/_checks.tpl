{{/* What no schema can say: values that contradict each other. Each ends the rendering with what to do. */}}

{{- define "filmgate.checks" -}}
{{- include "filmgate.checkReplicas" . -}}
{{- include "filmgate.checkStores" . -}}
{{- include "filmgate.checkOwned" . -}}
{{- include "filmgate.checkRoutes" . -}}
{{- end -}}

{{- define "filmgate.checkReplicas" -}}
{{- if and .Values.autoscaling.enabled .Values.keda.enabled -}}
{{- fail "autoscaling.enabled and keda.enabled: only one of them can decide how many replicas there are" -}}
{{- end -}}
{{- if and (or .Values.autoscaling.enabled .Values.keda.enabled) (not .Values.postgres.enabled) -}}
{{- fail "autoscaling and keda need postgres.enabled: the embedded store serves one replica only" -}}
{{- end -}}
{{- if and (gt (int .Values.replicaCount) 1) (not .Values.postgres.enabled) -}}
{{- fail (printf "replicaCount %d needs postgres.enabled: the embedded store serves one replica only" (int .Values.replicaCount)) -}}
{{- end -}}
{{- range $name := list "autoscaling" "keda" -}}
{{- $scale := get $.Values $name -}}
{{- if and $scale.enabled (gt (int $scale.minReplicas) (int $scale.maxReplicas)) -}}
{{- fail (printf "%s.minReplicas is above %s.maxReplicas" $name $name) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.keda.enabled (not .Values.keda.serverAddress) -}}
{{- fail "keda.enabled needs keda.serverAddress: where Prometheus is" -}}
{{- end -}}
{{- end -}}

{{- define "filmgate.checkStores" -}}
{{- if and .Values.postgres.enabled (not .Values.postgres.existingSecret) -}}
{{- fail "postgres.enabled needs postgres.existingSecret: the Secret with the URL" -}}
{{- end -}}
{{- if and (dig "store" "postgres" false .Values.config) (not .Values.postgres.enabled) -}}
{{- fail "config.store.postgres needs postgres.enabled" -}}
{{- end -}}
{{- if and (dig "limits" "shared" false .Values.config) (not .Values.redis.existingSecret) -}}
{{- fail "config.limits.shared needs redis.existingSecret: the Secret with the URL" -}}
{{- end -}}
{{- $told := and (dig "server" "public_url" "" .Values.config) (dig "server" "upstream_callbacks" true .Values.config) -}}
{{- if and .Values.postgres.enabled $told (not (dig "server" "callback_key" "" .Values.config)) -}}
{{- fail "config.server.callback_key is needed with postgres.enabled and config.server.public_url: a key that all replicas have, so that each understands the callbacks that another asked for; or set config.server.upstream_callbacks to false" -}}
{{- end -}}
{{- end -}}

{{/* What the chart sets in the configuration, nobody else does. */}}
{{- define "filmgate.checkOwned" -}}
{{- $owned := dict
  "data_dir" "data" "media_dir" "media" "server.listen" "bindAddress" "server.admin_listen" "bindAddress"
  "server.tls" "tls.publicSecret" "server.admin_tls" "tls.adminSecret" "store.postgres.url" "postgres.existingSecret"
  "store.postgres.ca_file" "postgres.caKey" "store.postgres.migrate_at_start" "migrate.job"
  "limits.shared.url" "redis.existingSecret" "limits.shared.replicas" "replicaCount" -}}
{{- range $path, $value := $owned -}}
{{- $at := $.Values.config -}}
{{- range splitList "." $path -}}
{{- $at = ternary (get (kindIs "map" $at | ternary $at dict) .) "" (kindIs "map" $at) -}}
{{- end -}}
{{- if ne (toString $at) "" -}}
{{- fail (printf "config.%s is the chart's own to set: use %s" $path $value) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "filmgate.checkRoutes" -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) -}}
{{- fail "ingress.enabled needs ingress.hosts: the names under which clients reach the gateway" -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.enabled needs httpRoute.parentRefs: the Gateways" -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled .Values.tls.adminSecret (not .Values.serviceMonitor.ca) -}}
{{- fail "serviceMonitor.enabled with tls.adminSecret needs serviceMonitor.ca: who vouches for that certificate" -}}
{{- end -}}
{{- end -}}
