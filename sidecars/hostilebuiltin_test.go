package sidecars_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// TestHostileBuiltin sets every parameter of every embedded entry to every value, and in the modes that the entry has: it
// is refused, or the Pod differs from the one with a benign value in the scalars that hold that value, and in nothing else.
func TestHostileBuiltin(t *testing.T) {
	catalog := propertyCatalog(t)
	for _, name := range sidecars.Builtin().Names("") {
		e := catalog.Entry("", name)
		t.Run(name, func(t *testing.T) {
			accepted, refused, scalarsSeen := 0, 0, 0
			for _, param := range slices.Sorted(maps.Keys(e.Spec.Parameters)) {
				p := e.Spec.Parameters[param]
				if p.Enum != nil || p.Type == v1alpha1.TypeBoolean {
					continue
				}
				var taken []string
				for i, mode := range modes(e) {
					b := &builtinCase{t: t, catalog: catalog, name: name, param: param, decl: &p, mode: mode}
					// All in the first mode; what it takes there, a quarter in every other.
					for j, v := range hostileValues {
						if i > 0 && (!slices.Contains(taken, v) || j%4 != i%4) {
							continue
						}
						n := b.try(v)
						if n < 0 {
							refused++
							continue
						}
						if i == 0 {
							taken = append(taken, v)
						}
						accepted++
						scalarsSeen += n
					}
				}
			}
			t.Logf("%d accepted, in %d scalars; %d refused", accepted, scalarsSeen, refused)
			if refused == 0 || accepted > 0 && scalarsSeen == 0 {
				t.Error("the test says nothing")
			}
		})
	}
}

// modes are settings of an entry: what it needs, with one choice after the other.
func modes(e *sidecars.Entry) []map[string]string {
	base := map[string]string{}
	for name, p := range e.Spec.Parameters {
		if p.Required || name == "upstream-port" {
			base[name] = benignValue(&p, 1)
		}
	}
	out := []map[string]string{base}
	for _, name := range slices.Sorted(maps.Keys(e.Spec.Parameters)) {
		p := e.Spec.Parameters[name]
		choices := p.Enum
		if p.Type == v1alpha1.TypeBoolean {
			choices = []string{"true", "false"}
		}
		if len(choices) > 4 {
			continue
		}
		for _, c := range choices {
			with := maps.Clone(base)
			with[name] = c
			out = append(out, with)
		}
	}
	return out
}

// benignValue is a value that a parameter takes, n times where it is a list.
func benignValue(p *v1alpha1.Parameter, n int) string {
	if p.Default != nil && slices.Equal(p.Default.List, []string{"*"}) {
		return "app" + strings.Repeat(",app", n-1) // names of containers
	}
	if p.Type == v1alpha1.TypeList {
		var out []string
		for range n {
			if p.Items.Fields == nil {
				out = append(out, benignValue(&v1alpha1.Parameter{Bounds: p.Items.Bounds}, 1))
				continue
			}
			var pairs []string
			for _, f := range slices.Sorted(maps.Keys(p.Items.Fields)) {
				d := v1alpha1.Parameter{Bounds: p.Items.Fields[f]}
				pairs = append(pairs, f+"="+benignValue(&d, 1))
			}
			out = append(out, strings.Join(pairs, ","))
		}
		return strings.Join(out, map[bool]string{true: ",", false: ";"}[p.Items.Fields == nil])
	}
	switch {
	case p.Example != nil:
		return p.Example.Text
	case p.Enum != nil:
		return p.Enum[0]
	case p.Default != nil && p.Default.Text != "":
		return p.Default.Text
	case p.Minimum != "":
		return p.Minimum
	}
	return map[v1alpha1.ParameterType]string{
		v1alpha1.TypeString: "benign", v1alpha1.TypeInteger: "7", v1alpha1.TypeQuantity: "77Mi", v1alpha1.TypeDuration: "77s", v1alpha1.TypePort: "7777",
		v1alpha1.TypePath: "/benign", v1alpha1.TypeURL: "http://benign.example", v1alpha1.TypeSecretName: "benign", v1alpha1.TypeConfigMapName: "benign",
	}[p.Type]
}

type builtinCase struct {
	t           *testing.T
	catalog     *sidecars.Catalog
	name, param string
	decl        *v1alpha1.Parameter
	mode        map[string]string
	// benign Pods by the number of items.
	benign map[int]map[string]string
}

