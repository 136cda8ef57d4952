package sidecars

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	jsonpatch "github.com/evanphx/json-patch/v5"
	yaml "go.yaml.in/yaml/v3"
	gojsonpatch "gomodules.xyz/jsonpatch/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/pod-security-admission/api"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// proofContainer is what an entry is proved on: a container that has everything an entry may ask of it.
const proofContainer = `"image":"app:1","resources":{"limits":{"cpu":"1","memory":"1Gi"}},` +
	`"securityContext":{"runAsUser":1000,"runAsGroup":1000,"runAsNonRoot":true,"allowPrivilegeEscalation":false,` +
	`"capabilities":{"drop":["ALL"]},"seccompProfile":{"type":"RuntimeDefault"}}`

// proofPod has the containers that the values name.
func (e *Entry) proofPod(values []value) []byte {
	names := e.targetNames(values)
	for _, name := range append(e.literalTargets(), "app") {
		if !e.has(name) && !strings.ContainsAny(name, "*?[") {
			names = union(names, []string{name})
		}
	}
	dst := []byte(`{"metadata":{"name":"proof","namespace":"proof"},"spec":{"containers":[`)
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(jsonString(append(dst, `{"name":`...), name), ','), proofContainer+"}"...)
	}
	return append(dst, `]}}`...)
}

// has reports whether a container of the entry has the name.
func (e *Entry) has(name string) bool {
	return slices.ContainsFunc(e.containers, func(c container) bool { return c.name == name })
}

// literalTargets lists the names and globs of containers of the app that stand in the entry.
func (e *Entry) literalTargets() []string {
	var list []string
	for i := range e.volumes {
		for _, s := range e.volumes[i].shares {
			list = append(list, s.containers.globs...)
		}
	}
	for i := range e.env {
		list = append(list, e.env[i].containers.globs...)
	}
	return list
}

// targetNames lists the containers of the app that the values name.
func (e *Entry) targetNames(values []value) []string {
	var names []string
	if user := e.runAsOf.text(values); user != "" {
		names = []string{user}
	}
	for i := range e.params {
		for _, it := range values[i].items {
			if e.namesContainers(i) && !strings.ContainsAny(it.text, "*?[") {
				names = union(names, []string{it.text})
			}
		}
	}
	return names
}

// namesContainers reports whether a parameter lists containers of the app.
func (e *Entry) namesContainers(i int) bool {
	return slices.ContainsFunc(e.env, func(v appEnv) bool { return v.containers.param == i }) ||
		slices.ContainsFunc(e.volumes, func(v volume) bool {
			return slices.ContainsFunc(v.shares, func(s share) bool { return s.containers.param == i })
		})
}

// Prove injects the entry, alone, at default and boundary values: every container and volume decodes strictly, every file
// parses in its own language, and the patch applies. A patch that did not apply would block a Pod despite failurePolicy
// Ignore, so an entry that fails here must not be used. The errors have field paths in the entry's document.
func (e *Entry) Prove() field.ErrorList {
	var errs field.ErrorList
	pr := proof{e, map[string]bool{}}
	e.combinations(func(values []value) {
		const enough = 20
		if len(errs) >= enough {
			return
		}
		for _, err := range pr.at(values) {
			// At one place, one value is example enough.
			if !slices.ContainsFunc(errs, func(o *field.Error) bool { return o.Field == err.Field && o.Detail == err.Detail }) {
				errs = append(errs, err)
			}
		}
	})
	return sortErrors(errs)
}

// proof remembers what is proved: from one set of values to the next most parts are the same.
type proof struct {
	*Entry
	proved map[string]bool
}

// once checks a text that was not checked yet or was wrong.
func (e *proof) once(text string, check func() field.ErrorList) field.ErrorList {
	if e.proved[text] {
		return nil
	}
	errs := check()
	e.proved[text] = len(errs) == 0
	return errs
}

// at proves the entry at one set of values.
func (e *proof) at(values []value) field.ErrorList {
	errs := e.unset(values)
	if len(errs) > 0 {
		return errs
	}
	for _, name := range e.targetNames(values) {
		if e.has(name) {
			return nil // no Pod has such a container and the entry
		}
	}
	p, object, err := e.planAt(values)
	if err != nil {
		return field.ErrorList{field.InternalError(field.NewPath("spec"), err)}
	}
	if len(p.errs) > 0 {
		return e.proofRefusal(p)
	}
	for _, c := range p.containers {
		errs = append(errs, e.once(string(c.json), func() field.ErrorList {
			return partErrors(e.containerPath(c.name), c.json, newContainer)
		})...)
	}
	for _, v := range p.volumes {
		errs = append(errs, e.once(string(v.json), func() field.ErrorList {
			return partErrors(e.volumePath(v.name), v.json, newVolume)
		})...)
	}
	errs = append(errs, e.files(p)...)
	if len(errs) > 0 {
		return errs
	}
	return e.patchApplies(object, p.patch())
}

// patchApplies applies a patch, where none with the same paths was: with values that decode, it is the paths that count.
func (e *proof) patchApplies(object []byte, ops []gojsonpatch.Operation) field.ErrorList {
	paths := "patch of " + string(object)
	for _, op := range ops {
		paths += " " + op.Path
	}
	return e.once(paths, func() field.ErrorList {
		if err := applies(object, ops); err != nil {
			return field.ErrorList{field.Invalid(field.NewPath("spec"), e.Name, "its patch does not apply: "+err.Error())}
		}
		return nil
	})
}

