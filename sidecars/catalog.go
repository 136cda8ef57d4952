package sidecars

import (
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/util/validation/field"
	sigsyaml "sigs.k8s.io/yaml"
)

// Key names an entry: that of a Namespace, or, where Namespace is empty, of the cluster.
type Key struct{ Namespace, Name string }

// String gives name or namespace/name.
func (k Key) String() string {
	if k.Namespace == "" {
		return k.Name
	}
	return k.Namespace + "/" + k.Name
}

// Catalog is an immutable set of compiled entries: those of the cluster and those of single Namespaces. An entry of the
// cluster wins over a Namespace's of the same name, and no Namespace sees another's.
type Catalog struct {
	entries map[Key]*Entry
	// leftOut are entries that are known and cannot be used, and why.
	leftOut map[Key]string
	// keys are those of all entries, sorted; names those of the cluster's.
	keys     []Key
	names    []string
	revision string
	helper   Helper
	// index is made when the catalog is linted.
	index func() *lintIndex
}

// NewCatalog makes a catalog of entries; of two with one key the later wins.
func NewCatalog(entries ...*Entry) *Catalog { return Assemble(entries, nil) }

// Assemble makes a catalog of entries, lowest layer first: of two with one key the later wins. A key in leftOut hides every
// entry that has it: a Pod that asks for such a sidecar is refused with the reason.
func Assemble(entries []*Entry, leftOut map[Key]string) *Catalog {
	c := &Catalog{entries: make(map[Key]*Entry, len(entries)), leftOut: leftOut}
	for _, e := range entries {
		if _, out := leftOut[e.Key()]; !out {
			c.entries[e.Key()] = e
		}
	}
	c.keys = slices.SortedFunc(maps.Keys(c.entries), func(a, b Key) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	sum := sha256.New()
	for _, k := range c.keys {
		if k.Namespace == "" {
			c.names = append(c.names, k.Name)
		}
		sum.Write([]byte(k.String() + " " + c.entries[k].Revision + "\n"))
	}
	c.revision = hex.EncodeToString(sum.Sum(nil)[:6])
	c.index = sync.OnceValue(func() *lintIndex { return newLintIndex(c) })
	return c
}

// Helper says what the cluster has of the node helper.
type Helper struct {
	// Absent: no node runs it. An entry that needs it is refused, or does with less where it says so.
	Absent bool
	// RequiredPlugin is the helper's name as an NRI plugin, where the runtime's validator is on and refuses containers
	// without it; empty where it is not.
	RequiredPlugin string
}

// WithHelper gives the same catalog for a cluster with that helper. Without it, a helper is taken to be there.
func (c *Catalog) WithHelper(h Helper) *Catalog {
	out := *c
	out.helper = h
	return &out
}

// Entry gives the entry that Pods of a Namespace get by that name: the cluster's or else the Namespace's own; nil where
// there is none. An empty namespace sees the cluster's alone.
func (c *Catalog) Entry(namespace, name string) *Entry {
	if e := c.entries[Key{Name: name}]; e != nil || namespace == "" || c.LeftOut("", name) != "" {
		return e
	}
	return c.entries[Key{namespace, name}]
}

// LeftOut says why the entry that Pods of a Namespace would get by that name cannot be used; empty where it can, or where
// there is none.
func (c *Catalog) LeftOut(namespace, name string) string {
	if why := c.leftOut[Key{Name: name}]; why != "" || c.entries[Key{Name: name}] != nil {
		return why
	}
	return c.leftOut[Key{namespace, name}]
}

// Names lists what Pods of a Namespace may name, sorted; for the empty namespace, what Pods of all may. The caller must not
// change it.
func (c *Catalog) Names(namespace string) []string {
	if namespace == "" {
		return c.names
	}
	from, _ := slices.BinarySearchFunc(c.keys, namespace, func(k Key, ns string) int { return strings.Compare(k.Namespace, ns) })
	names := c.names
	for _, k := range c.keys[from:] {
		if k.Namespace != namespace {
			break
		}
		if c.Entry("", k.Name) == nil && c.LeftOut("", k.Name) == "" {
			names = append(names[:len(names):len(names)], k.Name)
		}
	}
	if len(names) > len(c.names) {
		slices.Sort(names)
	}
	return names
}

// All lists every entry: the cluster's by name, then those of each Namespace.
func (c *Catalog) All() []*Entry {
	all := make([]*Entry, len(c.keys))
	for i, k := range c.keys {
		all[i] = c.entries[k]
	}
	return all
}

// Revision is a hash of all entries: twelve hexadecimal digits.
func (c *Catalog) Revision() string { return c.revision }

//go:embed catalog/*.yaml
var embedded embed.FS

// Builtin gives the embedded entries. They are compiled here and proved by the project's tests, so that a program starts in
// milliseconds.
// Golden: builtin-*.
func Builtin() *Catalog { return builtin() }

var builtin = sync.OnceValue(func() *Catalog {
	files, err := embedded.ReadDir("catalog")
	if err != nil {
		panic("embedded catalog: " + err.Error())
	}
	var entries []*Entry
	for _, f := range files {
		text, err := embedded.ReadFile("catalog/" + f.Name())
		if err != nil {
			panic("embedded catalog: " + err.Error())
		}
		raw, err := sigsyaml.YAMLToJSON(text)
		if err != nil {
			panic("embedded catalog: " + f.Name() + ": " + err.Error())
		}
		e, errs := Parse(raw)
		if len(errs) > 0 {
			panic("embedded catalog: " + f.Name() + ": " + errs.ToAggregate().Error())
		}
		e.Layer = LayerEmbedded
		entries = append(entries, e)
	}
	return NewCatalog(entries...)
})

// Load reads every .yaml file of a directory, in any number of documents, compiles the entries and proves each: its patch
// is applied to fixture Pods at default and boundary values and decoded strictly. The error lists every mistake, one a
// line, as file:line: field: reason.
func Load(fsys fs.FS) (*Catalog, error) {
	docs, errs := read(fsys)
	places := map[Key]*document{}
	for _, d := range docs {
		places[d.key] = d
		if d.unplaced {
			errs = append(errs, d.locate(field.ErrorList{field.Required(field.NewPath("metadata", "namespace"), "a Sidecar is for the Pods of one Namespace")})...)
		}
		if d.entry != nil {
			errs = append(errs, d.locate(d.entry.Prove())...)
		}
	}
	c := NewCatalog(entriesOf(docs, LayerDirectory)...)
	errs = append(errs, c.checkOrder(places)...)
	if len(errs) > 0 {
		return nil, errors.Join(sortedByPlace(errs)...)
	}
	return c, nil
}

func entriesOf(docs []*document, layer Layer) []*Entry {
	var entries []*Entry
	for _, d := range docs {
		if d.entry != nil {
			d.entry.Layer = layer
			entries = append(entries, d.entry)
		}
	}
	return entries
}

// sortedByPlace sorts mistakes by file and line and leaves out what is said twice.
func sortedByPlace(errs []error) []error {
	place := func(err error) (string, int) {
		var l *LoadError
		if errors.As(err, &l) {
			return l.File, l.Line
		}
		return "", 0
	}
	slices.SortStableFunc(errs, func(a, b error) int {
		fileA, lineA := place(a)
		fileB, lineB := place(b)
		return cmp.Or(strings.Compare(fileA, fileB), cmp.Compare(lineA, lineB), strings.Compare(a.Error(), b.Error()))
	})
	return slices.CompactFunc(errs, func(a, b error) bool { return a.Error() == b.Error() })
}

// read compiles the entries of every .yaml and .yml file, in order of file names.
func read(fsys fs.FS) ([]*document, []error) {
	files, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, []error{err}
	}
	var docs []*document
	var errs []error
	for _, f := range files {
		if ext := path.Ext(f.Name()); f.IsDir() || strings.HasPrefix(f.Name(), ".") || ext != ".yaml" && ext != ".yml" {
			continue
		}
		got, bad := readFile(fsys, f.Name())
		errs = append(errs, bad...)
		for _, d := range got {
			if i := slices.IndexFunc(docs, func(o *document) bool { return o.key == d.key }); i >= 0 {
				errs = append(errs, d.locate(field.ErrorList{duplicate(field.NewPath("metadata", "name"), d.key.Name, "is also in "+docs[i].file)})...)
			}
			docs = append(docs, d)
		}
	}
	if len(docs)+len(errs) == 0 {
		errs = append(errs, errors.New("no catalog entry: want .yaml files with kind ClusterSidecar"))
	}
	return docs, errs
}

