{{/*
The one pod of this chart: everything that runs is made here, so this is the place to read for what
it may do. A dict:
  root, role, image, resources, command (JSON)
  place        values with podAnnotations, nodeSelector and so on; or an empty dict
  sources      list of {name, to, secret | configMap}: copied below /etc/openpcc before the program starts
  ports        by name
  probes       "control", "connect" or ""
  grace, pause seconds: grace period; sleep before SIGTERM
  claim        "own" (a volume claim template named state), the name of a claim, or ""
  begin        script that begins the state of an empty volume, or ""
  checksum     of the configuration
  restart, runtimeClassName, serviceAccount
*/}}
{{- define "openpcc.pod" -}}
metadata:
  labels:
    {{- include "openpcc.selector" (list .root .role) | nindent 4 }}
    {{- with .place.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  annotations:
    checksum/config: {{ .checksum }}
    {{- with .place.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  {{- with .runtimeClassName }}
  runtimeClassName: {{ . }}
  {{- end }}
  serviceAccountName: {{ .serviceAccount | default (include "openpcc.name" .root) }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .grace }}
  {{- with .restart }}
  restartPolicy: {{ . }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    # Once, not at every mount: that would make private keys readable by the group, and they are refused.
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: {type: RuntimeDefault}
  {{- with .root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  {{- include "openpcc.place" . | nindent 2 }}
  initContainers:
    # One folder as `openpcc init` wrote it, in memory, whose files belong to the program alone.
    - name: prepare
      command: [sh, -ec]
      args:
        - |
          umask 077
          put() { mkdir -p "$2"; cp -f "$1"/* "$2/"; }
          {{- range .sources }}
          put /source/{{ .name }} /etc/openpcc/{{ .to }}
          {{- end }}
      {{- include "openpcc.container" . | nindent 6 }}
      volumeMounts:
        - {name: config, mountPath: /etc/openpcc}
        {{- range .sources }}
        - {name: {{ .name }}, mountPath: /source/{{ .name }}, readOnly: true}
        {{- end }}
    {{- with .begin }}
    # An empty volume is begun before the time that the values name, and is a loss after it.
    - name: begin
      command: [sh, -ec]
      args:
        - |
          umask 077
          cd /var/lib/openpcc
          [ -z "$(ls -A | grep -vx lost+found)" ] || exit 0
          if [ "$(date -u +%Y%m%d%H%M%S)" -ge {{ $.root.Values.begin.before | default "0" | replace "-" "" | replace "T" "" | replace ":" "" | replace "Z" "" }} ]; then
            echo "the volume is empty and begin.before is over: restore the state, or set the time for a fresh start" >&2
            exit 1
          fi
          {{- . | nindent 10 }}
      {{- include "openpcc.container" $ | nindent 6 }}
      volumeMounts:
        {{- include "openpcc.mounts" $ | nindent 8 }}
    {{- end }}
  containers:
    - name: {{ .role }}
      command: {{ .command }}
      {{- include "openpcc.container" . | nindent 6 }}
      {{- with .ports }}
      ports:
        {{- range $name, $number := . }}
        - {name: {{ $name }}, containerPort: {{ $number }}}
        {{- end }}
      {{- end }}
      {{- include "openpcc.probes" . | nindent 6 }}
      {{- with .pause }}
      lifecycle:
        preStop: {exec: {command: [sleep, {{ . | quote }}]}}
      {{- end }}
      volumeMounts:
        {{- include "openpcc.mounts" . | nindent 8 }}
  volumes:
    - {name: config, emptyDir: {medium: Memory, sizeLimit: 8Mi}}
    - {name: tmp, emptyDir: {medium: Memory, sizeLimit: 64Mi}}
    {{- if eq .claim "" }}
    - {name: state, emptyDir: {sizeLimit: 1Gi}}
    {{- else if ne .claim "own" }}
    - {name: state, persistentVolumeClaim: {claimName: {{ .claim }}}}
    {{- end }}
    {{- range .sources }}
    - name: {{ .name }}
      {{- if .secret }}
      secret: {secretName: {{ .secret }}, defaultMode: 0440, optional: false}
      {{- else }}
      configMap: {name: {{ .configMap }}, defaultMode: 0444, optional: false}
      {{- end }}
    {{- end }}
{{- end }}

{{/* What all containers of a pod have in common. */}}
{{- define "openpcc.container" -}}
image: {{ .image.name }}
imagePullPolicy: {{ .image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
resources:
  {{- toYaml .resources | nindent 2 }}
{{- end }}

{{- define "openpcc.mounts" -}}
- {name: config, mountPath: /etc/openpcc, readOnly: true}
- {name: tmp, mountPath: /tmp}
- {name: state, mountPath: /var/lib/openpcc}
{{- end }}

{{/* healthz: it runs. readyz: it has what it needs, and is not leaving. */}}
{{- define "openpcc.probes" -}}
{{- if eq .probes "control" -}}
startupProbe:
  httpGet: {path: /healthz, port: control}
  periodSeconds: 2
  failureThreshold: {{ .patience | default 60 }}
livenessProbe:
  httpGet: {path: /healthz, port: control}
  periodSeconds: 10
  timeoutSeconds: 5
readinessProbe:
  httpGet: {path: /readyz, port: control}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 2
{{- else if eq .probes "connect" -}}
startupProbe:
  tcpSocket: {port: main}
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  tcpSocket: {port: main}
readinessProbe:
  tcpSocket: {port: main}
{{- end -}}
{{- end }}

{{/* Where a pod may be. */}}
{{- define "openpcc.place" -}}
{{- with .place.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .place.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .place.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .place.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
topologySpreadConstraints:
  {{- with .place.topologySpreadConstraints }}
  {{- toYaml . | nindent 2 }}
  {{- else }}
  {{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "openpcc.selector" (list $.root $.role) | nindent 8 }}
  {{- end }}
  {{- end }}
{{- end }}
