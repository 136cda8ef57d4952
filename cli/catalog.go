package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

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
	cmd.AddCommand(a.catalogListCommand(), a.catalogExportCommand())
	return cmd
}

// choice says which entries of the catalog are meant.
type choice struct {
	serverFlags
	namespace string
	layers    []string
}

func (c *choice) flags(cmd *cobra.Command) {
	c.serverFlags.flags(cmd)
	namespaceFlag(cmd, &c.namespace, "only what Pods of this Namespace may ask for")
	cmd.Flags().StringSliceVar(&c.layers, "layer", nil, "only entries of these layers: "+strings.Join(layers, ", "))
}

// layers are those that --layer takes, the lowest first.
var layers = []string{string(sidecars.LayerEmbedded), string(sidecars.LayerDirectory), string(sidecars.LayerCluster), string(sidecars.LayerNamespace)}

// load gives the catalog that the flags mean.
func (c *choice) load(ctx context.Context, a *app) (*inForce, error) {
	if err := c.check(c.fromCluster, "--from-cluster"); err != nil {
		return nil, err
	}
	for _, l := range c.layers {
		if !slices.Contains(layers, l) {
			return nil, usagef("--layer %q is not one of %s", l, strings.Join(layers, ", "))
		}
	}
	return a.inForce(ctx, &c.serverFlags, c.namespace, c.namespace != "")
}

// has reports whether an entry of that Namespace and layer is meant.
func (c *choice) has(namespace string, layer sidecars.Layer) bool {
	return (namespace == "" || c.namespace == "" || namespace == c.namespace) &&
		(len(c.layers) == 0 || slices.Contains(c.layers, string(layer)))
}

func (a *app) catalogExportCommand() *cobra.Command {
	var c choice
	cmd := &cobra.Command{
		Use:   "export [SIDECAR]...",
		Short: "Print the entries as YAML, ready for --catalog or kubectl apply",
		Long: `Print the entries in force, or those named, as YAML documents, each with its kind and
Namespace: a directory with the output in a file, changed to your liking, is a catalog for
--catalog, and the same file is one for kubectl apply.`,
		Example: `  pillion catalog export proxy > catalog/proxy.yaml
  pillion catalog export --from-cluster --layer cluster,namespace > catalog/all.yaml
  pillion catalog export --from-cluster -n shop`,
		ValidArgsFunction: a.completeSidecars,
		RunE: func(cmd *cobra.Command, args []string) error {
			catalog, err := c.load(cmd.Context(), a)
			if err != nil {
				return err
			}
			catalog.tellLeftOut(a)
			entries, err := c.entries(catalog, args)
			if err != nil {
				return err
			}
			return a.export(entries)
		},
	}
	c.flags(cmd)
	return cmd
}

// entries gives the entries in force that are meant: all, or those named, in the order in which they are named.
func (c *choice) entries(catalog *inForce, names []string) ([]*sidecars.Entry, error) {
	all := slices.DeleteFunc(catalog.All(), func(e *sidecars.Entry) bool { return !catalog.gives(e) || !c.has(e.Namespace, e.Layer) })
	if len(names) == 0 {
		return all, nil
	}
	var out []*sidecars.Entry
	for _, name := range names {
		n := len(out)
		for _, e := range all {
			if e.Name == name {
				out = append(out, e)
			}
		}
		if len(out) > n {
			continue
		}
		e, err := entryFor(catalog.Catalog, c.namespace, name)
		if err != nil {
			return nil, err
		}
		return nil, usagef("sidecar %s is of layer %s", name, e.Layer)
	}
	return out, nil
}

func (a *app) export(entries []*sidecars.Entry) error {
	var out []byte
	for _, e := range entries {
		text, err := documentOf(e)
		if err != nil {
			return err
		}
		if text, err = manifest.Marshal(text, manifest.YAML); err != nil {
			return err
		}
		out = append(append(out, "---\n"...), text...)
	}
	_, err := a.Out.Write(out)
	return err
}

// completeSidecars offers names for the shell; it asks no cluster.
func (a *app) completeSidecars(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	catalog, err := a.catalog()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return allNames(catalog), cobra.ShellCompDirectiveNoFileComp
}
