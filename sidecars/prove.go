package sidecars

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/BurntSushi/toml"
	jsonpatch "github.com/evanphx/json-patch/v5"
	yaml "go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// proofPod is what an entry is proved on: one container that has everything an entry may ask of it.
const proofPod = `{"metadata":{"name":"proof","namespace":"proof"},"spec":{"containers":[{"name":"app","image":"app:1",` +
	`"resources":{"limits":{"cpu":"1","memory":"1Gi"}},` +
	`"securityContext":{"runAsUser":1000,"runAsGroup":1000,"runAsNonRoot":true,"allowPrivilegeEscalation":false,` +
	`"capabilities":{"drop":["ALL"]},"seccompProfile":{"type":"RuntimeDefault"}}}]}}`

// Prove injects the entry, alone, at default and boundary values: every container and volume decodes strictly, every file
// parses in its own language, and the patch applies. A patch that did not apply would block a Pod despite failurePolicy
// Ignore, so an entry that fails here must not be used. The errors have field paths in the entry's document.
func (e *Entry) Prove(_ *Catalog) field.ErrorList {
	var errs field.ErrorList
	e.combinations(func(values []value) {
		if len(errs) < 20 {
			errs = append(errs, e.proveAt(values)...)
		}
	})
	return sortErrors(errs)
}

// proveAt proves the entry at one set of values.
func (e *Entry) proveAt(values []value) field.ErrorList {
	p, err := e.planAt(values)
	if err != nil {
		return field.ErrorList{field.InternalError(nil, err)}
	}
	if len(p.errs) > 0 {
		return e.proofRefusal(p)
	}
	var errs field.ErrorList
	for _, c := range p.containers {
		errs = append(errs, decodeErrors(e.containerPath(c.name), c.json, new(corev1.Container))...)
	}
	for _, v := range p.volumes {
		errs = append(errs, decodeErrors(e.volumePath(v.name), v.json, new(corev1.Volume))...)
	}
	errs = append(errs, e.proveFiles(p)...)
	if len(errs) > 0 {
		return errs
	}
	if _, err := applied(p); err != nil {
		return field.ErrorList{field.Invalid(field.NewPath("spec"), e.Name, "its patch does not apply: "+err.Error())}
	}
	return nil
}

// planAt plans the entry on the proof Pod.
func (e *Entry) planAt(values []value) (*plan, error) {
	pod, err := ReadPod([]byte(proofPod))
	if err != nil {
		return nil, err
	}
	for i := range e.params {
		e.pointAtApp(values, i)
	}
	req := &request{pod: pod, ns: &Namespace{}, names: []string{e.Name}, entries: []*Entry{e}, values: [][]value{values}, asksFrom: FromPod}
	p := newPlan(req)
	p.gather()
	return p, nil
}

// pointAtApp sets a parameter that names containers of the app to the one that the proof Pod has.
func (e *Entry) pointAtApp(values []value, i int) {
	names := func(t *targets) bool { return t.param == i }
	used := false
	for j := range e.volumes {
		for k := range e.volumes[j].shares {
			used = used || names(&e.volumes[j].shares[k].containers)
		}
	}
	for j := range e.env {
		used = used || names(&e.env[j].containers)
	}
	e.runAsOf.holes(func(h *hole) { used = used || h.param == i })
	if !used || values[i].empty() {
		return
	}
	if values[i].text != "*" {
		e.set(values, i, "app")
	}
}

func (e *Entry) proofRefusal(p *plan) field.ErrorList {
	var errs field.ErrorList
	for _, err := range p.errs {
		errs = append(errs, field.Invalid(field.NewPath("spec"), e.Name, "cannot be injected: "+err.Detail))
	}
	return errs
}

// applied applies a plan's patch to the proof Pod and decodes the result strictly.
func applied(p *plan) (*corev1.Pod, error) {
	patch, err := jsonpatch.DecodePatch(AppendPatch(nil, p.patch()))
	if err != nil {
		return nil, err
	}
	after, err := patch.Apply([]byte(proofPod))
	if err != nil {
		return nil, err
	}
	pod := new(corev1.Pod)
	return pod, strictDecode(after, pod)
}

// grade sets the Pod Security level: the lowest at any set of values.
func (c *compiler) grade() {
	e := c.entry
	p, err := e.planAt(e.proofDefaults())
	if err != nil || len(p.errs) > 0 {
		return
	}
	pod, err := applied(p)
	if err != nil {
		return
	}
	if level, err := LevelOf(&pod.ObjectMeta, &pod.Spec); err == nil {
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

var (
	unknownField = regexp.MustCompile(`unknown field "([^"]*)"`)
	wrongType    = regexp.MustCompile(`cannot unmarshal (\S+) into Go struct field \w+\.(\S+) of type (\S+)`)
)

// decodeErrors decodes strictly and gives each mistake its path below at.
func decodeErrors(at *field.Path, raw []byte, into any) field.ErrorList {
	err := strictDecode(raw, into)
	if err == nil {
		return nil
	}
	var errs field.ErrorList
	for _, one := range flatten(err) {
		text := one.Error()
		if m := unknownField.FindStringSubmatch(text); m != nil {
			errs = append(errs, field.Invalid(at.Child(m[1]), m[1][strings.LastIndex(m[1], ".")+1:], "is no field of this Kubernetes object"))
			continue
		}
		if m := wrongType.FindStringSubmatch(text); m != nil {
			errs = append(errs, field.TypeInvalid(at.Child(m[2]), m[1], "want "+m[3]))
			continue
		}
		errs = append(errs, field.Invalid(at, string(raw), text))
	}
	return errs
}

func flatten(err error) []error {
	var many interface{ Unwrap() []error }
	if errors.As(err, &many) {
		return many.Unwrap()
	}
	return []error{err}
}

// proveFiles parses every file in its own language.
func (e *Entry) proveFiles(p *plan) field.ErrorList {
	var errs field.ErrorList
	for i := range e.Spec.Files {
		f := &e.Spec.Files[i]
		for _, a := range p.annotations {
			if a.name != e.files[i].annotation {
				continue
			}
			if err := parses(f.Format, a.json); err != nil {
				errs = append(errs, field.Invalid(field.NewPath("spec", "files").Index(i), f.Name, err.Error()))
			}
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
