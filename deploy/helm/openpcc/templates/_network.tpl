{{/*
Who speaks to whom, once: the left one connects to the right one.

  proxy      relay                       gateway    publisher, log, nodes
  relay      gateway                     publisher  log, nodes, issuer (with tokens)
  log        witness                     status     log
  tests      relay                       nodes      nobody

Everything else (the token store, PostgreSQL, identity providers, witnesses, logs and gateways
elsewhere) is in networkPolicy.extraEgress.
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

{{/* Ingress rules of a role: (list $ role roles). */}}
{{- define "openpcc.heardBy" -}}
{{- $root := index . 0 }}{{ $role := index . 1 }}{{ $roles := index . 2 -}}
{{- $np := $root.Values.networkPolicy -}}
{{- $facts := get $roles $role -}}
{{- $peers := list -}}
{{- range $other, $speaks := include "openpcc.connections" $root | fromYaml -}}
{{- if and (has $role $speaks) (hasKey $roles $other) }}{{ $peers = append $peers $other }}{{ end -}}
{{- end -}}
{{- if and (eq $role "log") $root.Values.status.enabled }}{{ $peers = append $peers "status" }}{{ end -}}
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

{{/* One policy: a dict with root, role, in, out (rules) and dns (whether it may ask names). */}}
{{- define "openpcc.policy" -}}
{{- $np := .root.Values.networkPolicy -}}
{{- $in := concat .in (get $np.extraIngress .role | default list) -}}
{{- $out := concat .out (get $np.extraEgress .role | default list) -}}
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
    {{- if .dns }}
    - to:
        - namespaceSelector:
            matchLabels: {kubernetes.io/metadata.name: {{ $np.dns.namespace }}}
          podSelector:
            matchLabels:
              {{- toYaml $np.dns.podLabels | nindent 14 }}
      ports: [{port: {{ $np.dns.port }}, protocol: UDP}, {port: {{ $np.dns.port }}, protocol: TCP}]
    {{- end }}
    {{- with $out }}{{ toYaml . | nindent 4 }}{{ else }}{{ if not .dns }} []{{ end }}{{ end }}
{{- end }}
