package sidecars

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	yaml "go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/validation/field"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// LoadError is one mistake in a catalog.
type LoadError struct {
	// File is the file's name, or the entry's where the file is not known.
	File string
	// Line of the mistake, 1-based; 0 where it is not known.
	Line int
	// Err says what is wrong; for a mistake in a field it starts with the field's path.
	Err error
}

// Error gives file:line: field: reason.
func (e *LoadError) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Err.Error()
	}
	return e.File + ":" + strconv.Itoa(e.Line) + ": " + e.Err.Error()
}

// Unwrap gives the cause.
func (e *LoadError) Unwrap() error { return e.Err }

// document is one YAML document of a catalog file.
type document struct {
	file string
	// line is how many lines of the file come before the document.
	line int
	root *yaml.Node
	// lines of mistakes whose place is no longer in root.
	lines map[*field.Error]int
	// kind and key of the entry; entry is nil where it has a mistake.
	kind  string
	key   Key
	entry *Entry
	// unplaced: a Sidecar that says no Namespace; its key has namespaceDefault.
	unplaced bool
}

// namespaceDefault is where kubectl puts what says no Namespace.
const namespaceDefault = "default"

// largestFile is the size of a catalog file, in bytes, beyond which it is not read: more than etcd takes.
const largestFile = 2 << 20

// readFile compiles the documents of one file.
func readFile(fsys fs.FS, name string) ([]*document, []error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, []error{&LoadError{File: name, Err: err}}
	}
	if info.Size() > largestFile {
		return nil, []error{&LoadError{File: name, Err: fmt.Errorf("has %d bytes, the most is %d", info.Size(), largestFile)}}
	}
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, []error{&LoadError{File: name, Err: err}}
	}
	var docs []*document
	var errs []error
	for _, d := range splitDocuments(name, text) {
		errs = append(errs, d.read()...)
		if d.kind != "" {
			docs = append(docs, &d.document)
		}
	}
	return docs, errs
}

// splitDocuments finds the documents by the lines that separate them, so that one that is no YAML does not hide the others.
func splitDocuments(file string, text []byte) []*rawDocument {
	var out []*rawDocument
	d := &rawDocument{document: document{file: file}}
	n, begun := 0, false
	for line := range bytes.Lines(text) {
		word := bytes.TrimRight(line, " \t\r\n")
		begins, ends := marks(word, "---"), marks(word, "...")
		if begun && (begins || ends) {
			out = append(out, d)
			d, begun = &rawDocument{document: document{file: file, line: n}}, false
		}
		n++
		if ends {
			d.text = append(d.text, '\n')
			continue
		}
		d.text = append(d.text, line...)
		// What stands before a marker and is nothing, a comment or a directive belongs to the document that follows.
		begun = begun || begins || len(word) > 0 && word[0] != '#' && word[0] != '%'
	}
	return append(out, d)
}

// marks reports whether a line is a marker, with or without something behind it.
func marks(line []byte, marker string) bool {
	rest, ok := bytes.CutPrefix(line, []byte(marker))
	return ok && (len(rest) == 0 || rest[0] == ' ' || rest[0] == '\t')
}

type rawDocument struct {
	document
	text []byte
}

// read decodes a document strictly and compiles it.
func (d *rawDocument) read() []error {
	d.root = new(yaml.Node)
	if err := yaml.Unmarshal(d.text, d.root); err != nil {
		return []error{d.syntaxError(err)}
	}
	if d.root.Kind == 0 || len(d.root.Content) == 0 || d.root.Content[0].Tag == "!!null" {
		return nil
	}
	d.root = d.root.Content[0]
	errs, tooLarge := d.tidy()
	if tooLarge != nil {
		return []error{tooLarge}
	}
	raw, err := sigsyaml.YAMLToJSON(d.text)
	if err != nil && len(errs) > 0 {
		return d.locate(errs)
	}
	if err != nil {
		return []error{d.syntaxError(err)}
	}
	entry, bad, err := decodeEntry(raw)
	if err != nil {
		return append(d.locate(errs), d.syntaxError(err))
	}
	errs = append(errs, bad...)
	if entry == nil {
		return d.locate(errs)
	}
	d.kind, d.key = entry.Kind, Key{entry.Namespace, entry.Name}
	if d.kind == v1alpha1.KindSidecar && d.key.Namespace == "" {
		d.unplaced, d.key.Namespace = true, namespaceDefault
	}
	d.entry, errs = compile(entry, raw, errs)
	if d.entry != nil {
		d.entry.Namespace = d.key.Namespace
	}
	return d.locate(errs)
}

// Parse reads one entry from JSON, strictly, and compiles it. Use Prove, or Lint, before it is used: what Parse finds is
// wrong at every value of the parameters. The errors have field paths in the document.
func Parse(raw []byte) (*Entry, field.ErrorList) {
	entry, errs, err := decodeEntry(raw)
	if err != nil {
		return nil, field.ErrorList{field.Invalid(nil, quoted(string(raw)), err.Error())}
	}
	if entry == nil {
		return nil, errs
	}
	e, errs := compile(entry, raw, errs)
	if e != nil {
		e.Layer = LayerCluster
		if e.Namespace != "" {
			e.Layer = LayerNamespace
		}
	}
	return e, errs
}

