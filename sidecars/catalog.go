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

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Catalog is an immutable set of compiled entries.
type Catalog struct {
	entries  map[string]*Entry
	names    []string
	revision string
}

// NewCatalog makes a catalog of entries; of two with one name the later wins.
func NewCatalog(entries ...*Entry) *Catalog {
	c := &Catalog{entries: make(map[string]*Entry, len(entries))}
	for _, e := range entries {
		c.entries[e.Name] = e
	}
	c.names = slices.Sorted(maps.Keys(c.entries))
	sum := sha256.New()
	for _, n := range c.names {
		sum.Write([]byte(n + c.entries[n].Revision))
	}
	c.revision = hex.EncodeToString(sum.Sum(nil)[:6])
	return c
}

// Entry gives the entry of that name, or nil.
func (c *Catalog) Entry(name string) *Entry { return c.entries[name] }

// Names lists the entries, sorted. The caller must not change it.
func (c *Catalog) Names() []string { return c.names }

// Revision is a hash of all entries: twelve hexadecimal digits.
func (c *Catalog) Revision() string { return c.revision }

//go:embed catalog/*.yaml
var embedded embed.FS

// Builtin gives the embedded entries. They are compiled here and proved by the project's tests.
// Golden: builtin-*.
func Builtin() *Catalog {
	sub, err := fs.Sub(embedded, "catalog")
	if err != nil {
		panic("embedded catalog: " + err.Error())
	}
	docs, errs := read(sub)
	if len(errs) > 0 {
		panic("embedded catalog: " + errors.Join(errs...).Error())
	}
	return NewCatalog(entriesOf(docs)...)
}

// Load reads every .yaml file of a directory, in any number of documents, compiles the entries and proves each: its patch
// is applied to fixture Pods at default and boundary values and decoded strictly. The error lists every mistake, one a
// line, as file:line: field: reason.
func Load(fsys fs.FS) (*Catalog, error) {
	docs, errs := read(fsys)
	places := map[string]*document{}
	for _, d := range docs {
		places[d.name] = d
		if d.entry != nil {
			errs = append(errs, d.locate(d.entry.Prove(nil))...)
		}
	}
	c := NewCatalog(entriesOf(docs)...)
	errs = append(errs, c.checkOrder(places)...)
	if len(errs) > 0 {
		return nil, errors.Join(sortedByPlace(errs)...)
	}
	return c, nil
}

func entriesOf(docs []*document) []*Entry {
	var entries []*Entry
	for _, d := range docs {
		if d.entry != nil {
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
			if i := slices.IndexFunc(docs, func(o *document) bool { return o.name == d.name }); i >= 0 {
				errs = append(errs, d.locate(field.ErrorList{duplicate(field.NewPath("metadata", "name"), d.name, "is also in "+docs[i].file)})...)
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
func (c *Catalog) checkOrder(places map[string]*document) []error {
	var errs []error
	done := map[string]bool{}
	for _, start := range c.names {
		if cycle := c.cycleFrom(start, nil, done); cycle != nil {
			at := field.NewPath("spec", "order", "after")
			why := "entries wait for one another: " + strings.Join(append(cycle, cycle[0]), " after ")
			errs = append(errs, places[cycle[0]].locate(field.ErrorList{field.Invalid(at, cycle[0], why)})...)
		}
	}
	return errs
}

// cycleFrom gives the first circle on the way from an entry; done are those from which every way was gone.
func (c *Catalog) cycleFrom(name string, way []string, done map[string]bool) []string {
	if i := slices.Index(way, name); i >= 0 {
		return slices.Clone(way[i:])
	}
	e := c.entries[name]
	if e == nil || done[name] {
		return nil
	}
	for _, next := range e.Spec.Order.After {
		if cycle := c.cycleFrom(next, append(way, name), done); cycle != nil {
			done[name] = true
			return cycle
		}
	}
	done[name] = true
	return nil
}
