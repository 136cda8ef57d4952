package sidecars

import (
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// Rule: an entry is graded by Kubernetes' own Pod Security checks when it is loaded; a Pod in a Namespace that enforces a
// stricter level gets the reason instead of a refusal by the API server after the fact.
// Reads: the Namespace's label pod-security.kubernetes.io/enforce.
// Adds: nothing.
// Golden: pod-security, pod-security-met, pod-security-not-enforced.
func (p *plan) checkPodSecurity() {
	enforced := p.req.ns.Labels[api.EnforceLevelLabel]
	if enforced == "" {
		return
	}
	want, err := api.ParseLevel(enforced)
	if err != nil {
		return
	}
	for _, s := range p.sidecars {
		if s.entry.Level != "" && api.CompareLevels(s.entry.Level, want) < 0 {
			why := "sidecar " + s.entry.Name + " needs Pod Security level " + string(s.entry.Level) + ", but Namespace " +
				p.req.ns.Name + " enforces " + enforced
			p.fail(Conflict, field.Forbidden(p.req.injectPath(), why))
		}
	}
}

// evaluator holds Kubernetes' checks, which take longer to gather than to make.
var evaluator = sync.OnceValues(func() (policy.Evaluator, error) {
	return policy.NewEvaluator(policy.DefaultChecks(), nil)
})

// LevelOf grades a Pod: the strictest Pod Security level, at the newest version, that it meets.
func LevelOf(meta *metav1.ObjectMeta, spec *corev1.PodSpec) (api.Level, error) {
	checks, err := evaluator()
	if err != nil {
		return "", err
	}
	for _, level := range []api.Level{api.LevelRestricted, api.LevelBaseline} {
		results := checks.EvaluatePod(api.LevelVersion{Level: level, Version: api.LatestVersion()}, meta, spec)
		if policy.AggregateCheckResults(results).Allowed {
			return level, nil
		}
	}
	return api.LevelPrivileged, nil
}
