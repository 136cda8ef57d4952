package sidecars

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
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
	entries, err := read(sub)
	if err != nil {
		panic("embedded catalog: " + err.Error())
	}
	return NewCatalog(entries...)
}

// Load reads every .yaml file of a directory, in any number of documents, compiles the entries and proves each: its patch
// is applied to fixture Pods at default and boundary values and decoded strictly. The error lists every mistake, one a
// line, as file:line: field: reason.
func Load(fsys fs.FS) (*Catalog, error) {
	entries, err := read(fsys)
	if err != nil {
		return nil, err
	}
	c := NewCatalog(entries...)
	var errs []error
	for _, e := range entries {
		for _, bad := range e.Prove(c) {
			errs = append(errs, &LoadError{File: e.Name, Err: bad})
		}
	}
	errs = append(errs, c.checkOrder()...)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return c, nil
}

// read compiles the entries of every .yaml and .yml file, in order of file names.
func read(fsys fs.FS) ([]*Entry, error) {
	files, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, err
	}
	var entries []*Entry
	var errs []error
	first := map[string]string{}
	for _, f := range files {
		if ext := path.Ext(f.Name()); f.IsDir() || strings.HasPrefix(f.Name(), ".") || ext != ".yaml" && ext != ".yml" {
			continue
		}
		text, err := fs.ReadFile(fsys, f.Name())
		if err != nil {
			errs = append(errs, err)
			continue
		}
		got, bad := readFile(f.Name(), text)
		errs = append(errs, bad...)
		for _, e := range got {
			if other, twice := first[e.Name]; twice {
				errs = append(errs, &LoadError{File: f.Name(), Err: errors.New("metadata.name: entry " + e.Name + " is also in " + other)})
			}
			first[e.Name] = f.Name()
			entries = append(entries, e)
		}
	}
	if len(entries)+len(errs) == 0 {
		errs = append(errs, errors.New("no catalog entry: want .yaml files with kind ClusterSidecar"))
	}
	return entries, errors.Join(errs...)
}

// checkOrder finds entries that say of one another that they come after.
func (c *Catalog) checkOrder() []error {
	var errs []error
	for _, start := range c.names {
		if cycle := c.cycleFrom(start, nil); cycle != nil && slices.Min(cycle) == start {
			errs = append(errs, &LoadError{File: start, Err: errors.New("spec.order.after: entries wait for one another: " + strings.Join(append(cycle, start), " after "))})
		}
	}
	return errs
}

func (c *Catalog) cycleFrom(name string, seen []string) []string {
	if i := slices.Index(seen, name); i >= 0 {
		return slices.Clone(seen[i:])
	}
	e := c.entries[name]
	if e == nil {
		return nil
	}
	for _, next := range e.Spec.Order.After {
		if cycle := c.cycleFrom(next, append(seen, name)); cycle != nil && cycle[0] == seenFirst(seen, name) {
			return cycle
		}
	}
	return nil
}

func seenFirst(seen []string, name string) string {
	if len(seen) > 0 {
		return seen[0]
	}
	return name
}
