package sidecars

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"

	"github.com/BurntSushi/toml"
	yaml "go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// piece is a piece of an entry that is decoded on its own: a member of a container, a volume, a member of a file.
type piece struct {
	when condition
	text template
	// before and after stand around the text.
	before, after string
	// check says what is wrong with a text that was not seen before.
	check func(text []byte) field.ErrorList
}

// pieces proves every piece. One without a parameter was decoded when the entry was compiled.
func (pr *proof) pieces() {
	for i := range pr.containers {
		c := &pr.containers[i]
		decode := func(text []byte) field.ErrorList { return partErrors(pr.containerPath(c.name), text, newContainer) }
		for _, m := range membersOf(c.head) {
			pr.piece(&piece{when: c.when, text: m, before: "{", after: "}", check: decode})
		}
		pr.piece(&piece{when: c.when, text: c.resources, before: `{"` + memberResources + `":`, after: "}", check: decode})
	}
	for i := range pr.volumes {
		v := &pr.volumes[i]
		pr.piece(&piece{when: v.when, text: v.body, check: func(text []byte) field.ErrorList {
			return partErrors(pr.volumePath(v.name), text, newVolume)
		}})
	}
	for i := range pr.files {
		pr.file(i)
	}
}

// piece proves one at all values of its parameters.
func (pr *proof) piece(it *piece) {
	u := pr.uses()
	u.template(it.text)
	if !u.some {
		return
	}
	u.condition(it.when)
	seen := map[string]bool{}
	pr.vary(u.list(), func(values []value) {
		if !it.when.holds(values) || pr.unset(it.text, values) {
			return
		}
		pr.buf = append(it.text.fill(append(pr.buf[:0], it.before...), values, nil), it.after...)
		if !seen[string(pr.buf)] {
			seen[string(pr.buf)] = true
			pr.fail(it.check(pr.buf)...)
		}
	})
}

// unset finds numbers that are not given.
func (pr *proof) unset(t template, values []value) bool {
	found := false
	t.unset(values, nil, func(h *hole) {
		found = true
		pr.fail(field.Required(h.at, `a number stands here: give it a default, or a condition such as {port: ["*"]}`))
	})
	return found
}

// lacksNumber reports whether any part has a number that is not given.
func (e *Entry) lacksNumber(values []value) bool {
	found := false
	visit := func(*hole) { found = true }
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
	return found
}

// membersOf gives the members of the JSON object that a template is, which may lack its end.
func membersOf(t template) []template {
	var out []template
	var member template
	depth, quoted := 0, false
	for _, p := range t {
		if !p.ready() {
			member = append(member, p) // a scalar, a part of a string or a whole collection
			continue
		}
		from := 0
		for i := 0; i < len(p.text); i++ {
			switch c := p.text[i]; {
			case c == '\\':
				i++
			case c == '"':
				quoted = !quoted
			case quoted:
			case c == '{' || c == '[':
				depth++
				if depth == 1 {
					from = i + 1
				}
			case c == '}' || c == ']':
				depth--
			case c == ',' && depth == 1:
				out = append(out, append(member, ready(p.text[from:i])))
				member, from = nil, i+1
			}
		}
		if from < len(p.text) {
			member = append(member, ready(p.text[from:]))
		}
	}
	return append(out, member)
}

// file proves a file: whole, and then each member of its data for itself, as values stand in strings or are numbers and
// reach no other member. A file of lines has no language that anybody here could parse; it is text by its making.
func (pr *proof) file(i int) {
	f, made := &pr.Spec.Files[i], &pr.files[i]
	check := func(text []byte) field.ErrorList {
		if err := parses(f.Format, text); err != nil {
			return field.ErrorList{field.Invalid(field.NewPath("spec", "files").Index(i), f.Name, err.Error())}
		}
		return nil
	}
	for _, values := range [][]value{pr.base, pr.full} {
		if made.when.holds(values) && !pr.unset(made.content, values) {
			pr.buf = append(made.content.fill(append(pr.buf[:0], '"'), values, nil), '"')
			pr.fail(check(pr.buf)...)
		}
	}
	for _, m := range pr.dataMembers(i) {
		pr.piece(&piece{when: made.when, text: m, before: `"`, after: `"`, check: check})
	}
}

// dataMembers compiles each member of a file's data as a file of its own.
func (pr *proof) dataMembers(i int) []template {
	f := pr.Spec.Files[i]
	if f.Data == nil {
		return nil
	}
	whole := *f.Data
	own := *pr.Entry
	own.params = slices.Clone(pr.params) // a compiler notes in them what it finds
	at := field.NewPath("spec", "files").Index(i).Child("data")
	var out []template
	for _, key := range sortedKeys(whole) {
		c := &compiler{entry: &own, used: map[int]bool{}, list: -1}
		f.Data = &v1alpha1.Object{key: whole[key]}
		out = append(out, c.data(at, &f, fileContext(&f)).inString())
	}
	return out
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