// unset finds numbers that are not given.
func (e *Entry) unset(values []value) field.ErrorList {
	var errs field.ErrorList
	visit := func(h *hole) {
		errs = append(errs, field.Required(h.at, `a number stands here: give it a default, or a condition such as {port: ["*"]}`))
	}
	for i := range e.containers {
		if c := &e.containers[i]; c.when.holds(values) {
			c.head.unset(values, nil, visit)
			c.resources.unset(values, nil, visit)
		}
	}
	for i := range e.volumes {
		if e.volumes[i].when.holds(values) {
			e.volumes[i].body.unset(values, nil, visit)
		}
	}
	for i := range e.files {
		if e.files[i].when.holds(values) {
			e.files[i].content.unset(values, nil, visit)
		}
	}
	return errs
}

// planAt plans the entry on a proof Pod, which it gives too.
func (e *Entry) planAt(values []value) (*plan, []byte, error) {
	object := e.proofPod(values)
	pod, err := ReadPod(object)
	if err != nil {
		return nil, nil, err
	}
	req := &request{pod: pod, ns: &Namespace{}, names: []string{e.Name}, entries: []*Entry{e}, values: [][]value{values}, asksFrom: FromPod}
	p := newPlan(req)
	p.gather()
	return p, object, nil
}

func (e *Entry) proofRefusal(p *plan) field.ErrorList {
	var errs field.ErrorList
	for _, err := range p.errs {
		errs = append(errs, field.Invalid(field.NewPath("spec"), err.BadValue, "cannot be injected: "+err.Detail))
	}
	return errs
}

// applies applies a patch and decodes the result strictly.
func applies(object []byte, ops []gojsonpatch.Operation) error {
	patch, err := jsonpatch.DecodePatch(AppendPatch(nil, ops))
	if err != nil {
		return err
	}
	after, err := patch.Apply(object)
	if err != nil {
		return err
	}
	return strictDecode(after, new(corev1.Pod))
}

// grade sets the Pod Security level: that of everything that may be added, whatever its condition.
func (c *compiler) grade() {
	e := c.entry
	e.Level = api.LevelPrivileged
	values := e.proofDefaults()
	for i := range values {
		values[i].any = true
	}
	p, _, err := e.planAt(values)
	if err != nil {
		return
	}
	var spec corev1.PodSpec
	for _, a := range p.containers {
		var ctr corev1.Container
		if strictDecode(a.json, &ctr) != nil {
			return
		}
		spec.Containers = append(spec.Containers, ctr)
	}
	for _, a := range p.volumes {
		var v corev1.Volume
		if strictDecode(a.json, &v) != nil {
			return
		}
		spec.Volumes = append(spec.Volumes, v)
	}
	if level, err := LevelOf(&metav1.ObjectMeta{}, &spec); err == nil {
		e.Level = level
	}
}

// proofDefaults are the defaults, with everything that has none at its first sample.
func (e *Entry) proofDefaults() []value {
	values := e.defaults()
	for i := range e.params {
		if values[i].empty() {
			e.set(values, i, first(e.params[i].samples()))
		}
	}
	return values
}

func (e *Entry) containerPath(name string) *field.Path {
	for i := range e.Spec.Containers {
		if e.Spec.Containers[i].Name == name {
			return field.NewPath("spec", "containers").Index(i)
		}
	}
	for i := range e.Spec.InitContainers {
		if e.Spec.InitContainers[i].Name == name {
			return field.NewPath("spec", "initContainers").Index(i)
		}
	}
	return field.NewPath("spec")
}

func (e *Entry) volumePath(name string) *field.Path {
	for i := range e.Spec.Volumes {
		if e.Spec.Volumes[i].Name == name {
			return field.NewPath("spec", "volumes").Index(i)
		}
	}
	return field.NewPath("spec", "files")
}

var unknownField = regexp.MustCompile(`unknown field "([^"]*)"`)

// partErrors decodes a part of the patch. What is wrong at every value was found when the entry was compiled; the path is
// that in the patch, where conditions may have moved an index.
func partErrors(at *field.Path, raw []byte, into func() any) field.ErrorList {
	if strictDecode(raw, into()) == nil {
		return nil
	}
	v, err := decodeTree(raw)
	tree, ok := v.(map[string]any)
	if err != nil || !ok {
		return field.ErrorList{field.Invalid(at, quoted(string(raw)), "becomes JSON that cannot be read, perhaps by a number that is not given")}
	}
	return decodeErrors(at, tree, into)
}

// files parses every file in its own language.
func (e *proof) files(p *plan) field.ErrorList {
	var errs field.ErrorList
	for i := range e.Spec.Files {
		f := &e.Spec.Files[i]
		for _, a := range p.annotations {
			if a.name != e.Entry.files[i].annotation {
				continue
			}
			errs = append(errs, e.once(a.name+string(a.json), func() field.ErrorList {
				if err := parses(f.Format, a.json); err != nil {
					return field.ErrorList{field.Invalid(field.NewPath("spec", "files").Index(i), f.Name, err.Error())}
				}
				return nil
			})...)
		}
	}
	return errs
}

func parses(format v1alpha1.FileFormat, annotation []byte) error {
	var text string
	if err := json.Unmarshal(annotation, &text); err != nil {
		return fmt.Errorf("no JSON string: %w", err)
	}
	var into map[string]any
	switch format {
	case v1alpha1.FormatYAML:
		return yaml.Unmarshal([]byte(text), &into)
	case v1alpha1.FormatJSON:
		return json.Unmarshal([]byte(text), &into)
	case v1alpha1.FormatTOML:
		return toml.Unmarshal([]byte(text), &into)
	}
	return nil
}