func (b *builtinCase) ask(v string) (*sidecars.Result, []byte) {
	b.t.Helper()
	annotations := map[string]string{v1alpha1.AnnotationInject: b.name}
	for k, v := range b.mode {
		annotations["pillion.dev/"+b.name+"."+k] = v
	}
	annotations["pillion.dev/"+b.name+"."+b.param] = v
	res, after, err := run(b.catalog, hostilePod(b.t, annotations), &sidecars.Namespace{})
	if err != nil {
		b.t.Fatalf("%s=%q: %v", b.param, v, err)
	}
	return res, after
}

// try gives the number of scalars that hold the value, or -1 where it is refused.
func (b *builtinCase) try(v string) int {
	t := b.t
	v = strings.ToValidUTF8(v, strings.Repeat("\ufffd", len(v)))
	res, after := b.ask(v)
	if after == nil {
		if err := refusedByField(res, "pillion.dev/"+b.name+"."+b.param); err != nil {
			t.Errorf("%s=%.60q %v: %v", b.param, v, b.mode, err)
		}
		return -1
	}
	parts := []string{v}
	if b.decl.Type == v1alpha1.TypeList {
		parts = cutItems(v, map[bool]string{true: ",", false: ";"}[b.decl.Items.Fields == nil])
	}
	if len(parts) == 0 || v == "" {
		return 0 // as if it were not given
	}
	want := b.benignPod(len(parts))
	if want == nil {
		return 0
	}
	got := scalars(t, b.catalog, after)
	count := 0
	for _, at := range differing(want, got) {
		if strings.HasSuffix(at, "/status") {
			continue
		}
		count++
		if !b.holdsOnly(want[at], got[at], parts) {
			t.Errorf("%s=%.60q %v: %s is %.200q, was %.200q", b.param, v, b.mode, at, got[at], want[at])
		}
	}
	return count
}

func (b *builtinCase) benignPod(n int) map[string]string {
	if b.benign == nil {
		b.benign = map[int]map[string]string{}
	}
	if _, ok := b.benign[n]; !ok {
		res, after := b.ask(benignValue(b.decl, n))
		if after == nil && n == 1 && len(b.benign) == 0 {
			b.t.Errorf("%s=%q %v: is %s: %v", b.param, benignValue(b.decl, n), b.mode, res.Outcome, res.Errors)
		}
		if after != nil {
			b.benign[n] = scalars(b.t, b.catalog, after)
		}
	}
	return b.benign[n]
}

// holdsOnly reports whether a scalar differs from the benign one in that it has one of the values, once, where the other
// has the benign value.
func (b *builtinCase) holdsOnly(was, is string, values []string) bool {
	benign := benignValue(b.decl, 1)
	for i := range len(was) - len(benign) + 1 {
		if was[i:i+len(benign)] != benign {
			continue
		}
		for _, v := range values {
			for _, written := range []string{v, strings.ReplaceAll(v, "$", "$$")} {
				if is == was[:i]+written+was[i+len(benign):] {
					return true
				}
			}
		}
	}
	return false
}

// TestNothingElseCanBeOverridden sets every field of a container, and more, as if it were a parameter.
func TestNothingElseCanBeOverridden(t *testing.T) {
	catalog := propertyCatalog(t)
	fields := []string{"image", "command", "args", "workingDir", "ports", "env-from", "env", "resources", "resize-policy", "restart-policy", "volume-mounts",
		"volume-devices", "liveness-probe", "readiness-probe", "startup-probe", "lifecycle", "termination-message-path", "image-pull-policy",
		"security-context", "securityContext", "stdin", "tty", "name", "volumes", "files", "app-env", "run-as-user-of", "share-process-namespace",
		"service-account-token", "flush-seconds", "order", "namespace-selector", "placement", "when", "privileged", "hostNetwork", "spec", "template", "patch"}
	for _, name := range catalog.Names("") {
		e := catalog.Entry("", name)
		for _, f := range fields {
			if _, declared := e.Spec.Parameters[f]; declared {
				continue
			}
			key := "pillion.dev/" + name + "." + f
			res, _, err := run(catalog, hostilePod(t, map[string]string{v1alpha1.AnnotationInject: name, key: "x"}), &sidecars.Namespace{Labels: map[string]string{"team": "keepers"}})
			if err != nil {
				t.Fatal(err)
			}
			found := strings.Contains(fmt.Sprint(res.Errors), key)
			if res.Outcome != sidecars.Denied || !found {
				t.Errorf("%s: %s: %v", key, res.Outcome, res.Errors)
			}
		}
	}
}
