package doctor

import (
	"fmt"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// Check: the policies that the API server itself enforces are there, bound and without mistakes.
func policies() Check {
	return Check{
		Name: "policies", Group: groupInstall, Title: "the policies that need no webhook are in force", needs: []Kind{Policies, Bindings}, installed: true,
		Codes: []Code{
			{"D211", Error, "A policy is there without its binding, or a binding without its policy.", "It is in force for nobody, as if it were not there. Without …-injected, Pods that ask for sidecars run without them while the webhook is down; without …-frozen, what Pillion says of a Pod can be changed; without …-dry-run, the controller may create Pods."},
			{"D212", Warning, "The policy that refuses bare Pods is off.", "While the webhook is down, Pods that ask for sidecars run without them. It is what the value admission.refuseBarePods=false does."},
			{"D213", Error, "A policy or its binding is not the chart's.", "It lets Pods pass that it should refuse, or the other way round."},
			{"D214", Error, "A policy has expressions that do not hold.", "The API server refuses what it cannot judge."},
			{"D215", Warning, "The policy that freezes Pillion's annotations is off.", "Whoever can change a Pod can change what Pillion says of it. It is what the value admission.freezeAnnotations=false does."},
		},
		look: func(s *Snapshot, f *findings) {
			for _, of := range []struct{ suffix, off string }{{"injected", "D212"}, {"frozen", "D215"}, {"dry-run", ""}} {
				p := policyCheck{s, f, s.Install.Name + "-" + of.suffix, of.off}
				p.look()
			}
		},
	}
}

// policyCheck looks at one policy.
type policyCheck struct {
	s    *Snapshot
	f    *findings
	name string
	off  string
}

func (p *policyCheck) look() {
	policy, binding := p.policy(), p.binding()
	fix := p.s.Install.reinstall("install it again with the chart that is installed")
	switch {
	case policy == nil && binding == nil:
		if p.off != "" {
			p.f.add(p.off, "validatingadmissionpolicy/"+p.name, "neither the policy "+p.name+" nor its binding is there", fix)
		}
		return
	case policy == nil:
		p.f.add("D211", "validatingadmissionpolicy/"+p.name, "the binding "+p.name+" is there and its policy is not", fix)
		return
	case binding == nil:
		p.f.add("D211", "validatingadmissionpolicybinding/"+p.name, "the policy "+p.name+" is there and its binding is not", fix)
		return
	}
	if !slices.Equal(binding.Spec.ValidationActions, []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny}) {
		p.f.add("D213", "validatingadmissionpolicybinding/"+p.name, fmt.Sprintf("validationActions are %v, not [Deny]", binding.Spec.ValidationActions),
			do("set it as the chart does", "kubectl patch validatingadmissionpolicybinding "+p.name+` --type merge -p '{"spec":{"validationActions":["Deny"]}}'`))
	}
	if binding.Spec.MatchResources != nil {
		p.f.add("D213", "validatingadmissionpolicybinding/"+p.name, "matchResources narrows what the policy is for", fix)
	}
	if !failing(policy.Spec.FailurePolicy) {
		p.f.add("D213", "validatingadmissionpolicy/"+p.name, "failurePolicy is Ignore, not Fail",
			do("set it as the chart does", "kubectl patch validatingadmissionpolicy "+p.name+` --type merge -p '{"spec":{"failurePolicy":"Fail"}}'`))
	}
	if len(policy.Spec.Validations) == 0 || !p.onPods(policy) {
		p.f.add("D213", "validatingadmissionpolicy/"+p.name, "it validates no Pods", fix)
	}
	if t := policy.Status.TypeChecking; t != nil && len(t.ExpressionWarnings) > 0 {
		w := t.ExpressionWarnings[0]
		p.f.add("D214", "validatingadmissionpolicy/"+p.name, w.FieldRef+": "+oneLine(w.Warning), fix)
	}
}

func (p *policyCheck) onPods(policy *admissionregistrationv1.ValidatingAdmissionPolicy) bool {
	m := policy.Spec.MatchConstraints
	return m != nil && slices.ContainsFunc(m.ResourceRules, func(r admissionregistrationv1.NamedRuleWithOperations) bool {
		return slices.Contains(r.Resources, "pods")
	})
}

func (p *policyCheck) policy() *admissionregistrationv1.ValidatingAdmissionPolicy {
	for i := range p.s.Policies {
		if p.s.Policies[i].Name == p.name {
			return &p.s.Policies[i]
		}
	}
	return nil
}

func (p *policyCheck) binding() *admissionregistrationv1.ValidatingAdmissionPolicyBinding {
	for i := range p.s.Bindings {
		if p.s.Bindings[i].Spec.PolicyName == p.name {
			return &p.s.Bindings[i]
		}
	}
	return nil
}
