{{/* Name of the objects: the release's name, which gets the chart's added unless it holds it already. */}}
{{- define "gvisor-node.fullname" -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) }}
{{- $full | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "gvisor-node.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "gvisor-node.labels" -}}
{{ include "gvisor-node.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "gvisor-node.image" -}}
{{- $tag := default .Chart.AppVersion .Values.image.tag }}
{{- .Values.image.repository }}{{ ternary (printf "@%s" .Values.image.digest) (printf ":%s" $tag) (ne .Values.image.digest "") }}
{{- end }}

{{/* The program's settings. */}}
{{- define "gvisor-node.settings" -}}
{{- $path := printf "/apis/apps/v1/namespaces/%s/daemonsets/%s" .Release.Namespace (include "gvisor-node.fullname" .) }}
{{- dict "handler" .Values.handler "installDir" .Values.installDir "runscConfig" .Values.runscConfig "node" .Values.node "containerd" .Values.containerd "daemonSet" $path "runtimeClass" .Values.runtimeClass.name | toJson }}
{{- end }}
