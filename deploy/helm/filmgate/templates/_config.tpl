{{/* The configuration of the gateway: what the values say, and what only the chart can know. */}}

{{/* filmgate.yaml. */}}
{{- define "filmgate.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $server := default dict $config.server -}}
{{- if not (hasKey $server "drain_delay") -}}
{{- $_ := set $server "drain_delay" "10s" -}}
{{- end -}}
{{- $_ := set $server "listen" (printf "%s:8080" .Values.bindAddress) -}}
{{- $_ := set $server "admin_listen" (printf "%s:9090" .Values.bindAddress) -}}
{{- if .Values.tls.publicSecret -}}
{{- $_ := set $server "tls" (dict "cert_file" "/etc/filmgate/tls/tls.crt" "key_file" "/etc/filmgate/tls/tls.key") -}}
{{- end -}}
{{- if .Values.tls.adminSecret -}}
{{- $_ := set $server "admin_tls" (dict "cert_file" "/etc/filmgate/admin-tls/tls.crt" "key_file" "/etc/filmgate/admin-tls/tls.key") -}}
{{- end -}}
{{- $_ := set $config "server" $server -}}
{{- $_ := set $config "data_dir" "/data" -}}
{{- if not $config.log -}}
{{- $_ := set $config "log" (dict "format" "json") -}}
{{- end -}}
{{- if .Values.postgres.enabled -}}
{{- $store := default dict $config.store -}}
{{- $postgres := default dict $store.postgres -}}
{{- $_ := set $postgres "url" "file:/etc/filmgate/postgres/url" -}}
{{- if .Values.postgres.caKey -}}
{{- $_ := set $postgres "ca_file" "/etc/filmgate/postgres/ca.pem" -}}
{{- end -}}
{{- $_ := set $postgres "migrate_at_start" (not .Values.migrate.job) -}}
{{- $_ := set $store "postgres" $postgres -}}
{{- $_ := set $config "store" $store -}}
{{- $_ := set $config "media_dir" "/media" -}}
{{- end -}}
{{- if .Values.redis.existingSecret -}}
{{- $limits := default dict $config.limits -}}
{{- $shared := default dict $limits.shared -}}
{{- $_ := set $shared "url" "file:/etc/filmgate/redis/url" -}}
{{- $_ := set $shared "replicas" (include "filmgate.replicasMax" . | int) -}}
{{- $_ := set $limits "shared" $shared -}}
{{- $_ := set $config "limits" $limits -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* As many replicas as there may be. */}}
{{- define "filmgate.replicasMax" -}}
{{- if .Values.autoscaling.enabled -}}
{{- .Values.autoscaling.maxReplicas -}}
{{- else if .Values.keda.enabled -}}
{{- .Values.keda.maxReplicas -}}
{{- else -}}
{{- .Values.replicaCount -}}
{{- end -}}
{{- end -}}

{{/* The seconds of a duration of the configuration (a whole number and ms, s, m, h or d), rounded up. */}}
{{- define "filmgate.seconds" -}}
{{- $number := regexFind "^[0-9]+" . | int -}}
{{- $unit := trimPrefix (regexFind "^[0-9]+" .) . -}}
{{- if eq $unit "ms" -}}
{{- div (add $number 999) 1000 -}}
{{- else -}}
{{- mul $number (get (dict "s" 1 "m" 60 "h" 3600 "d" 86400) $unit) -}}
{{- end -}}
{{- end -}}

{{/* For a pod to stop by itself: it is seen to leave, requests end, submissions end (and five seconds), and a margin. */}}
{{- define "filmgate.terminationSeconds" -}}
{{- $delay := dig "server" "drain_delay" "10s" .Values.config | include "filmgate.seconds" | int -}}
{{- $requests := dig "server" "drain_timeout" "30s" .Values.config | include "filmgate.seconds" | int -}}
{{- $submissions := dig "tasks" "submit_timeout" "1m" .Values.config | include "filmgate.seconds" | int -}}
{{- add $delay $requests $submissions 5 .Values.terminationMarginSeconds -}}
{{- end -}}
