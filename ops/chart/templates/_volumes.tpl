{{/* Where the headers and the spool are in the container. A mounted folder, not a subPath, so that a new Secret arrives. */}}
{{- define "duotel-service.volumeMounts" -}}
{{- if and .Values.metrics.enabled .Values.otlp.headersSecret }}
- name: otlp-headers
  mountPath: /etc/duotel
  readOnly: true
{{- end }}
{{- if and .Values.metrics.enabled (ne .Values.spool.type "none") }}
- name: spool
  mountPath: {{ .Values.spool.path | quote }}
{{- end }}
{{- end -}}

{{- define "duotel-service.volumes" -}}
{{- if and .Values.metrics.enabled .Values.otlp.headersSecret }}
- name: otlp-headers
  secret:
    secretName: {{ .Values.otlp.headersSecret }}
    items:
      - key: {{ .Values.otlp.headersSecretKey | quote }}
        path: headers
{{- end }}
{{- if and .Values.metrics.enabled (eq .Values.spool.type "emptyDir") }}
- name: spool
  emptyDir:
    sizeLimit: {{ .Values.spool.size | quote }}
{{- else if and .Values.metrics.enabled (eq .Values.spool.type "claim") }}
- name: spool
  persistentVolumeClaim:
    claimName: {{ .Values.spool.claimName | default (printf "%s-spool" (include "duotel-service.fullname" . | trunc 57 | trimSuffix "-")) }}
{{- end }}
{{- end -}}
