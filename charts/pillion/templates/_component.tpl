{{/* Everything that webhook and controller both have: (list $ "webhook"). */}}
{{- define "pillion.component" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $v := include "pillion.values" $root | fromYaml -}}
{{- $c := index $v $name -}}
{{- $autoscaled := dig "autoscaling" "enabled" false $c -}}
{{- if eq (int $c.port) (int $c.metricsPort) }}
{{- fail (printf "%s.port and %s.metricsPort are both %d: want two ports" $name $name (int $c.port)) }}
{{- end }}
{{- if and $autoscaled (gt (int $c.autoscaling.minReplicas) (int $c.autoscaling.maxReplicas)) }}
{{- fail (printf "%s.autoscaling: minReplicas is %d, more than maxReplicas, %d" $name (int $c.autoscaling.minReplicas) (int $c.autoscaling.maxReplicas)) }}
{{- end -}}
{{- if $c.serviceAccount.create }}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "pillion.serviceAccountName" . }}
  namespace: {{ $root.Release.Namespace }}
  labels: {{- include "pillion.componentLabels" . | nindent 4 }}
  {{- with $c.serviceAccount.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ include "pillion.componentName" . }}
  namespace: {{ $root.Release.Namespace }}
  labels: {{- include "pillion.componentLabels" . | nindent 4 }}
spec:
  selector: {{- include "pillion.selectorLabels" . | nindent 4 }}
  ports:
    - {name: https, port: 443, targetPort: https, protocol: TCP}
    - {name: metrics, port: {{ $c.metricsPort }}, targetPort: metrics, protocol: TCP}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "pillion.componentName" . }}
  namespace: {{ $root.Release.Namespace }}
  labels: {{- include "pillion.componentLabels" . | nindent 4 }}