// checkOrder finds entries that say of one another that they come after.
func (c *Catalog) checkOrder(places map[Key]*document) []error {
	var errs []error
	told := map[*Entry]bool{}
	for _, start := range c.All() {
		cycle := c.cycleFrom(start, start.Namespace, nil, map[*Entry]bool{})
		if cycle == nil || told[cycle[0]] {
			continue
		}
		for _, e := range cycle {
			told[e] = true
		}
		errs = append(errs, places[cycle[0].Key()].locate(field.ErrorList{cycleError(cycle)})...)
	}
	return errs
}

func cycleError(cycle []*Entry) *field.Error {
	var names []string
	for _, e := range append(cycle, cycle[0]) {
		names = append(names, e.Name)
	}
	at := field.NewPath("spec", "order", "after")
	return field.Invalid(at, names[0], "entries wait for one another: "+strings.Join(names, " after "))
}

// cycleFrom gives the first circle on the way from an entry, as a Namespace sees it; done are the entries from which every
// way was gone.
func (c *Catalog) cycleFrom(e *Entry, namespace string, way []*Entry, done map[*Entry]bool) []*Entry {
	if i := slices.Index(way, e); i >= 0 {
		return slices.Clone(way[i:])
	}
	if done[e] {
		return nil
	}
	done[e] = true
	for _, name := range e.Spec.Order.After {
		if next := c.Entry(namespace, name); next != nil {
			if cycle := c.cycleFrom(next, namespace, append(way, e), done); cycle != nil {
				return cycle
			}
		}
	}
	return nil
}
