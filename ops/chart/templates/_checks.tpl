{{/* What the schema cannot say: values that are right, but not together. Each message names the values and what to do. */}}
{{- define "duotel-service.checks" -}}
{{- $m := .Values.metrics -}}
{{- $samePort := eq (int $m.port) (int .Values.service.targetPort) -}}
{{- if and $m.serviceMonitor.enabled $m.podMonitor.enabled -}}
{{- fail "metrics.serviceMonitor.enabled=true, metrics.podMonitor.enabled=true: every sample would be stored twice; enable one of the two" -}}
{{- end -}}
{{- if and (include "duotel-service.listener" .) $samePort -}}
{{- fail (printf "metrics.port=%d: is service.targetPort too, and both would listen on it; choose another, or set metrics.listener=false where the service shows the page itself" (int $m.port)) -}}
{{- end -}}
{{- if and (include "duotel-service.listener" .) (ne $m.path "/metrics") -}}
{{- fail (printf "metrics.path=%q: the page of Duotel's listener is at /metrics; leave it so, or set metrics.listener=false where the service shows the page itself" $m.path) -}}
{{- end -}}
{{- range $label, $_ := $m.customLabels -}}
{{- if or (has $label (list "le" "quantile")) (hasPrefix "__" $label) (hasPrefix "otel_scope_" $label) -}}
{{- fail (printf "metrics.customLabels.%s: the name is reserved, and Duotel would not start with it; choose another" $label) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.networkPolicy.enabled $m.enabled $samePort -}}
{{- fail (printf "networkPolicy.enabled=true, metrics.port=%d: the page shares the port of the service, so Prometheus alone cannot be let in; give the page a port of its own (metrics.listener=true)" (int $m.port)) -}}
{{- end -}}
{{- if and (ne .Values.spool.type "none") (not .Values.otlp.endpoint) -}}
{{- fail (printf "spool.type=%q: without otlp.endpoint nothing is pushed, so nothing is spooled; set otlp.endpoint, or spool.type=none" .Values.spool.type) -}}
{{- end -}}
{{- if and .Values.otlp.headersSecret (not .Values.otlp.endpoint) -}}
{{- fail (printf "otlp.headersSecret=%q: without otlp.endpoint nothing is pushed; set otlp.endpoint, or leave it empty" .Values.otlp.headersSecret) -}}
{{- end -}}
{{- if and $m.enabled $m.prometheusRule.enabled (not (include "duotel-service.ruleFiles" .)) -}}
{{- fail "metrics.prometheusRule.enabled=true: the chart's folder files/ has no *.yaml with groups of rules; write them there with duotel gen" -}}
{{- end -}}
{{- $jobs := include "duotel-service.ruleJobs" . | fromJsonArray -}}
{{- $name := include "duotel-service.serviceName" . -}}
{{- if and $m.enabled $m.prometheusRule.enabled $jobs (not (has $name $jobs)) -}}
{{- fail (printf "serviceName=%q: the rules in files/ ask for %s, and would find nothing of this service; set serviceName to that, or write them anew with duotel gen -service %s" $name (join ", " $jobs) $name) -}}
{{- end -}}
{{- if and $m.enabled $m.dashboards.enabled (not (.Files.Glob "files/**.json")) -}}
{{- fail "metrics.dashboards.enabled=true: the chart's folder files/ has no *.json; write the dashboards there with duotel gen" -}}
{{- end -}}
{{- end -}}

{{/* The files of rules, nothing where there are none. */}}
{{- define "duotel-service.ruleFiles" -}}
{{- range $path, $_ := .Files.Glob "files/**.yaml" -}}
{{- if ($.Files.Get $path | fromYaml).groups -}}{{ $path }} {{ end -}}
{{- end -}}
{{- end -}}

{{/* The jobs for which the rules ask by name, as a list in JSON. */}}
{{- define "duotel-service.ruleJobs" -}}
{{- $jobs := list -}}
{{- range $path, $_ := .Files.Glob "files/**.yaml" -}}
{{- range regexFindAll `job=\\?"[^"\\]+` ($.Files.Get $path) -1 -}}
{{- $jobs = append $jobs (regexReplaceAll `^job=\\?"` . "") -}}
{{- end -}}
{{- end -}}
{{- $jobs | uniq | toJson -}}
{{- end -}}
