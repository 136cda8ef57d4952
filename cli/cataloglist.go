package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/manifest"
	"github.com/pillion-dev/pillion/sidecars"
)

// CatalogSchema is the version of what `pillion catalog list -o json` writes: a CatalogList. Members are only ever added to
// it.
const CatalogSchema = "pillion.dev/catalog/v1"

// CatalogList is what `pillion catalog list -o json` writes.
type CatalogList struct {
	Schema string `json:"schema"`
	// Revision of all entries in force.
	Revision string         `json:"revision"`
	Entries  []*ListedEntry `json:"entries"`
}

// ListedEntry is an entry of the catalog, or one that would be if it were better or another were not.
type ListedEntry struct {
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
	// Layer is embedded, directory, cluster or namespace; Directory is the one that an entry of a directory is from.
	Layer     string `json:"layer"`
	Directory string `json:"directory,omitempty"`
	// State is inForce, overridden or leftOut.
	State string `json:"state"`
	// Reason why the entry is left out.
	Reason string `json:"reason,omitempty"`
	// Revision and Level are absent where the entry is left out.
	Revision    string `json:"revision,omitempty"`
	Level       string `json:"level,omitempty"`
	Description string `json:"description,omitempty"`
}

// The states of an entry.
const (
	// StateInForce: Pods that ask get it.
	StateInForce = "inForce"
	// StateOverridden: another entry of its name wins.
	StateOverridden = "overridden"
	// StateLeftOut: it has mistakes, so Pods that ask are refused.
	StateLeftOut = "leftOut"
)

func (a *app) catalogListCommand() *cobra.Command {
	var c choice
	var output string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the sidecars and where each comes from",
		Long: `List the sidecars: where each comes from, its revision, the Pod Security level that its
parts meet and what it is for. An entry of the cluster overrides a built-in one of its
name, and any of them overrides a Namespace's; with --from-cluster, entries that have
mistakes are listed as left out, with the reason.

-o json and -o yaml write one object with the schema ` + CatalogSchema + `; -o name names the
entries in force as kubectl does.`,
		Example: `  pillion catalog list
  pillion catalog list --catalog ./catalog
  pillion catalog list --from-cluster -n shop`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains([]string{"", "json", "yaml", "name"}, output) {
				return usagef("--output %q is not one of json, yaml, name", output)
			}
			catalog, err := c.load(cmd.Context(), a)
			if err != nil {
				return err
			}
			return a.list(catalog, &c, output)
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "", "json, yaml or name; default: a table")
	return cmd
}

func (a *app) list(catalog *inForce, c *choice, output string) error {
	list := CatalogList{Schema: CatalogSchema, Revision: catalog.Revision(), Entries: catalog.listed(c)}
	switch output {
	case "":
		return a.table(list.Entries)
	case "name":
		for _, e := range list.Entries {
			if e.State == StateInForce {
				fmt.Fprintf(a.Out, "%s.%s/%s\n", strings.ToLower(e.Kind), v1alpha1.Group, e.Name)
			}
		}
		return nil
	}
	text, err := json.Marshal(&list)
	if err == nil {
		text, err = manifest.Marshal(text, manifest.Format(output))
	}
	if err == nil {
		_, err = a.Out.Write(text)
	}
	return err
}

// listed lists what is meant: the entries for all Namespaces by name, then those of each Namespace.
func (f *inForce) listed(c *choice) []*ListedEntry {
	out := []*ListedEntry{}
	for _, e := range f.entries {
		if !c.has(e.Namespace, e.Layer) {
			continue
		}
		l := &ListedEntry{Kind: e.Kind(), Name: e.Name, Namespace: e.Namespace, Layer: string(e.Layer), State: StateInForce,
			Revision: e.Revision, Level: string(e.Level), Description: e.Spec.Description}
		if !f.gives(e) {
			l.State = StateOverridden
		}
		if e.Layer == sidecars.LayerDirectory {
			l.Directory = f.dir
		}
		out = append(out, l)
	}
	for i := range f.out {
		l := &f.out[i]
		if c.has(l.key.Namespace, l.layer()) {
			out = append(out, &ListedEntry{Kind: l.kind, Name: l.key.Name, Namespace: l.key.Namespace, Layer: string(l.layer()), State: StateLeftOut, Reason: l.reason})
		}
	}
	slices.SortStableFunc(out, func(a, b *ListedEntry) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name), overridden(a)-overridden(b))
	})
	return out
}

// overridden sorts what another entry overrides behind it.
func overridden(e *ListedEntry) int {
	if e.State == StateOverridden {
		return 1
	}
	return 0
}

// table writes a line for each entry, the column of Namespaces only where there is one.
func (a *app) table(entries []*ListedEntry) error {
	namespaced := slices.ContainsFunc(entries, func(e *ListedEntry) bool { return e.Namespace != "" })
	w := tabwriter.NewWriter(a.Out, 0, 8, 2, ' ', 0)
	row := func(name, namespace string, rest ...string) {
		if namespaced {
			name += "\t" + namespace
		}
		fmt.Fprintln(w, name+"\t"+strings.Join(rest, "\t"))
	}
	row("NAME", "NAMESPACE", "FROM", "REVISION", "LEVEL", "DESCRIPTION")
	for _, e := range entries {
		says := oneLine(e.Description)
		if e.State == StateLeftOut {
			says = oneLine(e.Reason)
		}
		row(printable(e.Name), printable(e.Namespace), printable(e.from()), cmp.Or(e.Revision, "-"), cmp.Or(e.Level, "-"), says)
	}
	return w.Flush()
}

// from words where an entry is from, and what became of it there.
func (e *ListedEntry) from() string {
	from := fromText(sidecars.Layer(e.Layer), e.Namespace, e.Directory)
	switch e.State {
	case StateOverridden:
		return from + " (overridden)"
	case StateLeftOut:
		return from + " (left out)"
	}
	return from
}

// fromText words a layer.
func fromText(layer sidecars.Layer, namespace, dir string) string {
	switch {
	case layer == sidecars.LayerDirectory && dir != "":
		return "directory " + dir
	case layer == sidecars.LayerNamespace:
		return "namespace " + namespace
	}
	return string(layer)
}