// compile gives the entry, or nil and what is wrong with it beside what is known to be.
func compile(entry *v1alpha1.ClusterSidecar, raw []byte, errs field.ErrorList) (*Entry, field.ErrorList) {
	e, bad := Compile(entry.Name, &entry.Spec)
	slices.SortStableFunc(bad, func(a, b *field.Error) int { return strings.Compare(a.Origin, b.Origin) })
	var document struct{ Spec json.RawMessage } // not the metadata, whose managedFields name every field
	if err := json.Unmarshal(raw, &document); err != nil {
		document.Spec = raw
	}
	known := slices.Clone(errs)
	for _, b := range bad {
		if b.Origin == originUnused {
			known = errs
		}
		if !follows(b, known, document.Spec) {
			errs = append(errs, b)
		}
	}
	if len(errs) > 0 {
		return nil, errs
	}
	e.Namespace = entry.Namespace
	return e, nil
}

// decodeEntry gives the entry without the parts that are wrong, or nil where the document is of another kind.
func decodeEntry(raw []byte) (*v1alpha1.ClusterSidecar, field.ErrorList, error) {
	v, err := decodeTree(raw)
	if err != nil {
		return nil, nil, err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, nil, errors.New("want an object with apiVersion, kind, metadata and spec, got a " + kindOf(v))
	}
	kinds := []string{v1alpha1.KindClusterSidecar, v1alpha1.KindSidecar}
	if kind, _ := m["kind"].(string); !slices.Contains(kinds, kind) {
		return nil, field.ErrorList{field.NotSupported(field.NewPath("kind"), kind, kinds)}, nil
	}
	left, _, errs := entryShape().check(nil, m)
	if v, _ := m["apiVersion"].(string); v != v1alpha1.GroupVersion {
		errs = append(errs, field.NotSupported(field.NewPath("apiVersion"), v, []string{v1alpha1.GroupVersion}))
	}
	if meta, _ := m["metadata"].(map[string]any); m["kind"] == v1alpha1.KindClusterSidecar && meta["namespace"] != nil {
		errs = append(errs, field.Forbidden(field.NewPath("metadata", "namespace"), "a ClusterSidecar is for the Pods of all Namespaces; a Sidecar is for one"))
	}
	if spec, _ := m["spec"].(map[string]any); m["kind"] == v1alpha1.KindSidecar && spec["node"] != nil {
		errs = append(errs, field.Forbidden(field.NewPath("spec", "node"), "only a ClusterSidecar may ask the node helper"))
	}
	b, err := json.Marshal(left)
	if err != nil {
		return nil, errs, err
	}
	entry := new(v1alpha1.ClusterSidecar)
	return entry, errs, json.Unmarshal(b, entry)
}

func decodeTree(raw []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	err := dec.Decode(&v)
	return v, err
}

// follows reports whether a mistake only follows from one that is known: its place was left out, or what uses a parameter
// was.
func follows(e *field.Error, known field.ErrorList, raw []byte) bool {
	for _, k := range known {
		for _, place := range []string{k.Field, k.Origin} {
			rest, below := strings.CutPrefix(e.Field, place)
			if place != "" && below && (rest == "" || rest[0] == '.' || rest[0] == '[') {
				return true
			}
		}
	}
	name, _ := e.BadValue.(string)
	return len(known) > 0 && e.Origin == originUnused && bytes.Count(raw, []byte(name)) > 1
}

// mostNodes is how many values a document may hold, those that aliases repeat counted each time; deepest is how far they may
// nest.
const (
	mostNodes = 100_000
	deepest   = 64
)

// tidy takes keys that are there twice out of a document.
func (d *document) tidy() (field.ErrorList, error) {
	t := &tidier{left: mostNodes, lines: map[*field.Error]int{}}
	t.node(nil, d.root, 0)
	if t.left < 0 {
		why := fmt.Errorf("the document holds more than %d values, or %d in one another", mostNodes, deepest)
		return nil, &LoadError{File: d.file, Line: d.line + t.line, Err: why}
	}
	d.lines = t.lines
	return t.errs, nil
}

type tidier struct {
	// left is how many values may follow; below 0 there were too many, at line.
	left, line int
	errs       field.ErrorList
	lines      map[*field.Error]int
}

func (t *tidier) node(at *field.Path, n *yaml.Node, depth int) {
	if t.left < 0 {
		return
	}
	if t.left--; t.left < 0 || depth > deepest {
		t.left, t.line = -1, n.Line
		return
	}
	switch n.Kind {
	case yaml.ScalarNode:
		t.scalar(at, n)
	case yaml.AliasNode:
		t.node(at, n.Alias, depth+1)
	case yaml.SequenceNode:
		for i, item := range n.Content {
			t.node(at.Index(i), item, depth+1)
		}
	case yaml.MappingNode:
		t.mapping(at, n, depth)
	}
}

