{{/*
What a schema cannot see: the TOML inside the values, and values that have to fit together. All that
is wrong is named at once. Called once, by configmaps.yaml.
*/}}
{{- define "openpcc.check" -}}
{{- $found := list -}}
{{- range $role, $facts := include "openpcc.roles" . | fromYaml -}}
{{- $found = concat $found (include "openpcc.checkRole" (list $ $role $facts) | fromJsonArray) -}}
{{- end -}}
{{- $found = concat $found (include "openpcc.checkNodes" . | fromJsonArray) (include "openpcc.checkRest" . | fromJsonArray) -}}
{{- with $found }}{{ fail (printf "\n  %s" (join "\n  " .)) }}{{ end -}}
{{- end }}

{{/* One role: its file, its Secret. */}}
{{- define "openpcc.checkRole" -}}
{{- $root := index . 0 }}{{ $role := index . 1 }}{{ $facts := index . 2 -}}
{{- $values := index $root.Values $role }}{{ $found := list -}}
{{- $config := $values.config | fromToml -}}
{{- if not $values.config -}}
{{- $found = append $found (printf "%s.config: empty; paste %s of `openpcc init`" $role $facts.file) -}}
{{- else if $config.Error -}}
{{- $found = append $found (printf "%s.config: not TOML: %s" $role $config.Error) -}}
{{- else if ne $role "proxy" -}}
{{- range $key, $port := dict "listen" $facts.port "control" $facts.control -}}
{{- $expected := list (printf "0.0.0.0:%v" $port) (printf "[::]:%v" $port) -}}
{{- if not (has (get $config $key) $expected) -}}
{{- $found = append $found (printf "%s.config: %s: expected %q, found %q" $role $key (index $expected 0) (get $config $key | toString)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (has $role (list "gateway" "publisher")) $config.service (ne $config.service $root.Values.service) -}}
{{- $found = append $found (printf "%s.config: service: expected %q, as in `service`, found %q" $role $root.Values.service $config.service) -}}
{{- end -}}
{{- if and (has $role (list "gateway" "publisher" "log" "witness" "proxy")) (not $values.existingSecret) -}}
{{- $found = append $found (printf "%s.existingSecret: name the Secret; make it with: kubectl create secret generic %s-%s --from-file=FOLDER" $role (include "openpcc.name" $root) $role) -}}
{{- end -}}
{{- range $path := include "openpcc.statePaths" (list $role $config) | fromJsonArray -}}
{{- if and (include "openpcc.kept" (list $root $role)) (not (regexMatch "^/var/lib/openpcc/[A-Za-z0-9][A-Za-z0-9._/-]*$" (index $path 1))) -}}
{{- $found = append $found (printf "%s.config: %s: expected a path below /var/lib/openpcc, found %q" $role (index $path 0) (index $path 1)) -}}
{{- end -}}
{{- end -}}
{{- $found | toJson -}}
{{- end }}

{{/* Settings that name state: (list role config) gives [[setting, path], …]. */}}
{{- define "openpcc.statePaths" -}}
{{- $role := index . 0 }}{{ $c := index . 1 }}{{ $found := list -}}
{{- if eq $role "publisher" -}}{{- $found = list (list "state" $c.state) (list "archive" $c.archive) -}}
{{- else if eq $role "witness" -}}{{- $found = list (list "database" $c.database) -}}
{{- else if eq $role "proxy" -}}{{- $found = list (list "state" $c.state) -}}
{{- else if eq $role "issuer" -}}
{{- if ne $c.keys "secrets/keys" }}{{ $found = append $found (list "keys" $c.keys) }}{{ end -}}
{{- if eq (dig "database" "kind" "" $c) "sqlite" }}{{ $found = append $found (list "database.path" (dig "database" "path" "" $c)) }}{{ end -}}
{{- else if eq $role "log" -}}
{{- if eq (dig "store" "kind" "" $c) "directory" }}{{ $found = append $found (list "store.path" (dig "store" "path" "" $c)) }}{{ end -}}
{{- if eq (dig "sequence" "kind" "" $c) "sqlite" }}{{ $found = append $found (list "sequence.path" (dig "sequence" "path" "" $c)) }}{{ end -}}
{{- end -}}
{{- $named := list -}}
{{- range $found }}{{ $named = append $named (list (index . 0) (index . 1 | default "" | toString)) }}{{ end -}}
{{- $named | toJson -}}
{{- end }}

{{- define "openpcc.checkNodes" -}}
{{- $found := list -}}
{{- range $kind := list "kata" "simulated" -}}
{{- $values := index $.Values.nodes $kind -}}
{{- if $values.enabled -}}
{{- $config := $values.config | fromToml -}}
{{- range $key, $expected := dict "listen" "0.0.0.0:8080" "control" "0.0.0.0:8081" -}}
{{- if ne (get $config $key | toString) $expected -}}
{{- $found = append $found (printf "nodes.%s.config: %s: expected %q, found %q" $kind $key $expected (get $config $key | toString)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.nodes.simulated.enabled (not .Values.nodes.simulated.machines) -}}
{{- $found = append $found "nodes.simulated.machines: name a Secret with a machine's folder" -}}
{{- end -}}
{{- if and .Values.nodes.simulated.enabled .Values.nodes.kata.enabled -}}
{{- $found = append $found "nodes: simulated and kata are both enabled; no policy accepts both" -}}
{{- end -}}
{{- $found | toJson -}}
{{- end }}

{{/* What concerns several values. */}}
{{- define "openpcc.checkRest" -}}
{{- $v := .Values }}{{ $found := list -}}
{{- $gateway := $v.gateway.config | fromToml -}}
{{- if and $v.gateway.enabled (eq (get $gateway "spent" | toString) "memory") (or $v.gateway.autoscaling.enabled (gt (int $v.gateway.replicas) 1)) -}}
{{- $found = append $found "gateway.replicas: several gateways that remember spent tokens in memory let each token pay several times; name a server in `spent`" -}}
{{- end -}}
{{- range $role := list "gateway" "relay" -}}
{{- with (index $v $role).autoscaling -}}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) -}}
{{- $found = append $found (printf "%s.autoscaling: minReplicas is above maxReplicas" $role) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $v.issuer.enabled $v.issuer.persistence.enabled (gt (int $v.issuer.replicas) 1) -}}
{{- $found = append $found "issuer.replicas: with a volume there is one; several need persistence.enabled: false, PostgreSQL and keysSecret" -}}
{{- end -}}
{{- $keys := get ($v.issuer.config | fromToml) "keys" | toString -}}
{{- if and $v.issuer.enabled (ne (eq $keys "secrets/keys") (not (empty $v.issuer.keysSecret))) -}}
{{- $found = append $found "issuer.keysSecret: goes with keys = \"secrets/keys\" in issuer.config, one without the other does not" -}}
{{- end -}}
{{- if and $v.proxy.enabled (not (and $v.proxy.policy $v.tls.proxy)) -}}
{{- $found = append $found "proxy: needs proxy.policy, and tls.proxy for its certificate: prompts travel to it" -}}
{{- end -}}
{{- if and $v.status.enabled (not (and $v.status.policy $v.status.existingSecret $v.status.log)) -}}
{{- $found = append $found "status: needs policy, existingSecret, and log: an https URL, for a token travels there" -}}
{{- end -}}
{{- if and $v.tests.enabled (not (and $v.tests.config $v.tests.policy)) -}}
{{- $found = append $found "tests: needs config and policy of a client" -}}
{{- else if $v.tests.enabled -}}
{{- $state := get ($v.tests.config | fromToml) "state" | toString -}}
{{- if not (hasPrefix "/var/lib/openpcc/" $state) -}}
{{- $found = append $found (printf "tests.config: state: expected a path below /var/lib/openpcc, found %q" $state) -}}
{{- end -}}
{{- end -}}
{{- $roles := include "openpcc.roles" . | fromYaml -}}
{{- range $index, $rule := $v.ingress.rules -}}
{{- if and $v.ingress.enabled (not (hasKey $roles $rule.role)) -}}
{{- $found = append $found (printf "ingress.rules[%d].role: %s is not enabled" $index $rule.role) -}}
{{- end -}}
{{- end -}}
{{- range $index, $route := $v.gatewayApi.routes -}}
{{- if $v.gatewayApi.enabled -}}
{{- if not (hasKey $roles $route.role) -}}
{{- $found = append $found (printf "gatewayApi.routes[%d].role: %s is not enabled" $index $route.role) -}}
{{- end -}}
{{- if ne (eq $route.mode "passthrough") (not (empty (get $v.tls $route.role))) -}}
{{- $found = append $found (printf "gatewayApi.routes[%d].mode: passthrough goes with tls.%s, http without" $index $route.role) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $v.gatewayApi.enabled (not $v.gatewayApi.parentRefs) -}}
{{- $found = append $found "gatewayApi.parentRefs: name the Gateway" -}}
{{- end -}}
{{- $found | toJson -}}
{{- end }}
