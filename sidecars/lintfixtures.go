package sidecars

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	jsonpatch "github.com/evanphx/json-patch/v5"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/pod-security-admission/api"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

//go:embed fixtures/*.yaml
var fixtureFiles embed.FS

// fixture is a Pod of a kind that entries meet, and its Namespace.
type fixture struct {
	name   string
	object []byte
	ns     Namespace
}

// fixtures are the Pods in fixtures/. The one that meets level restricted is in a Namespace that enforces it.
var fixtures = sync.OnceValue(func() []fixture {
	files, err := fixtureFiles.ReadDir("fixtures")
	if err != nil {
		panic("fixture Pods: " + err.Error())
	}
	var out []fixture
	for _, f := range files {
		text, err := fixtureFiles.ReadFile("fixtures/" + f.Name())
		if err != nil {
			panic("fixture Pods: " + err.Error())
		}
		object, err := sigsyaml.YAMLToJSON(text)
		if err != nil {
			panic("fixture Pods: " + f.Name() + ": " + err.Error())
		}
		fix := fixture{name: strings.TrimSuffix(f.Name(), ".yaml"), object: object, ns: Namespace{Name: "fixture"}}
		if fix.name == string(api.LevelRestricted) {
			fix.ns.Labels = map[string]string{api.EnforceLevelLabel: string(api.LevelRestricted)}
		}
		out = append(out, fix)
	}
	return out
})

// Rule: the entry, at its defaults, is tried on Pods of the kinds it will meet: each is injected, decodes strictly, keeps all
// that it had and its Pod Security level, or is refused with a field's path.
// Reads: fixtures/*.yaml.
// Golden: none, see TestLint.
func (l *linter) fixtures() {
	reason, fits := "", false
	for _, f := range fixtures() {
		pod, err := ReadPod(f.object)
		if err != nil {
			l.fail(field.InternalError(field.NewPath("spec"), err))
			return
		}
		p := l.entry.planOn(pod, &f.ns, l.proof.base)
		if len(p.errs) == 0 {
			fits = true
			if err := f.injected(p); err != nil {
				l.fail(field.Invalid(field.NewPath("spec"), l.entry.Name, fmt.Sprintf("does not suit the fixture Pod %s: %v", f.name, err)))
			}
			continue
		}
		for _, e := range sortErrors(p.errs) {
			if e.Field == "" || e.Field == "<nil>" {
				l.fail(field.InternalError(field.NewPath("spec"), fmt.Errorf("refuses the fixture Pod %s and names no field: %s", f.name, e.Detail)))
			}
			if reason == "" || f.name == "simple" {
				reason = f.name + ": " + e.Error()
			}
		}
	}
	if !fits {
		l.warn(field.NewPath("spec"), CodeFitsNoFixture, "at its defaults it suits no fixture Pod; %s", reason)
	}
}

// injected says what is wrong with a Pod that a plan makes of the fixture.
func (f *fixture) injected(p *plan) error {
	patch, err := jsonpatch.DecodePatch(AppendPatch(nil, p.patch()))
	if err != nil {
		return err
	}
	after, err := patch.Apply(f.object)
	if err != nil {
		return err
	}
	var had, has corev1.Pod
	if err := errors.Join(strictDecode(f.object, &had), strictDecode(after, &has)); err != nil {
		return err
	}
	before, err := decodeTree(f.object)
	if err != nil {
		return err
	}
	now, err := decodeTree(after)
	if err != nil {
		return err
	}
	if lost := lacks("", now, before); lost != "" {
		return errors.New("the result lacks what it had: " + lost)
	}
	return f.levelKept(&had, &has)
}

func (f *fixture) levelKept(had, has *corev1.Pod) error {
	if f.ns.Labels == nil {
		return nil
	}
	before, err := LevelOf(&had.ObjectMeta, &had.Spec)
	if err != nil {
		return err
	}
	after, err := LevelOf(&has.ObjectMeta, &has.Spec)
	if err == nil && after != before {
		err = fmt.Errorf("its Pod Security level was %s and is %s", before, after)
	}
	return err
}

// lacks gives the path of what a result lacks of what was there, or nothing. Lists keep their items in their order; the
// values that an injection may extend are left out.
func lacks(at string, has, had any) string {
	switch had := had.(type) {
	case map[string]any:
		m, _ := has.(map[string]any)
		for _, k := range sortedKeys(had) {
			if k == "terminationGracePeriodSeconds" || k == v1alpha1.AnnotationSafeToEvict {
				continue
			}
			if lost := lacks(at+"."+k, m[k], had[k]); lost != "" {
				return lost
			}
		}
		return ""
	case []any:
		list, _ := has.([]any)
		for i := range had {
			j := slices.IndexFunc(list, func(v any) bool { return lacks(at, v, had[i]) == "" })
			if j < 0 {
				return fmt.Sprintf("%s[%d]", at, i)
			}
			list = list[j+1:]
		}
		return ""
	}
	a, errA := json.Marshal(has)
	b, errB := json.Marshal(had)
	if errA != nil || errB != nil || !bytes.Equal(a, b) {
		return at
	}
	return ""
}