spec:
  {{- if not $autoscaled }}
  replicas: {{ $c.replicas }}
  {{- end }}
  selector:
    matchLabels: {{- include "pillion.selectorLabels" . | nindent 6 }}
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxUnavailable: 0, maxSurge: 1}
  template:
    metadata:
      labels: {{- include "pillion.over" (list (include "pillion.componentLabels" . | fromYaml) $c.podLabels) | nindent 8 }}
      annotations: {{- include "pillion.over" (list (dict "kubectl.kubernetes.io/default-container" $name) $c.podAnnotations) | nindent 8 }}
    spec:
      serviceAccountName: {{ include "pillion.serviceAccountName" . }}
      automountServiceAccountToken: true
      {{- with $root.Values.imagePullSecrets }}
      imagePullSecrets: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $c.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      terminationGracePeriodSeconds: {{ $c.terminationGracePeriodSeconds }}
      securityContext: {{- include "pillion.podSecurityContext" $root | nindent 8 }}
      nodeSelector: {{- include "pillion.over" (list (dict "kubernetes.io/os" "linux") $c.nodeSelector) | nindent 8 }}
      {{- with $c.tolerations }}
      tolerations: {{- toYaml . | nindent 8 }}
      {{- end }}
      affinity:
        {{- if $c.affinity }}
        {{- toYaml $c.affinity | nindent 8 }}
        {{- else }}
        {{- /* Zones are no second constraint below: the scheduler gives up all spreading over nodes that lack one of the labels. */}}
        podAntiAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
            - weight: 100
              podAffinityTerm:
                topologyKey: topology.kubernetes.io/zone
                labelSelector:
                  matchLabels: {{- include "pillion.selectorLabels" (list $root $name) | nindent 20 }}
        {{- end }}
      topologySpreadConstraints:
        {{- if $c.topologySpreadConstraints }}
        {{- toYaml $c.topologySpreadConstraints | nindent 8 }}
        {{- else }}
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels: {{- include "pillion.selectorLabels" (list $root $name) | nindent 14 }}
          matchLabelKeys: [pod-template-hash]
        {{- end }}
      containers:
        - name: {{ $name }}
          image: {{ include "pillion.image" . }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          args:
            - --listen-address=:{{ $c.port }}
            - --metrics-address=:{{ $c.metricsPort }}
            - --tls-dir=/etc/pillion/tls
            - --log-level={{ $c.logLevel }}
            {{- if eq $name "webhook" }}
            - --catalog-from-cluster
            {{- else if not $c.dryRun }}
            - --dry-run-namespace=
            {{- end }}
            {{- if $root.Values.node.enabled }}
            - --node-helper
            {{- if eq $name "controller" }}
            - --node-profiles={{ include "pillion.componentName" (list $root "node") }}-profiles
            {{- else if $root.Values.node.requirePlugin }}
            - --node-plugin=pillion
            {{- end }}
            {{- end }}
            {{- with include "pillion.certificateArgs" (list $root $name) }}
            {{- . | nindent 12 }}
            {{- end }}
            {{- range $c.extraArgs }}
            - {{ . | quote }}
            {{- end }}
          env:
            - name: POD_NAMESPACE
              valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
            - name: POD_NAME
              valueFrom: {fieldRef: {fieldPath: metadata.name}}
            {{- with $c.extraEnv }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          ports:
            - {name: https, containerPort: {{ $c.port }}, protocol: TCP}
            - {name: metrics, containerPort: {{ $c.metricsPort }}, protocol: TCP}
          # Ready: it answers admission reviews. Restarted only where it has hung for a minute.
          readinessProbe:
            httpGet: {path: /readyz, port: metrics}
            periodSeconds: 2
            timeoutSeconds: 2
            failureThreshold: 2
          livenessProbe:
            httpGet: {path: /healthz, port: metrics}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 3
            {{- /* Who has not answered for half a minute has nothing to drain. */}}
            terminationGracePeriodSeconds: 5
          resources: {{- toYaml $c.resources | nindent 12 }}
          securityContext: {{- include "pillion.securityContext" $root | nindent 12 }}
          volumeMounts:
            - {name: tls, mountPath: /etc/pillion/tls, readOnly: {{ not (and (eq $name "controller") (eq $root.Values.certs.mode "selfManaged")) }}}
            {{- with $c.extraVolumeMounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
      volumes:
        - {{- include "pillion.certificateVolume" (list $root $name) | nindent 10 }}
        {{- with $c.extraVolumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
{{- if and $c.pdb.enabled (gt (int ($autoscaled | ternary (dig "autoscaling" "minReplicas" 0 $c) $c.replicas)) 1) }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "pillion.componentName" . }}
  namespace: {{ $root.Release.Namespace }}
  labels: {{- include "pillion.componentLabels" . | nindent 4 }}
spec:
  maxUnavailable: {{ $c.pdb.maxUnavailable }}
  # A Pod that is not ready does not keep its node from being drained.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels: {{- include "pillion.selectorLabels" . | nindent 6 }}
{{- end }}
{{- if $autoscaled }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ include "pillion.componentName" . }}
  namespace: {{ $root.Release.Namespace }}
  labels: {{- include "pillion.componentLabels" . | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ include "pillion.componentName" . }}}
  minReplicas: {{ $c.autoscaling.minReplicas }}
  maxReplicas: {{ $c.autoscaling.maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target: {type: Utilization, averageUtilization: {{ $c.autoscaling.targetCPUUtilizationPercentage }}}
{{- end }}
{{- if $v.networkPolicy.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "pillion.componentName" . }}
  namespace: {{ $root.Release.Namespace }}
  labels: {{- include "pillion.componentLabels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels: {{- include "pillion.selectorLabels" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    # The kubelet's probes always pass.
    - ports: [{port: {{ $c.port }}, protocol: TCP}]
      {{- with $v.networkPolicy.apiServer }}
      from: {{- toYaml . | nindent 8 }}
      {{- end }}
    - ports: [{port: {{ $c.metricsPort }}, protocol: TCP}]
      {{- with $v.networkPolicy.metricsFrom }}
      from: {{- toYaml . | nindent 8 }}
      {{- end }}
  egress:
    # The API server is found by the Pod's environment: no name is looked up.
    - ports:
        {{- range $v.networkPolicy.apiServerPorts }}
        - {port: {{ . }}, protocol: TCP}
        {{- end }}
      {{- with $v.networkPolicy.apiServer }}
      to: {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end }}
{{- end -}}

{{- define "pillion.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "pillion.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}
