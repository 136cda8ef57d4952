package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/manifest"
	"github.com/pillion-dev/pillion/sidecars"
)

func (a *app) catalogCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "catalog",
		Short: "Show the catalog of sidecars in force",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	list := &cobra.Command{
		Use:   "list",
		Short: "List the sidecars: name, revision, Pod Security level, description",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			catalog, err := a.catalog()
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(a.Out, 0, 8, 2, ' ', 0)
			fmt.Fprintln(w, "NAME\tREVISION\tLEVEL\tDESCRIPTION")
			for _, name := range catalog.Names("") {
				e := catalog.Entry("", name)
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", name, e.Revision, e.Level, oneLine(e.Spec.Description))
			}
			return w.Flush()
		},
	}
	export := &cobra.Command{
		Use:   "export [SIDECAR]...",
		Short: "Print the entries as YAML, ready for --catalog",
		Long: `Print the entries in force, or those named, as YAML documents: a directory with the output
in a file, changed to your liking, is a catalog for --catalog.`,
		ValidArgsFunction: a.completeSidecars,
		RunE:              func(_ *cobra.Command, args []string) error { return a.export(args) },
	}
	cmd.AddCommand(list, export)
	return cmd
}

func (a *app) export(names []string) error {
	catalog, err := a.catalog()
	if err != nil {
		return err
	}
	if len(names) == 0 {
		names = catalog.Names("")
	}
	var out []byte
	for _, name := range names {
		e, err := entry(catalog, name)
		if err != nil {
			return err
		}
		text, err := json.Marshal(map[string]any{"apiVersion": v1alpha1.GroupVersion, "kind": v1alpha1.KindClusterSidecar,
			"metadata": map[string]any{"name": name}, "spec": e.Spec})
		if err != nil {
			return err
		}
		if text, err = manifest.Marshal(text, manifest.YAML); err != nil {
			return err
		}
		out = append(append(out, "---\n"...), text...)
	}
	_, err = a.Out.Write(out)
	return err
}

// entry gives an entry of the catalog, or an error with the valid names.
func entry(catalog *sidecars.Catalog, name string) (*sidecars.Entry, error) {
	e := catalog.Entry("", name)
	if e == nil {
		return nil, fmt.Errorf("no sidecar %q; the catalog has %s", name, strings.Join(catalog.Names(""), ", "))
	}
	return e, nil
}

func (a *app) completeSidecars(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	catalog, err := a.catalog()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return catalog.Names(""), cobra.ShellCompDirectiveNoFileComp
}

func (a *app) explainSidecarCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "sidecar NAME",
		Short:             "Tell the parameters of a sidecar",
		ValidArgsFunction: a.completeSidecars,
		RunE: func(_ *cobra.Command, args []string) error {
			catalog, err := a.catalog()
			if err != nil {
				return err
			}
			if len(args) != 1 {
				return usagef("name one sidecar: %s", strings.Join(catalog.Names(""), ", "))
			}
			e, err := entry(catalog, args[0])
			if err != nil {
				return err
			}
			a.sidecar(e)
			return nil
		},
	}
}

// sidecar tells of an entry what `kubectl explain` tells of a kind.
func (a *app) sidecar(e *sidecars.Entry) {
	colour := a.coloured()
	head := func(s string) string { return paint(colour, bold, s) }
	fmt.Fprintf(a.Out, "%s  %s\n%s  %s, %s\n\n", head("SIDECAR:"), e.Name, head("REVISION:"), e.Revision, "Pod Security level "+string(e.Level))
	fmt.Fprintf(a.Out, "%s\n%s\n\n%s\n", head("DESCRIPTION:"), wrap(e.Spec.Description, "  "), head("ASK FOR IT BY:"))
	fmt.Fprintf(a.Out, "  %s: %s\n\n%s\n", v1alpha1.AnnotationInject, e.Name, head("PARAMETERS:"))
	for _, name := range slices.Sorted(maps.Keys(e.Spec.Parameters)) {
		p := e.Spec.Parameters[name]
		fmt.Fprintf(a.Out, "  %s%s.%s\t<%s>%s\n", v1alpha1.Prefix, e.Name, head(name), typeText(&p), requiredText(&p))
		if p.Description != "" {
			fmt.Fprintln(a.Out, wrap(p.Description, "    "))
		}
		for _, b := range boundsOf(&p) {
			fmt.Fprintln(a.Out, wrap(b, "    "))
		}
		if p.Items != nil {
			writeFields(a.Out, p.Items)
		}
		fmt.Fprintln(a.Out)
	}
}

func writeFields(w io.Writer, items *v1alpha1.Items) {
	for _, name := range slices.Sorted(maps.Keys(items.Fields)) {
		f := v1alpha1.Parameter{Bounds: items.Fields[name]}
		words := append([]string{f.Description}, boundsOf(&f)...)
		text := fmt.Sprintf("%s <%s>%s %s", name, typeText(&f), requiredText(&f), strings.Join(words, " "))
		fmt.Fprintln(w, wrap(text, "      "))
	}
}

func requiredText(p *v1alpha1.Parameter) string {
	if p.Required {
		return " -required-"
	}
	return ""
}

func typeText(p *v1alpha1.Parameter) string {
	switch {
	case p.Type != v1alpha1.TypeList:
		return string(p.Type)
	case p.Items == nil:
		return "list of string"
	case len(p.Items.Fields) > 0:
		return "list of field=value,...; items separated by semicolons"
	}
	return "list of " + string(p.Items.Type)
}

// boundsOf words the default and the bounds of a parameter.
func boundsOf(p *v1alpha1.Parameter) []string {
	var out []string
	word := func(name, value string) {
		if value != "" {
			out = append(out, name+": "+value)
		}
	}
	if p.Default != nil {
		word("default", p.Default.Text+strings.Join(p.Default.List, ","))
	}
	if p.Example != nil {
		word("example", p.Example.Text+strings.Join(p.Example.List, ","))
	}
	word("one of", strings.Join(p.Enum, ", "))
	word("minimum", p.Minimum)
	word("maximum", p.Maximum)
	word("pattern", p.Pattern)
	word("schemes", strings.Join(p.Schemes, ", "))
	if p.MaxLength > 0 {
		word("at most", fmt.Sprintf("%d bytes", p.MaxLength))
	}
	return out
}

// wrap breaks a text into lines of at most 80 characters with an indent.
func wrap(text, indent string) string {
	const width = 80
	var out strings.Builder
	n := 0
	for _, word := range strings.Fields(text) {
		switch {
		case n == 0:
			out.WriteString(indent)
			n = len(indent)
		case n+1+len(word) > width:
			out.WriteString("\n" + indent)
			n = len(indent)
		default:
			out.WriteByte(' ')
			n++
		}
		out.WriteString(word)
		n += len(word)
	}
	return out.String()
}
