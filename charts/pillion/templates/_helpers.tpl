{{/* What the profile sets, and over it what the user does. Templates read values from here. */}}
{{- define "pillion.values" -}}
{{- $profile := .Files.Get (printf "files/profiles/%s.yaml" .Values.profile) | fromYaml -}}
{{- mergeOverwrite $profile (.Values | toYaml | fromYaml) | toYaml -}}
{{- end -}}

{{/* Two maps as one, a person's over the chart's: (list $chart $person). A key is there once. */}}
{{- define "pillion.over" -}}
{{- mergeOverwrite (dict) (index . 0) (index . 1 | default dict) | toYaml -}}
{{- end -}}

{{- define "pillion.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 40 characters: names that are made from it stay below 63. */}}
{{- define "pillion.fullname" -}}
{{- $name := include "pillion.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The name of the webhook's or the controller's own objects: (list $ "webhook"). */}}
{{- define "pillion.componentName" -}}
{{- $fullname := include "pillion.fullname" (index . 0) -}}
{{- eq (index . 1) "webhook" | ternary $fullname (printf "%s-%s" $fullname (index . 1)) -}}
{{- end -}}

{{- define "pillion.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: {{ include "pillion.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Labels of a component's objects: (list $ "webhook"). */}}
{{- define "pillion.componentLabels" -}}
{{ include "pillion.labels" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "pillion.selectorLabels" -}}
app.kubernetes.io/name: {{ include "pillion.name" (index . 0) }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "pillion.serviceAccountName" -}}
{{- $account := (index (index . 0).Values (index . 1)).serviceAccount -}}
{{- $account.name | default ($account.create | ternary (include "pillion.componentName" .) "default") -}}
{{- end -}}

{{/* The user that a component is to the API server. */}}
{{- define "pillion.user" -}}
{{- printf "system:serviceaccount:%s:%s" (index . 0).Release.Namespace (include "pillion.serviceAccountName" .) -}}
{{- end -}}

{{- define "pillion.image" -}}
{{- $root := index . 0 -}}
{{- $image := (index $root.Values (index . 1)).image -}}
{{- $registry := ($root.Values.global).imageRegistry | default $root.Values.image.registry -}}
{{- $name := printf "%s/%s" $registry $image.repository -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $name $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name ($root.Values.image.tag | default $root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "pillion.tlsSecret" -}}
{{- $root := index . 0 -}}
{{- if eq $root.Values.certs.mode "provided" -}}
{{- index $root.Values.certs.provided (printf "%sSecret" (index . 1)) -}}
{{- else -}}
{{- /* Another name in either mode: cert-manager's Secrets are not the chart's, and stay when the mode changes. */ -}}
{{- include "pillion.componentName" . }}-{{ eq $root.Values.certs.mode "selfManaged" | ternary "serving" "tls" }}
{{- end -}}
{{- end -}}

{{/* The annotation by which cert-manager puts the CA into a webhook configuration. */}}
{{- define "pillion.caAnnotations" -}}
{{- $root := index . 0 -}}
{{- if eq $root.Values.certs.mode "certManager" -}}
annotations:
  cert-manager.io/inject-ca-from: {{ $root.Release.Namespace }}/{{ include "pillion.componentName" . }}
{{- end -}}
{{- end -}}

{{/* clientConfig of a webhook: (list $ "webhook" "/mutate"). */}}
{{- define "pillion.clientConfig" -}}
{{- $root := index . 0 -}}
service:
  namespace: {{ $root.Release.Namespace }}
  name: {{ include "pillion.componentName" . }}
  port: 443
  path: {{ index . 2 }}
{{- if eq $root.Values.certs.mode "provided" }}
caBundle: {{ $root.Values.certs.provided.caBundle | b64enc }}
{{- end }}
{{- end -}}

{{/* Namespaces, by name, in which nothing is done. */}}
{{- define "pillion.namespaces" -}}
- key: kubernetes.io/metadata.name
  operator: NotIn
  values:
    {{- range concat (list "kube-system" .Release.Namespace) .Values.admission.excludedNamespaces | uniq }}
    - {{ . }}
    {{- end }}
{{- end -}}

{{/* Mirror Pods are known by who makes them; the annotation anyone can write. */}}
{{- define "pillion.notMirror" -}}
- name: not-mirror
  expression: "!(has(request.userInfo.groups) && 'system:nodes' in request.userInfo.groups)"
{{- end -}}

{{/* Whether there is a `helm test`: where Pillion does nothing, or refuses no bare Pod, it would succeed whatever happens. */}}
{{- define "pillion.tested" -}}
{{- $alone := concat (list "kube-system" .Release.Namespace) .Values.admission.excludedNamespaces -}}
{{- if and .Values.test.enabled .Values.admission.refuseBarePods (not (has .Values.test.namespace $alone)) }}yes{{ end -}}
{{- end -}}

{{/* Whether the controller answers for anything that is written. */}}
{{- define "pillion.validates" -}}
{{- if or .Values.admission.proveEntries .Values.admission.adviseWorkloads }}yes{{ end -}}
{{- end -}}
