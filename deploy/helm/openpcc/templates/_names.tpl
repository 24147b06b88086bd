{{/* Names, labels, images. */}}

{{/* What all names begin with. */}}
{{- define "openpcc.name" -}}
{{- $name := .Values.fullnameOverride | default .Release.Name -}}
{{- if gt (len $name) 40 }}{{ fail (printf "fullnameOverride: %q has more than 40 characters; give a shorter one" $name) }}{{ end -}}
{{- $name -}}
{{- end }}

{{/* What tells the pods of one role: (list $ "gateway"). */}}
{{- define "openpcc.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: openpcc
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Labels of everything: (list $ "gateway"). */}}
{{- define "openpcc.labels" -}}
{{- $root := index . 0 -}}
{{ include "openpcc.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: openpcc
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- end }}

{{/* An image, by its digest if there is one: (list $ .Values.image "image"). */}}
{{- define "openpcc.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- $repository := required (printf "%s.repository: name the image" (index . 2)) $image.repository -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository ($image.tag | default $root.Chart.AppVersion) -}}
{{- end -}}
{{- end }}
