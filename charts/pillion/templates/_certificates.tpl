{{/* The controller's flags: (list $ "controller"). The webhook has none: it serves what is in its directory. */}}
{{- define "pillion.certificateArgs" -}}
{{- $root := index . 0 -}}
{{- $mode := $root.Values.certs.mode -}}
{{- if ne (index . 1) "controller" -}}
{{- else if eq $mode "certManager" -}}
- --certs-mode=certManager
- --certs-issued={{ include "pillion.componentName" (list $root "webhook") }},{{ include "pillion.componentName" (list $root "controller") }}
{{- else if eq $mode "selfManaged" -}}
{{- $fullname := include "pillion.fullname" $root -}}
- --certs-mode=selfManaged
- --certs-authority={{ $fullname }}-authority
{{- range $component := list "webhook" "controller" }}
- --certs-serving={{ include "pillion.tlsSecret" (list $root $component) }}={{ include "pillion.componentName" (list $root $component) }}.{{ $root.Release.Namespace }}.svc
{{- end }}
- --certs-own={{ include "pillion.tlsSecret" (list $root "controller") }}
- --certs-mutating={{ $fullname }}
{{- if include "pillion.validates" $root }}
- --certs-validating={{ $fullname }}
{{- end }}
- --certs-validity={{ $root.Values.certs.selfManaged.duration }}
- --certs-ca-validity={{ $root.Values.certs.selfManaged.caDuration }}
{{- end -}}
{{- end -}}
{{- /* The volume that a component serves from: (list $ "webhook"). The kubelet starts a self-managed webhook when its Secret is
  filled, as it does with cert-manager, and tells why not in an event of the Pod. The controller writes its own directory, in memory,
  as it cannot wait for what it makes itself. */}}
{{- define "pillion.certificateVolume" -}}
{{- $mode := (index . 0).Values.certs.mode -}}
name: tls
{{- if and (eq $mode "selfManaged") (eq (index . 1) "controller") }}
emptyDir: {medium: Memory, sizeLimit: 1Mi}
{{- else }}
secret:
  secretName: {{ include "pillion.tlsSecret" . }}
  {{- if eq $mode "selfManaged" }}
  items: [{key: tls.crt, path: tls.crt}, {key: tls.key, path: tls.key}, {key: ca.crt, path: ca.crt}]
  {{- end }}
{{- end }}
{{- end -}}
