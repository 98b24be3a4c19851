{{/* The probes. Those on Duotel's listener go with it, so that metrics.enabled=false works alone, in an emergency. */}}
{{- define "duotel-service.probes" -}}
{{- $probes := .Values.probes -}}
{{- if and $probes.enabled (or (eq $probes.port "http") (include "duotel-service.listener" .)) -}}
livenessProbe:
  httpGet:
    path: {{ $probes.livenessPath }}
    port: {{ $probes.port }}
  {{- include "duotel-service.probeTimes" $probes | nindent 2 }}
readinessProbe:
  httpGet:
    path: {{ $probes.readinessPath }}
    port: {{ $probes.port }}
  {{- include "duotel-service.probeTimes" $probes | nindent 2 }}
{{- end -}}
{{- end -}}

{{- define "duotel-service.probeTimes" -}}
periodSeconds: {{ .periodSeconds | int }}
timeoutSeconds: {{ .timeoutSeconds | int }}
failureThreshold: {{ .failureThreshold | int }}
{{- end -}}
