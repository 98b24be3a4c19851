{{/* The chart's name, as a label's value. */}}
{{- define "duotel-service.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The name of everything the release makes: the release's and the chart's, said once where one has the other in it. */}}
{{- define "duotel-service.fullname" -}}
{{- $name := include "duotel-service.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The service's name in its metrics, and its job in Prometheus. */}}
{{- define "duotel-service.serviceName" -}}
{{- default (include "duotel-service.fullname" .) .Values.serviceName -}}
{{- end -}}

{{- define "duotel-service.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "duotel-service.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The labels by which things find the pods. They never change in the life of a release. */}}
{{- define "duotel-service.selectorLabels" -}}
app.kubernetes.io/name: {{ include "duotel-service.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "duotel-service.labels" -}}
{{ include "duotel-service.selectorLabels" . }}
{{- with .Values.image.tag | default .Chart.AppVersion }}
app.kubernetes.io/version: {{ . | trunc 63 | trimSuffix "-" | quote }}
{{- end }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* "true" where Duotel's own listener is open, else nothing. */}}
{{- define "duotel-service.listener" -}}
{{- if and .Values.metrics.enabled .Values.metrics.listener -}}true{{- end -}}
{{- end -}}

{{/* The name of the container's port with the page. */}}
{{- define "duotel-service.metricsPort" -}}
{{- if eq (int .Values.metrics.port) (int .Values.service.targetPort) -}}http{{- else -}}metrics{{- end -}}
{{- end -}}

{{/* The name of what is made from a file: the release's and the file's, without what a name may not have. */}}
{{- define "duotel-service.fileName" -}}
{{- $file := .path | trimPrefix "files/" | trimSuffix (ext .path) | lower -}}
{{- printf "%s-%s" (include "duotel-service.fullname" .root) (regexReplaceAll "[^a-z0-9]+" $file "-" | trimAll "-") | trunc 253 | trimSuffix "-" -}}
{{- end -}}
