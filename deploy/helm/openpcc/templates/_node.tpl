{{/*
Nodes in pods: a dict with root, name, kind, values, replicas, and machine (the Secret of a simulated
one). Their keys live in memory alone, so there is no volume; nothing lets them speak to anybody.
*/}}
{{- define "openpcc.nodeSet" -}}
{{- $root := .root }}{{ $values := .values -}}
{{- $name := printf "%s-%s" (include "openpcc.name" $root) .name -}}
{{- $sources := list (dict "name" "plain" "to" "." "configMap" $name) -}}
{{- with .machine }}{{ $sources = append $sources (dict "name" "machine" "to" "machine" "secret" .) }}{{ end -}}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $name }}
  labels:
    {{- include "openpcc.labels" (list $root "nodes") | nindent 4 }}
data:
  host.toml: |
    {{- $values.config | nindent 4 }}
  {{- with $root.Values.nodes.release }}
  release: {{ . | quote }}
  {{- end }}
{{- with get $values "files" }}
binaryData:
  {{- toYaml . | nindent 2 }}
{{- end }}
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ $name }}
  labels:
    {{- include "openpcc.labels" (list $root "nodes") | nindent 4 }}
    openpcc/nodes: {{ .kind }}
spec:
  replicas: {{ .replicas }}
  serviceName: {{ include "openpcc.name" $root }}-nodes
  podManagementPolicy: Parallel
  selector:
    matchLabels:
      {{- include "openpcc.selector" (list $root "nodes") | nindent 6 }}
      openpcc/set: {{ .name }}
  template:
    {{- include "openpcc.pod" (dict
      "root" $root
      "role" "nodes"
      "image" (dict "name" (include "openpcc.image" (list $root $values.image (printf "nodes.%s.image" .kind))) "pullPolicy" $values.image.pullPolicy)
      "resources" $values.resources
      "command" (list "openpcc-node" "--config" "/etc/openpcc/host.toml" "--image" $values.imageConfig | toJson)
      "place" (merge (dict "podLabels" (merge (dict "openpcc/set" .name "openpcc/nodes" .kind) $values.podLabels)) (omit $values "podLabels"))
      "sources" $sources
      "ports" (dict "main" 8080 "control" 8081)
      "probes" "control"
      "patience" 900
      "grace" (add (dig "limits" "drain" 0 ($values.config | fromToml)) 30)
      "claim" ""
      "begin" ""
      "checksum" (toJson (list $values.config (get $values "files") $root.Values.nodes.release) | sha256sum)
      "runtimeClassName" (get $values "runtimeClassName")
    ) | nindent 4 }}
{{- end }}
