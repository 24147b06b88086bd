{{/*
The roles that are enabled, each with what is fixed of it (YAML, by name):
  port, control   where it listens; no control: the proxy has none
  kind            Deployment, or StatefulSet where a volume must not be shared
  file            its configuration in /etc/openpcc
  secrets         where the files of its Secret go
  public          strangers reach it
*/}}
{{- define "openpcc.roles" -}}
{{- $v := .Values -}}
{{- if $v.gateway.enabled }}
gateway: {port: 8001, control: 9001, kind: Deployment, file: gateway.toml, secrets: secrets}
{{- end }}
{{- if $v.publisher.enabled }}
publisher: {port: 8002, control: 9002, kind: StatefulSet, file: publisher.toml, secrets: secrets}
{{- end }}
{{- if $v.relay.enabled }}
relay: {port: 8000, control: 9000, kind: Deployment, file: relay.toml, secrets: secrets, public: true}
{{- end }}
{{- if $v.issuer.enabled }}
issuer: {port: 8003, control: 9003, kind: {{ ternary "StatefulSet" "Deployment" $v.issuer.persistence.enabled }}, file: issuer.toml, secrets: secrets, public: true}
{{- end }}
{{- if $v.log.enabled }}
log: {port: 8090, control: 9090, kind: StatefulSet, file: log.toml, secrets: secrets, public: true}
{{- end }}
{{- if $v.witness.enabled }}
witness: {port: 8091, control: 9091, kind: StatefulSet, file: witness.toml, secrets: ".", public: true}
{{- end }}
{{- if $v.proxy.enabled }}
proxy: {port: 8010, kind: StatefulSet, file: client.toml, secrets: "."}
{{- end }}
{{- end }}

{{/* The program of a role and its arguments: (list $ "gateway"). */}}
{{- define "openpcc.command" -}}
{{- $root := index . 0 }}{{ $role := index . 1 -}}
{{- $config := printf "/etc/openpcc/%s.toml" $role -}}
{{- if eq $role "publisher" -}}
{{ list "openpcc-gateway" "--role" "publisher" "--config" $config | toJson }}
{{- else if eq $role "proxy" -}}
{{- $name := printf "%s-proxy" (include "openpcc.name" $root) -}}
{{- $inside := printf "%s.%s" $name $root.Release.Namespace -}}
{{- $command := list "openpcc" "proxy" "--config" "/etc/openpcc/client.toml" "--listen" "0.0.0.0:8010"
      "--key-file" "/etc/openpcc/api.key" "--tls-cert" "/etc/openpcc/tls/tls.crt" "--tls-key" "/etc/openpcc/tls/tls.key" -}}
{{- with $root.Values.proxy.pace }}{{ $command = concat $command (list "--pace" .) }}{{ end -}}
{{- range concat (list $name $inside (printf "%s.svc" $inside)) $root.Values.proxy.names -}}
{{- $command = concat $command (list "--name" .) -}}
{{- end -}}
{{ $command | toJson }}
{{- else -}}
{{ list (printf "openpcc-%s" $role) "--config" $config | toJson }}
{{- end -}}
{{- end }}

{{/* What begins the state of a role on an empty volume; empty: nothing has to be begun. */}}
{{- define "openpcc.begin" -}}
{{- $root := index . 0 }}{{ $role := index . 1 -}}
{{- $config := (index $root.Values $role).config | fromToml -}}
{{- if eq $role "publisher" -}}
openpcc-gateway publisher-init --config /etc/openpcc/publisher.toml
{{- else if eq $role "issuer" -}}
openpcc-issuer init --config /etc/openpcc/issuer.toml
{{- if hasPrefix "/var/lib/openpcc/" $config.keys }}
mkdir -m 700 {{ $config.keys }}
openpcc-issuer keys new --config /etc/openpcc/issuer.toml
{{- end }}
{{- else if has $role (list "log" "witness") -}}
openpcc-{{ $role }} init --config /etc/openpcc/{{ $role }}.toml
{{- end -}}
{{- end }}

{{/* Whether a role has a volume of its own; the text is empty if not. */}}
{{- define "openpcc.kept" -}}
{{- $values := index (index . 0).Values (index . 1) -}}
{{- with $values.persistence }}{{ if dig "enabled" true . }}yes{{ end }}{{ end -}}
{{- end }}
