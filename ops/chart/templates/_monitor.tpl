{{/* What ServiceMonitor and PodMonitor say alike about one endpoint. */}}
{{- define "duotel-service.endpoint" -}}
path: {{ .Values.metrics.path }}
{{- with .Values.metrics.interval }}
interval: {{ . }}
{{- end }}
{{- with .Values.metrics.scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
relabelings:
  # The job is the service's name in its metrics, for which the generated dashboards and rules ask.
  - targetLabel: job
    replacement: {{ include "duotel-service.serviceName" . | quote }}
{{- end -}}

{{/* Native histograms are in the protobuf format alone; those with bounds of their own are converted. */}}
{{- define "duotel-service.histograms" -}}
{{- if .Values.metrics.nativeHistograms -}}
scrapeProtocols: [PrometheusProto, OpenMetricsText1.0.0, PrometheusText0.0.4]
scrapeNativeHistograms: true
convertClassicHistogramsToNHCB: true
{{- end -}}
{{- end -}}
