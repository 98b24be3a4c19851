{{/* The variables of the container, by the names of docs/configuration.md. */}}
{{- define "duotel-service.env" -}}
- name: OTEL_SERVICE_NAME
  value: {{ include "duotel-service.serviceName" . | quote }}
{{- if .Values.metrics.enabled }}
- name: K8S_NAMESPACE_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: K8S_POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: K8S_NODE_NAME
  valueFrom:
    fieldRef:
      fieldPath: spec.nodeName
- name: OTEL_RESOURCE_ATTRIBUTES
  value: {{ include "duotel-service.resource" . | quote }}
{{- include "duotel-service.pageEnv" . }}
{{- if .Values.otlp.endpoint }}
{{- include "duotel-service.pushEnv" . }}
{{- end }}
{{- else }}
- name: ENABLE_METRICS
  value: "false"
{{- end }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* key=value,key=value of a map, values percent-encoded, sorted. */}}
{{- define "duotel-service.pairs" -}}
{{- $pairs := list -}}
{{- range $key, $value := . -}}
{{- $pairs = append $pairs (printf "%s=%s" $key ($value | toString | urlquery | replace "+" "%20")) -}}
{{- end -}}
{{- join "," $pairs -}}
{{- end -}}

{{/* OTEL_RESOURCE_ATTRIBUTES. The kubelet replaces $(NAME). */}}
{{- define "duotel-service.resource" -}}
{{- $version := dict "service.version" (.Values.image.tag | default .Chart.AppVersion) -}}
{{- $own := include "duotel-service.pairs" (merge (dict) .Values.resourceAttributes $version) -}}
{{- $own }},k8s.namespace.name=$(K8S_NAMESPACE_NAME),k8s.pod.name=$(K8S_POD_NAME),k8s.node.name=$(K8S_NODE_NAME)
{{- end -}}

{{/* The page: where it is, and what is on it. */}}
{{- define "duotel-service.pageEnv" -}}
{{- if include "duotel-service.listener" . }}
- name: OTEL_EXPORTER_PROMETHEUS_HOST
  value: 0.0.0.0
- name: OTEL_EXPORTER_PROMETHEUS_PORT
  value: {{ .Values.metrics.port | int | quote }}
{{- end }}
- name: METRICS_HTTP_NAMES
  value: {{ .Values.metrics.httpNames }}
{{- with .Values.metrics.customLabels }}
- name: METRICS_CUSTOM_LABELS
  value: {{ include "duotel-service.pairs" . | quote }}
{{- end }}
{{- with .Values.metrics.durationBounds }}
- name: METRICS_HTTP_DURATION_BOUNDS
  value: {{ join "," . | quote }}
{{- end }}
{{- end -}}

{{/* The push exit. */}}
{{- define "duotel-service.pushEnv" }}
- name: OTEL_EXPORTER_OTLP_METRICS_ENDPOINT
  value: {{ .Values.otlp.endpoint | quote }}
- name: OTEL_EXPORTER_OTLP_METRICS_PROTOCOL
  value: {{ .Values.otlp.protocol }}
- name: OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE
  value: {{ .Values.otlp.temporality }}
- name: OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION
  value: {{ .Values.otlp.histogramAggregation }}
- name: OTEL_METRIC_EXPORT_INTERVAL
  value: {{ .Values.otlp.interval | int | quote }}
{{- if .Values.otlp.headersSecret }}
- name: DUOTEL_PUSH_HEADERS_FILE
  value: /etc/duotel/headers
{{- end }}
{{- if ne .Values.spool.type "none" }}
- name: DUOTEL_PUSH_SPOOL_DIR
  value: {{ .Values.spool.path | quote }}
{{- end }}
{{- end -}}
