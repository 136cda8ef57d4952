package sidecars

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// Rule: what anybody in a Namespace may write gives nobody more than they have: a Sidecar that Pod Security grades
// privileged is refused, with every field that makes it so. A ClusterSidecar is the platform team's own, and told.
// Reads: the entry's Pod Security level.
// Golden: none, see TestLint.
func (l *linter) level() {
	e := l.entry
	all, decodes := e.everything(l.proof.full)
	if e.Level != api.LevelPrivileged || !decodes {
		return
	}
	if e.Namespace == "" {
		l.warn(field.NewPath("spec"), CodePrivileged, "Pod Security grades it privileged: %s", baselineProblem(all))
		return
	}
	values, before := whatever(l.proof.full), len(l.errs)
	for i := range e.containers {
		c := &e.containers[i]
		tree := treeOf(append(c.head.fill(nil, values, nil), '}'))
		if c.securityJSON != nil {
			tree[memberSecurity], _ = decodeTree(c.securityJSON)
		}
		l.blame(e.containerPath(c.name), tree, func(raw []byte) *corev1.PodSpec {
			spec := &corev1.PodSpec{Containers: make([]corev1.Container, 1)}
			if json.Unmarshal(raw, &spec.Containers[0]) != nil {
				return nil
			}
			return spec
		})
	}
	for i := range e.volumes {
		l.blame(e.volumePath(e.volumes[i].name), treeOf(e.volumes[i].body.fill(nil, values, nil)), func(raw []byte) *corev1.PodSpec {
			spec := &corev1.PodSpec{Volumes: make([]corev1.Volume, 1)}
			if json.Unmarshal(raw, &spec.Volumes[0]) != nil {
				return nil
			}
			return spec
		})
	}
	if len(l.errs) == before {
		l.fail(privilegedError(field.NewPath("spec"), baselineProblem(all)))
	}
}

func privilegedError(at *field.Path, why string) *field.Error {
	return field.Forbidden(at, "a Sidecar meets Pod Security level baseline at least: "+why)
}

// treeOf decodes a part; what cannot be decoded the proof tells of.
func treeOf(raw []byte) map[string]any {
	v, err := decodeTree(raw)
	tree, ok := v.(map[string]any)
	if err != nil || !ok {
		return map[string]any{}
	}
	return tree
}

// blame finds the fields of a part without which it would meet the baseline.
func (l *linter) blame(at *field.Path, tree map[string]any, pod func(raw []byte) *corev1.PodSpec) {
	problem := func() error {
		raw, err := json.Marshal(tree)
		if err != nil {
			return nil
		}
		if spec := pod(raw); spec != nil && baselineProblem(spec) != "" {
			return errors.New(baselineProblem(spec))
		}
		return nil
	}
	name, _ := tree["name"].(string)
	const most = 20
	for range most {
		err := problem()
		if err == nil {
			return
		}
		b := blamed{at: at, v: tree, err: err}
		b.narrow(problem)
		// The part was looked at alone, without its name.
		l.fail(privilegedError(b.at, strings.Replace(b.err.Error(), `""`, strconv.Quote(name), 1)))
		if b.set == nil {
			return
		}
		b.set(nil)
	}
}

// baselineProblem says what of a Pod does not meet Pod Security level baseline, or nothing.
func baselineProblem(spec *corev1.PodSpec) string {
	checks, err := evaluator()
	if err != nil {
		return ""
	}
	result := policy.AggregateCheckResults(checks.EvaluatePod(api.LevelVersion{Level: api.LevelBaseline, Version: api.LatestVersion()}, &metav1.ObjectMeta{}, spec))
	if result.Allowed {
		return ""
	}
	return result.ForbiddenDetail()
}
