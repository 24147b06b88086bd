{{/* The pod of a server role: (list $ "gateway" facts). */}}
{{- define "openpcc.rolePod" -}}
{{- $root := index . 0 }}{{ $role := index . 1 }}{{ $facts := index . 2 -}}
{{- $values := index $root.Values $role -}}
{{- $config := $values.config | fromToml -}}
{{- $kept := include "openpcc.kept" (list $root $role) -}}
{{- $ports := dict "main" $facts.port -}}
{{- with $facts.control }}{{ $_ := set $ports "control" . }}{{ end -}}
{{- /* The two that end with their own pace have `notice` and `drain`; the others need a pause. */ -}}
{{- $paced := has $role (list "gateway" "publisher" "relay" "issuer") -}}
{{- $grace := ternary (add (get $config "notice" | default 0 | ceil) (get $config "drain" | default 5 | ceil) 15) 30 $paced -}}
{{- include "openpcc.pod" (dict
  "root" $root
  "role" $role
  "image" (dict "name" (include "openpcc.image" (list $root $root.Values.image "image")) "pullPolicy" $root.Values.image.pullPolicy)
  "resources" $values.resources
  "command" (include "openpcc.command" (list $root $role))
  "place" $values
  "sources" (include "openpcc.sources" (list $root $role $facts) | fromYamlArray)
  "ports" $ports
  "probes" (ternary "control" "connect" (hasKey $facts "control"))
  "grace" $grace
  "pause" (ternary "" "5" $paced)
  "claim" (ternary "own" "" (ne $kept ""))
  "begin" (ternary (include "openpcc.begin" (list $root $role)) "" (ne $kept ""))
  "checksum" (toJson (list $values.config (get $values "policy") $values.files) | sha256sum)
) -}}
{{- end }}

{{/* What is copied below /etc/openpcc: configuration, secrets, certificate, further roots. */}}
{{- define "openpcc.sources" -}}
{{- $root := index . 0 }}{{ $role := index . 1 }}{{ $facts := index . 2 -}}
{{- $values := index $root.Values $role }}
{{- with $values.existingSecret }}
- {name: secrets, to: {{ $facts.secrets | quote }}, secret: {{ . }}}
{{- end }}
{{- with get $values "keysSecret" }}
- {name: keys, to: secrets/keys, secret: {{ . }}}
{{- end }}
{{- with get $root.Values.tls $role }}
- {name: tls, to: tls, secret: {{ . }}}
{{- end }}
{{- with $root.Values.tls.ca }}
- {name: ca, to: tls, configMap: {{ . }}}
{{- end }}
{{- /* Last: a Secret made of a whole folder holds an older copy. */}}
- {name: plain, to: ., configMap: {{ include "openpcc.name" $root }}-{{ $role }}}
{{- end }}

{{/* A volume for one pod: values with size and storageClass. */}}
{{- define "openpcc.claim" -}}
accessModes: [ReadWriteOnce]
{{- with .storageClass }}
storageClassName: {{ . }}
{{- end }}
resources:
  requests: {storage: {{ .size }}}
{{- end }}
