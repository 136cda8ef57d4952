package doctor

import (
	"encoding/json"
	"slices"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// Trial is a Pod that the API server is asked to create in a dry run, and what it said.
type Trial struct {
	Namespace string
	// Sidecar that the Pod asks for; its first container is named so.
	Sidecar string
	// Pod as it is sent, as JSON.
	Pod []byte

	// Created is the Pod as it would have been stored, as JSON; Err the refusal.
	Created []byte
	Err     error
}

// Plan gives the trials that show whether the webhook answers: one in the Namespace asked for, or else one for each of the
// webhook's entries that some Namespace is for. Each Pod asks for an entry that this program would inject into it.
func (s *Snapshot) Plan() []Trial {
	var out []Trial
	for _, ns := range s.trialNamespaces() {
		if t, ok := s.trial(ns); ok {
			out = append(out, t)
		}
	}
	return out
}

// trialNamespaces gives one Namespace for each way in which they ask.
func (s *Snapshot) trialNamespaces() []*meta {
	if s.Asked != "" {
		ns := s.namespace(s.Asked)
		if ns == nil {
			ns = &meta{}
			ns.Name = s.Asked
		}
		return []*meta{ns}
	}
	var out []*meta
	for _, label := range []string{"", v1alpha1.InjectionEnabled, v1alpha1.InjectionRequired} {
		var found *meta
		for i := range s.Namespaces {
			ns := &s.Namespaces[i]
			is := ns.Labels[v1alpha1.LabelInjection]
			if !s.optedIn(ns) {
				is = ""
			}
			if is == label && ns.DeletionTimestamp == nil && s.ExcludedBy(ns.Name) == "" && (found == nil || ns.Name == "default") {
				found = ns
			}
		}
		if found != nil {
			out = append(out, found)
		}
	}
	return out
}

// trial makes a Pod for a Namespace; false where no entry of the catalog can be had there.
func (s *Snapshot) trial(ns *meta) (Trial, bool) {
	if s.Catalog == nil {
		return Trial{}, false
	}
	for _, name := range s.Catalog.Names(ns.Name) {
		e := s.Catalog.Entry(ns.Name, name)
		annotations := map[string]string{v1alpha1.AnnotationInject: name}
		for p, decl := range e.Spec.Parameters {
			if decl.Required {
				annotations[v1alpha1.Prefix+name+"."+p] = SampleValue(&decl)
			}
		}
		if res := s.inject(ns, annotations); res != nil && res.Outcome == sidecars.Injected && slices.Contains(res.Sidecars, name) {
			return Trial{Namespace: ns.Name, Sidecar: name, Pod: TrialPod(ns.Name, annotations)}, true
		}
	}
	return Trial{}, false
}

// TrialPod is a Pod that meets Pod Security level restricted and states what a quota may ask for, as JSON.
func TrialPod(namespace string, annotations map[string]string) []byte {
	text, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{"generateName": "pillion-doctor-", "namespace": namespace, "annotations": annotations},
		"spec": map[string]any{
			"securityContext": map[string]any{"runAsNonRoot": true, "runAsUser": 1000, "runAsGroup": 1000, "seccompProfile": map[string]any{"type": "RuntimeDefault"}},
			"containers": []any{map[string]any{
				"name": "app", "image": "registry.invalid/app:1",
				"resources":       map[string]any{"requests": map[string]any{"cpu": "10m", "memory": "16Mi"}, "limits": map[string]any{"cpu": "100m", "memory": "64Mi"}},
				"securityContext": map[string]any{"allowPrivilegeEscalation": false, "capabilities": map[string]any{"drop": []string{"ALL"}}},
			}},
		},
	})
	if err != nil {
		return nil // a constant shape
	}
	return text
}

// SampleValue gives a value that a parameter takes: its example or default, or else the smallest of its type.
func SampleValue(p *v1alpha1.Parameter) string {
	for _, v := range []*v1alpha1.Value{p.Example, p.Default} {
		if v != nil && v.List == nil {
			return v.Text
		}
	}
	switch {
	case len(p.Enum) > 0:
		return p.Enum[0]
	case p.Minimum != "":
		return p.Minimum
	case p.Type == v1alpha1.TypeURL && len(p.Schemes) > 0:
		return p.Schemes[0] + "://example.com"
	}
	return map[v1alpha1.ParameterType]string{
		v1alpha1.TypePort: "8080", v1alpha1.TypeInteger: "1", v1alpha1.TypeBoolean: "true", v1alpha1.TypeURL: "http://example.com",
		v1alpha1.TypePath: "/path", v1alpha1.TypeDuration: "30s", v1alpha1.TypeQuantity: "64Mi",
		v1alpha1.TypeSecretName: "name", v1alpha1.TypeConfigMapName: "name", v1alpha1.TypeString: "value",
	}[p.Type]
}
