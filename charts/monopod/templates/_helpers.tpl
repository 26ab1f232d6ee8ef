{{/* The chart's name, as the app.kubernetes.io/name label has it. */}}
{{- define "monopod.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Name of the objects: the release's name, which gets the chart's added unless it holds it already. */}}
{{- define "monopod.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- default $full .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "monopod.selectorLabels" -}}
app.kubernetes.io/name: {{ include "monopod.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "monopod.labels" -}}
{{ include "monopod.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "monopod.serviceAccountName" -}}
{{- if not (or .Values.serviceAccount.create .Values.serviceAccount.name) }}
{{- fail "serviceAccount.create is false, so serviceAccount.name must say which ServiceAccount the operator uses" }}
{{- end }}
{{- default (include "monopod.fullname" .) .Values.serviceAccount.name }}
{{- end }}

{{/* The operator's user name, which the admission policies let do what nobody else may. */}}
{{- define "monopod.userName" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "monopod.serviceAccountName" . }}
{{- end }}

{{- define "monopod.image" -}}
{{- $tag := default .Chart.AppVersion .Values.image.tag }}
{{- .Values.image.repository }}{{ ternary (printf "@%s" .Values.image.digest) (printf ":%s" $tag) (ne .Values.image.digest "") }}
{{- end }}

{{/* The AWS endpoint's objects, likewise of other pods than the operator's. */}}
{{- define "monopod.awsName" -}}
{{ include "monopod.fullname" . }}-aws
{{- end }}

{{- define "monopod.awsSelectorLabels" -}}
app.kubernetes.io/name: {{ include "monopod.name" . }}-aws
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "monopod.awsLabels" -}}
{{ include "monopod.awsSelectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The ledger's objects. Its pods are other pods than the operator's, which the operator's Service and budget select. */}}
{{- define "monopod.ledgerName" -}}
{{ include "monopod.fullname" . }}-ledger
{{- end }}

{{- define "monopod.ledgerSelectorLabels" -}}
app.kubernetes.io/name: {{ include "monopod.name" . }}-ledger
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "monopod.ledgerLabels" -}}
{{ include "monopod.ledgerSelectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}
