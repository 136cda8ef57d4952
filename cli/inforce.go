package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// inForce is a catalog, and what a list of it tells beside the entries that Pods get.
type inForce struct {
	*sidecars.Catalog
	// dir is --catalog; empty where the lowest layer is embedded.
	dir string
	// entries are all that are good, lowest layer first: some give way to others.
	entries []*sidecars.Entry
	// out are those that cannot be used.
	out []leftOut
}

// leftOut is an entry of the cluster that has mistakes.
type leftOut struct {
	key    sidecars.Key
	kind   string
	reason string
}

// String gives clustersidecar/name or sidecar/namespace/name.
func (l *leftOut) String() string { return strings.ToLower(l.kind) + "/" + l.key.String() }

// layer that the entry would be of.
func (l *leftOut) layer() sidecars.Layer {
	if l.key.Namespace != "" {
		return sidecars.LayerNamespace
	}
	return sidecars.LayerCluster
}

// catalog loads the catalog that needs no cluster.
func (a *app) catalog() (*sidecars.Catalog, error) {
	switch {
	case a.catalogDir == "" && a.Catalog != nil:
		return a.Catalog, nil
	case a.catalogDir == "":
		return sidecars.Builtin(), nil
	}
	if err := a.checkCatalogDir(); err != nil {
		return nil, err
	}
	catalog, err := sidecars.Load(os.DirFS(a.catalogDir))
	if err != nil {
		return nil, fmt.Errorf("catalog %s:\n%w", a.catalogDir, err)
	}
	return catalog, nil
}

func (a *app) checkCatalogDir() error {
	info, err := os.Stat(a.catalogDir)
	switch {
	case err != nil:
		return fmt.Errorf("--catalog %w", unwrapPath(err))
	case !info.IsDir():
		return usagef("--catalog %s: want a directory of .yaml files", a.catalogDir)
	}
	return nil
}

// inForce gives the catalog in force: that of --catalog or else the embedded one and, where it is to come from the cluster,
// the entries there over it. Where only the Pods of one Namespace matter, no other's entries are read.
func (a *app) inForce(ctx context.Context, s *serverFlags, namespace string, only bool) (*inForce, error) {
	base, err := a.catalog()
	if err != nil {
		return nil, err
	}
	f := &inForce{Catalog: base, dir: a.catalogDir, entries: base.All()}
	if !s.fromCluster {
		return f, nil
	}
	objects, err := s.entries(ctx, a, namespace, only)
	if err != nil {
		return nil, err
	}
	return f, f.over(objects)
}

// tellLeftOut tells of the entries that cannot be used.
func (f *inForce) tellLeftOut(a *app) {
	for i := range f.out {
		a.note("%s is left out: %s", f.out[i].String(), f.out[i].reason)
	}
}

// over lays objects of the cluster over the catalog, as the webhook does: each is proved, and a bad one is left out alone.
func (f *inForce) over(objects [][]byte) error {
	hidden := map[sidecars.Key]string{}
	for _, raw := range objects {
		e, errs := sidecars.Parse(raw)
		if e != nil {
			errs = e.Prove()
		}
		if e != nil && len(errs) == 0 {
			f.entries = append(f.entries, e)
			continue
		}
		l, err := newLeftOut(raw, errs)
		if err != nil {
			return err
		}
		f.out = append(f.out, l)
		hidden[l.key] = l.reason
	}
	slices.SortStableFunc(f.out, func(a, b leftOut) int {
		return cmp.Or(strings.Compare(a.key.Namespace, b.key.Namespace), strings.Compare(a.key.Name, b.key.Name))
	})
	f.Catalog = sidecars.Assemble(f.entries, hidden)
	return nil
}

func newLeftOut(raw []byte, errs field.ErrorList) (leftOut, error) {
	var o struct {
		Kind     string
		Metadata struct{ Name, Namespace string }
	}
	if err := json.Unmarshal(raw, &o); err != nil {
		return leftOut{}, fmt.Errorf("cluster: %w", err)
	}
	var reasons []string
	for _, e := range errs {
		reasons = append(reasons, e.Error())
	}
	return leftOut{sidecars.Key{Namespace: o.Metadata.Namespace, Name: o.Metadata.Name}, o.Kind, strings.Join(reasons, "; ")}, nil
}

// gives reports whether Pods get the entry, and not another of its name.
func (f *inForce) gives(e *sidecars.Entry) bool { return f.Entry(e.Namespace, e.Name) == e }

// named lists the entries of a name that Pods get, of all Namespaces.
func named(catalog *sidecars.Catalog, name string) []*sidecars.Entry {
	if e := catalog.Entry("", name); e != nil || catalog.LeftOut("", name) != "" {
		return slices.DeleteFunc([]*sidecars.Entry{e}, func(e *sidecars.Entry) bool { return e == nil })
	}
	return slices.DeleteFunc(catalog.All(), func(e *sidecars.Entry) bool { return e.Name != name })
}

// unknown words that no Pod can ask for a name: the words given and the valid names, or why the entry is left out.
func unknown(catalog *sidecars.Catalog, name, what string) string {
	if why := catalog.LeftOut("", name); why != "" {
		return "it cannot be used: " + why
	}
	return what + "; the catalog has " + strings.Join(allNames(catalog), ", ")
}

// allNames lists the names that some Pod may ask for, sorted.
func allNames(catalog *sidecars.Catalog) []string {
	names := slices.Clone(catalog.Names(""))
	for _, e := range catalog.All() {
		if e.Namespace != "" && catalog.LeftOut("", e.Name) == "" {
			names = append(names, e.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// entryFor gives the entry that Pods of a Namespace get by that name, where none is given the one that all or that only one
// Namespace's get. The error has the valid names.
func entryFor(catalog *sidecars.Catalog, namespace, name string) (*sidecars.Entry, error) {
	if e := catalog.Entry(namespace, name); e != nil {
		return e, nil
	}
	if why := catalog.LeftOut(namespace, name); why != "" {
		return nil, fmt.Errorf("sidecar %s cannot be used: %s", name, why)
	}
	if namespace != "" {
		return nil, fmt.Errorf("no sidecar %q for Namespace %s; it has %s", name, namespace, strings.Join(catalog.Names(namespace), ", "))
	}
	switch found := named(catalog, name); len(found) {
	case 0:
		return nil, errors.New(unknown(catalog, name, fmt.Sprintf("no sidecar %q", name)))
	case 1:
		return found[0], nil
	default:
		var of []string
		for _, e := range found {
			of = append(of, e.Namespace)
		}
		return nil, usagef("sidecar %s is one of several Namespaces: say which by -n: %s", name, strings.Join(of, ", "))
	}
}

// document gives an entry as it is written: as a ClusterSidecar or, of a Namespace, as a Sidecar.
func documentOf(e *sidecars.Entry) ([]byte, error) {
	meta := map[string]any{"name": e.Name}
	if e.Namespace != "" {
		meta["namespace"] = e.Namespace
	}
	return json.Marshal(map[string]any{"apiVersion": v1alpha1.GroupVersion, "kind": e.Kind(), "metadata": meta, "spec": e.Spec})
}
