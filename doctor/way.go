package doctor

import (
	"fmt"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// Step is one step of a Pod's way from the API server to the webhook.
type Step struct {
	// Name is static, namespace, registered, selected or condition.
	Name string `json:"name"`
	// Text says in a sentence how it is.
	Text string `json:"text"`
	// Stop: the way ends here, nothing is injected.
	Stop bool `json:"stop,omitempty"`
	// Fix says what to do where the step is not as it should be; nil where it is.
	Fix *Fix `json:"fix,omitempty"`
}

// The names of steps.
const (
	StepStatic     = "static"
	StepNamespace  = "namespace"
	StepRegistered = "registered"
	StepSelected   = "selected"
	StepCondition  = "condition"
)

// Way follows a Pod with some annotations, made in a Namespace, to the webhook. The last step is the one that stops it, if
// any does. It takes the webhook configurations; where Unread has them, it ends with that.
func (s *Snapshot) Way(namespace string, labels, annotations map[string]string) []Step {
	if annotations[annotationMirror] != "" {
		return []Step{{Name: StepStatic, Text: "it is the picture of a static Pod, which the kubelet runs from a file: nothing can be added to it", Stop: true}}
	}
	steps := []Step{namespaceStep(namespace, labels)}
	if u := s.Unread[MutatingWebhooks]; u != nil {
		return append(steps, Step{Name: StepRegistered, Text: u.why(MutatingWebhooks) + ": taken to be as the chart makes them"})
	}
	c := s.configuration()
	if c == nil {
		fix := s.Install.reinstall("install it again with the chart that is installed")
		return append(steps, Step{Name: StepRegistered, Text: "the webhook is not registered: no MutatingWebhookConfiguration has webhooks named *.pillion.dev", Stop: true, Fix: &fix})
	}
	steps = append(steps, Step{Name: StepRegistered, Text: "the webhook is registered as mutatingwebhookconfiguration/" + c.Name})
	for i := range c.Webhooks {
		w := &c.Webhooks[i]
		if matches(w.NamespaceSelector, labels) && ours(w.Name) {
			return append(steps, Step{Name: StepSelected, Text: fmt.Sprintf("its entry %s is for this Namespace (failurePolicy %s)", w.Name, orZero(w.FailurePolicy))}, condition(w, annotations))
		}
	}
	why := s.ExcludedBy(namespace)
	if why == "" {
		why = "no entry of the webhook selects it"
	}
	fix := todo("run it in another Namespace: here Pillion does nothing")
	return append(steps, Step{Name: StepSelected, Text: "nothing is injected in Namespace " + namespace + ": " + why, Stop: true, Fix: &fix})
}

// namespaceStep says how the Namespace is labelled.
func namespaceStep(name string, labels map[string]string) Step {
	value, has := labels[v1alpha1.LabelInjection]
	st := Step{Name: StepNamespace}
	switch {
	case !has:
		st.Text = fmt.Sprintf("Namespace %s has no label %s: its Pods ask for themselves", name, v1alpha1.LabelInjection)
	case value == v1alpha1.InjectionEnabled:
		st.Text = fmt.Sprintf("Namespace %s is labelled %s=%s: its annotations are defaults for its Pods", name, v1alpha1.LabelInjection, value)
	case value == v1alpha1.InjectionRequired:
		st.Text = fmt.Sprintf("Namespace %s is labelled %s=%s: its Pods cannot do without what it asks for", name, v1alpha1.LabelInjection, value)
	default:
		want := v1alpha1.InjectionEnabled
		if strings.HasPrefix(strings.ToLower(value), "req") {
			want = v1alpha1.InjectionRequired
		}
		fix := labelFix(name, want, true)
		st.Text = fmt.Sprintf("Namespace %s is labelled %s=%s, which means nothing; valid are %s and %s", name, v1alpha1.LabelInjection, value, v1alpha1.InjectionEnabled, v1alpha1.InjectionRequired)
		st.Fix = &fix
	}
	return st
}

// condition judges the matchConditions that the chart makes; others are named.
func condition(w *admissionregistrationv1.MutatingWebhook, annotations map[string]string) Step {
	st := Step{Name: StepCondition}
	var unknown []string
	for _, c := range collapsed(w.MatchConditions) {
		asked, has := annotations[v1alpha1.AnnotationInject]
		switch {
		case c.Expression == notMirror:
		case c.Expression == asks && (!has || asked == v1alpha1.InjectFalse):
			st.Stop = true
			st.Text = "the API server calls it only for Pods that carry " + v1alpha1.AnnotationInject + ", with another value than false: this one does not"
			return st
		case c.Expression == notOptedOut && asked == v1alpha1.InjectFalse:
			st.Stop = true
			st.Text = "the API server does not call it for a Pod that says " + v1alpha1.AnnotationInject + `: "false"`
			return st
		case !slices.Contains([]string{asks, notOptedOut}, c.Expression):
			unknown = append(unknown, c.Name)
		}
	}
	st.Text = "the API server calls it for this Pod"
	if len(unknown) > 0 {
		st.Text += ", unless these matchConditions, which are not the chart's, keep it away: " + strings.Join(unknown, ", ")
	}
	return st
}

// Refuses reports whether the policy that refuses bare Pods is in force.
func (s *Snapshot) Refuses() bool {
	return slices.ContainsFunc(s.Bindings, func(b admissionregistrationv1.ValidatingAdmissionPolicyBinding) bool {
		return strings.HasSuffix(b.Spec.PolicyName, "-injected") && slices.ContainsFunc(s.Policies, func(p admissionregistrationv1.ValidatingAdmissionPolicy) bool {
			return p.Name == b.Spec.PolicyName && strings.Contains(p.Name, "pillion") || s.Install != nil && p.Name == s.Install.Name+"-injected"
		})
	})
}