// scalar finds what YAML knows and JSON does not.
func (t *tidier) scalar(at *field.Path, n *yaml.Node) {
	tag := n.ShortTag()
	if at != nil && (tag == "!!binary" || tag == "!!float" && strings.ContainsAny(n.Value, "nN")) {
		t.wrong(n, field.Invalid(at, n.Value, "want a string, number or boolean of JSON"))
	}
}

func (t *tidier) wrong(n *yaml.Node, e *field.Error) {
	t.errs, t.lines[e] = append(t.errs, e), n.Line
}

// mergeable reports whether a value can stand at the key <<.
func mergeable(n *yaml.Node) bool {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.SequenceNode {
		return n.Kind == yaml.MappingNode
	}
	return !slices.ContainsFunc(n.Content, func(it *yaml.Node) bool { return it.Kind == yaml.SequenceNode || !mergeable(it) })
}

// keyTags are the kinds of keys that JSON can have.
var keyTags = []string{"!!str", "!!int", "!!float", "!!bool", "!!merge"}

func (t *tidier) mapping(at *field.Path, n *yaml.Node, depth int) {
	seen := make(map[string]bool, len(n.Content)/2)
	kept := n.Content[:0:0]
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if !slices.Contains(keyTags, key.ShortTag()) {
			t.wrong(key, field.Invalid(at.Child(cmp.Or(key.Value, "~")), cmp.Or(key.Value, key.ShortTag()), "is no key: want a string"))
			continue
		}
		if key.Tag == "!!merge" && !mergeable(value) {
			t.wrong(key, field.Invalid(at.Child(key.Value), "", "want an alias of an object, or a list of those"))
			continue
		}
		if seen[key.Value] && key.Tag != "!!merge" {
			t.wrong(key, duplicate(at.Child(key.Value), key.Value, "is set above"))
			continue
		}
		seen[key.Value] = true
		kept = append(kept, key, value)
		t.node(at.Child(key.Value), value, depth+1)
	}
	n.Content = kept
}

// locate gives mistakes their place.
func (d *document) locate(errs field.ErrorList) []error {
	out := make([]error, len(errs))
	for i, e := range errs {
		line, known := d.lines[e]
		if !known {
			line = lineOf(d.root, e.Field)
		}
		out[i] = &LoadError{File: d.file, Line: d.line + line, Err: e}
	}
	return out
}

var (
	syntaxLine = regexp.MustCompile(`\A(?:unmarshal errors:\s*)?line (\d+): `)
	// behind are the errors to which the YAML library gives the line before.
	behind    = regexp.MustCompile(`\Adid not find expected (<document start>|node content|key|'-' indicator|',' or)`)
	namedNode = regexp.MustCompile(`(?:unknown anchor|anchor) '([^']*)'`)
)

// syntaxError gives a text that is no YAML its line and takes the library's own words for it away.
func (d *rawDocument) syntaxError(err error) error {
	why := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "error converting YAML to JSON: "), "yaml: ")
	line := 0
	if m := syntaxLine.FindStringSubmatch(why); m != nil {
		line, _ = strconv.Atoi(m[1])
		why = why[len(m[0]):]
		if behind.MatchString(why) {
			line++
		}
	}
	if m := namedNode.FindStringSubmatch(why); m != nil && line == 0 {
		line = lineAt(d.text, max(bytes.Index(d.text, []byte("*"+m[1])), 0))
	}
	if line == 0 {
		line = lineAt(d.text, max(bytes.IndexFunc(d.text, func(r rune) bool { return r == utf8.RuneError || unicode.IsControl(r) && !unicode.IsSpace(r) }), 0))
	}
	return &LoadError{File: d.file, Line: d.line + line, Err: errors.New(why)}
}

func lineAt(text []byte, offset int) int { return 1 + bytes.Count(text[:offset], []byte("\n")) }

// lineOf finds the line of the field at a path, such as spec.containers[0].image, or of its nearest parent that is there.
func lineOf(n *yaml.Node, path string) int {
	line := n.Line
	for path != "" {
		next, l, rest := below(n, strings.TrimPrefix(path, "."))
		if next == nil {
			return line
		}
		n, line, path = next, l, rest
	}
	return line
}

// below gives the node at the first step of a path, its line and the steps that are left. A key may hold dots.
func below(n *yaml.Node, path string) (at *yaml.Node, line int, rest string) {
	switch n.Kind {
	case yaml.AliasNode:
		return below(n.Alias, path)
	case yaml.SequenceNode:
		for i, item := range n.Content {
			if after, ok := strings.CutPrefix(path, "["+strconv.Itoa(i)+"]"); ok {
				return item, item.Line, after
			}
		}
	case yaml.MappingNode:
		longest := -1
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			after, ok := strings.CutPrefix(path, "["+key.Value+"]")
			if !ok {
				after, ok = strings.CutPrefix(path, key.Value)
				ok = ok && (after == "" || after[0] == '.' || after[0] == '[')
			}
			if ok && len(key.Value) > longest {
				longest, at, line, rest = len(key.Value), n.Content[i+1], key.Line, after
			}
			if key.Tag == "!!merge" && at == nil {
				at, line, rest = below(n.Content[i+1], path)
			}
		}
	}
	return at, line, rest
}
