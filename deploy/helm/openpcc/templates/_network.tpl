{{/*
Who speaks to whom, once: the left one connects to the right one.

  proxy      relay                       gateway    publisher, log, nodes
  relay      gateway                     publisher  log, nodes, issuer (with tokens)
  log        witness
  tests      relay                       nodes      nobody

What a configuration names by URL and is not in this release is reached at the URL's port, wherever
it is: policies know addresses, not names. PostgreSQL, whose address is a secret, and whatever else
there is are in networkPolicy.extraEgress.
*/}}
{{- define "openpcc.connections" -}}
proxy: [relay]
relay: [gateway]
gateway: [publisher, log]
publisher: [log, issuer]
issuer: []
log: [witness]
witness: []
{{- end }}

{{/* Peers that are roles of this release: (list $ roles). */}}
{{- define "openpcc.peers" -}}
{{- $root := index . 0 -}}
{{- range index . 1 }}
- podSelector:
    matchLabels:
      {{- include "openpcc.selector" (list $root .) | nindent 6 }}
{{- end }}
{{- end }}

{{/* Egress rules of a role: (list $ role roles). */}}
{{- define "openpcc.speaksTo" -}}
{{- $root := index . 0 }}{{ $role := index . 1 }}{{ $roles := index . 2 -}}
{{- range $other := get (include "openpcc.connections" $root | fromYaml) $role }}
{{- if hasKey $roles $other }}
- to:
    {{- include "openpcc.peers" (list $root (list $other)) | nindent 4 }}
  ports: [{port: {{ (get $roles $other).port }}}]
{{- end }}
{{- end }}
{{- $nodes := $root.Values.nodes }}
{{- $inside := or $nodes.kata.enabled $nodes.simulated.enabled }}
{{- if and (has $role (list "gateway" "publisher")) (or $inside $nodes.external) }}
- to:
    {{- if $inside }}{{ include "openpcc.peers" (list $root (list "nodes")) | nindent 4 }}{{ end }}
    {{- range $nodes.external }}
    - ipBlock: {cidr: {{ . }}/{{ ternary 128 32 (contains ":" .) }}}
    {{- end }}
  ports: [{port: 8080}]
{{- end }}
{{- end }}

{{/* URLs that a role calls, as its configuration says: (list $ role). */}}
{{- define "openpcc.calls" -}}
{{- $root := index . 0 }}{{ $role := index . 1 }}{{ $urls := list -}}
{{- if eq $role "status" -}}
{{- $urls = list $root.Values.status.log -}}
{{- else -}}
{{- $c := (index $root.Values $role).config | fromToml -}}
{{- range list "gateway" "publisher" "log" "spent" "replay" "relay" }}{{ $urls = append $urls (get $c .) }}{{ end -}}
{{- $urls = append $urls (dig "tokens" "issuer" "" $c) -}}
{{- range (get $c "relays" | default list) }}{{ $urls = append $urls . }}{{ end -}}
{{- range $table, $key := dict "witnesses" "url" "nodes" "url" "providers" "jwks" -}}
{{- range (get $c $table | default list) }}{{ $urls = append $urls (get . $key) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- $urls | toJson -}}
{{- end }}

{{/* Ports of what a role calls outside this release: (list $ role roles). */}}
{{- define "openpcc.outside" -}}
{{- $root := index . 0 }}{{ $roles := index . 2 }}{{ $ports := list -}}
{{- $inside := list -}}
{{- range $name, $facts := $roles }}{{ $inside = append $inside (printf "%s-%s" (include "openpcc.name" $root) $name) }}{{ end -}}
{{- range include "openpcc.calls" (list $root (index . 1)) | fromJsonArray -}}
{{- if contains "://" (toString .) -}}
{{- $url := urlParse . -}}
{{- if and $url.hostname (not (has (splitList "." $url.hostname | first) $inside)) -}}
{{- $usual := get (dict "https" 443 "http" 80 "redis" 6379 "rediss" 6379) $url.scheme -}}
{{- $ports = append $ports (regexFind "[0-9]+$" (trimPrefix $url.hostname $url.host) | default $usual | int) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $ports | uniq | toJson -}}
{{- end }}

{{/* Ingress rules of a role: (list $ role roles). */}}
{{- define "openpcc.heardBy" -}}
{{- $root := index . 0 }}{{ $role := index . 1 }}{{ $roles := index . 2 -}}
{{- $np := $root.Values.networkPolicy -}}
{{- $facts := get $roles $role -}}
{{- $peers := list -}}
{{- range $other, $speaks := include "openpcc.connections" $root | fromYaml -}}
{{- if and (has $role $speaks) (hasKey $roles $other) }}{{ $peers = append $peers $other }}{{ end -}}
{{- end -}}
{{- if and (eq $role "relay") $root.Values.tests.enabled }}{{ $peers = append $peers "tests" }}{{ end -}}
{{- $further := ternary $np.publicFrom (dict "gateway" $np.gatewayFrom "proxy" $np.proxyFrom | dig $role list) (hasKey $facts "public") -}}
{{- if and (hasKey $facts "public") (not $further) }}
# Public: from everywhere.
- ports: [{port: {{ $facts.port }}}]
{{- else if or $peers $further }}
- from:
    {{- include "openpcc.peers" (list $root $peers) | nindent 4 }}
    {{- with $further }}{{ toYaml . | nindent 4 }}{{ end }}
  ports: [{port: {{ $facts.port }}}]
{{- end }}
{{- if and (hasKey $facts "control") $root.Values.monitoring.serviceMonitor.enabled }}
- from:
    - namespaceSelector:
        matchLabels: {kubernetes.io/metadata.name: {{ $root.Values.monitoring.namespace }}}
  ports: [{port: {{ $facts.control }}}]
{{- end }}
{{- end }}

{{/* One policy: a dict with root, role, roles, in, out (rules) and calls (whether it asks anybody). */}}
{{- define "openpcc.policy" -}}
{{- $np := .root.Values.networkPolicy -}}
{{- $in := concat .in (get $np.extraIngress .role | default list) -}}
{{- $out := concat .out (get $np.extraEgress .role | default list) -}}
{{- if and .calls $np.outside -}}
{{- $ports := list -}}
{{- range include "openpcc.outside" (list .root .role .roles) | fromJsonArray }}{{ $ports = append $ports (dict "port" .) }}{{ end -}}
{{- with $ports }}{{ $out = append $out (dict "ports" .) }}{{ end -}}
{{- end -}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "openpcc.name" .root }}-{{ .role }}
  labels:
    {{- include "openpcc.labels" (list .root .role) | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "openpcc.selector" (list .root .role) | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    {{- with $in }}{{ toYaml . | nindent 4 }}{{ else }} []{{ end }}
  egress:
    {{- if .calls }}
    - to:
        - namespaceSelector:
            matchLabels: {kubernetes.io/metadata.name: {{ $np.dns.namespace }}}
          podSelector:
            matchLabels:
              {{- toYaml $np.dns.podLabels | nindent 14 }}
      ports: [{port: {{ $np.dns.port }}, protocol: UDP}, {port: {{ $np.dns.port }}, protocol: TCP}]
    {{- end }}
    {{- with $out }}{{ toYaml . | nindent 4 }}{{ else }}{{ if not .calls }} []{{ end }}{{ end }}
{{- end }}
