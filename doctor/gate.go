package doctor

import (
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// gate is what mutating and validating webhooks have in common.
type gate struct {
	// config is the object that the webhook stands in, as kubectl names it.
	config, name string
	mutating     bool
	// fails: what cannot be asked about is refused.
	fails      bool
	seconds    int32
	rules      []admissionregistrationv1.RuleWithOperations
	namespaces *metav1.LabelSelector
	objects    *metav1.LabelSelector
	conditions []admissionregistrationv1.MatchCondition
	client     admissionregistrationv1.WebhookClientConfig
	again      bool
}

// gates lists the webhooks of others, in the order in which the API server calls the mutating ones: by the names of their
// configurations.
func (s *Snapshot) gates() []gate {
	var out []gate
	for i := range s.MutatingWebhooks {
		c := &s.MutatingWebhooks[i]
		for j := range c.Webhooks {
			w := &c.Webhooks[j]
			out = append(out, gate{"mutatingwebhookconfiguration/" + c.Name, w.Name, true, failing(w.FailurePolicy), seconds(w.TimeoutSeconds),
				w.Rules, w.NamespaceSelector, w.ObjectSelector, w.MatchConditions, w.ClientConfig,
				w.ReinvocationPolicy != nil && *w.ReinvocationPolicy == admissionregistrationv1.IfNeededReinvocationPolicy})
		}
	}
	for i := range s.ValidatingWebhooks {
		c := &s.ValidatingWebhooks[i]
		for j := range c.Webhooks {
			w := &c.Webhooks[j]
			out = append(out, gate{"validatingwebhookconfiguration/" + c.Name, w.Name, false, failing(w.FailurePolicy), seconds(w.TimeoutSeconds),
				w.Rules, w.NamespaceSelector, w.ObjectSelector, w.MatchConditions, w.ClientConfig, false})
		}
	}
	return slices.DeleteFunc(out, func(g gate) bool { return ours(g.name) })
}

func failing(p *admissionregistrationv1.FailurePolicyType) bool {
	return p == nil || *p == admissionregistrationv1.Fail
}

// defaultSeconds is the timeout of a webhook that states none:
// https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#timeouts
const defaultSeconds = 10

func seconds(t *int32) int32 {
	if t == nil {
		return defaultSeconds
	}
	return *t
}

// onPods reports whether the webhook is asked about new Pods.
func (g *gate) onPods() bool {
	return slices.ContainsFunc(g.rules, func(r admissionregistrationv1.RuleWithOperations) bool {
		has := func(list []string, word string) bool {
			return slices.Contains(list, word) || slices.Contains(list, "*")
		}
		creates := slices.Contains(r.Operations, admissionregistrationv1.Create) || slices.Contains(r.Operations, admissionregistrationv1.OperationAll)
		scoped := r.Scope == nil || *r.Scope != admissionregistrationv1.ClusterScope
		return creates && scoped && has(r.APIGroups, "") && has(r.APIVersions, "v1") && (has(r.Resources, "pods") || slices.Contains(r.Resources, "*/*"))
	})
}

// selects reports whether the webhook is asked about new Pods with some labels in a Namespace with some. Its
// matchConditions, which may leave out more, are not known here.
func (g *gate) selects(namespace, pod map[string]string) bool {
	return g.onPods() && matches(g.namespaces, namespace) && matches(g.objects, pod)
}

// matches reports whether a selector matches labels; one that cannot be read does not.
func matches(selector *metav1.LabelSelector, set map[string]string) bool {
	if selector == nil {
		return true
	}
	s, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && s.Matches(labels.Set(set))
}

// often words that a webhook has conditions that are not judged.
func (g *gate) often() string {
	if len(g.conditions) > 0 {
		return " (its matchConditions may leave some out)"
	}
	return ""
}

// backend is the Namespace of what answers; empty where that is outside.
func (g *gate) backend() string {
	if g.client.Service == nil {
		return ""
	}
	return g.client.Service.Namespace
}

// namespaceLabels gives the labels of a Namespace; of one that is not known, its name.
func (s *Snapshot) labelsOf(name string) map[string]string {
	if ns := s.namespace(name); ns != nil {
		return ns.Labels
	}
	return map[string]string{labelName: name}
}

// ownPodLabels are those of the webhook's own Pods.
func (s *Snapshot) ownPodLabels() map[string]string {
	if d := s.deployment(s.Install.Name); d != nil {
		return d.Spec.Template.Labels
	}
	return nil
}
