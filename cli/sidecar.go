package cli

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

func (a *app) explainSidecarCommand() *cobra.Command {
	var s serverFlags
	var namespace string
	cmd := &cobra.Command{
		Use:   "sidecar NAME",
		Short: "Tell what a sidecar is, what it adds and which parameters it takes",
		Long: `Tell of a sidecar what kubectl explain tells of a kind: what it is and where it comes from,
what it adds to a Pod, how it gets on with others, and its parameters with their bounds.`,
		Example: `  pillion explain sidecar proxy
  pillion explain sidecar redis -n shop --catalog ./catalog
  pillion explain sidecar log-shipper --from-cluster`,
		ValidArgsFunction: a.completeSidecars,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := s.check(s.fromCluster, "--from-cluster"); err != nil {
				return err
			}
			catalog, err := a.inForce(cmd.Context(), &s, namespace, namespace != "")
			if err != nil {
				return err
			}
			if len(args) != 1 {
				return usagef("name one sidecar: %s", strings.Join(allNames(catalog.Catalog), ", "))
			}
			e, err := entryFor(catalog.Catalog, namespace, args[0])
			if err != nil {
				return err
			}
			t := &sidecarText{Entry: e, out: a.Out, colour: a.coloured()}
			t.write(fromText(e.Layer, e.Namespace, catalog.dir))
			return nil
		},
	}
	s.flags(cmd)
	namespaceFlag(cmd, &namespace, "the Namespace whose Pods would ask")
	return cmd
}

// sidecarText tells of an entry what `kubectl explain` tells of a kind.
type sidecarText struct {
	*sidecars.Entry
	out    io.Writer
	colour bool
}

func (t *sidecarText) line(format string, args ...any) { fmt.Fprintf(t.out, format+"\n", args...) }

func (t *sidecarText) head(s string) string { return paint(t.colour, bold, s) }

func (t *sidecarText) write(from string) {
	t.line("%s  %s", t.head("SIDECAR:"), t.Name)
	t.line("%s  %s, Pod Security level %s", t.head("REVISION:"), t.Revision, t.Level)
	t.line("%s  %s", t.head("FROM:"), printable(from))
	t.line("%s  %s", t.head("FOR:"), t.whom())
	t.line("\n%s\n%s", t.head("DESCRIPTION:"), wrap(printable(t.Spec.Description), "  "))
	t.line("\n%s\n  %s: %s", t.head("ASK FOR IT BY:"), v1alpha1.AnnotationInject, t.Name)
	t.line("\n%s", t.head("ADDS:"))
	for _, what := range additions(t.Spec) {
		t.item(what)
	}
	if order := orders(&t.Spec.Order); len(order) > 0 {
		t.line("\n%s", t.head("ORDER:"))
		for _, what := range order {
			t.item(what)
		}
	}
	if len(t.Spec.Parameters) > 0 {
		t.line("\n%s", t.head("PARAMETERS:"))
	}
	for _, name := range slices.Sorted(maps.Keys(t.Spec.Parameters)) {
		p := t.Spec.Parameters[name]
		t.parameter(name, &p)
	}
}

// item writes a line of a list, its next lines indented further.
func (t *sidecarText) item(text string) {
	t.line("%s", "  "+strings.TrimLeft(wrap(printable(text), "    "), " "))
}

// whom words which Pods may ask.
func (t *sidecarText) whom() string {
	whose := "Pods of all Namespaces"
	if t.Namespace != "" {
		whose = "Pods of Namespace " + t.Namespace
	}
	if t.Spec.NamespaceSelector != nil {
		if labelled := metav1.FormatLabelSelector(t.Spec.NamespaceSelector); labelled != "" && labelled != "<none>" {
			whose += " labelled " + labelled
		}
	}
	if t.Spec.HostNetwork != v1alpha1.HostNetworkAllowed {
		whose += ", not on the host network"
	}
	return printable(whose)
}

func orders(o *v1alpha1.Order) []string {
	var out []string
	if len(o.After) > 0 {
		out = append(out, "comes after "+strings.Join(o.After, ", ")+" where a Pod asks for them too")
	}
	if len(o.ConflictsWith) > 0 {
		out = append(out, "cannot be on a Pod with "+strings.Join(o.ConflictsWith, ", "))
	}
	return out
}

// additions words what a Pod gets, with the holes as they are written.
func additions(s *v1alpha1.SidecarSpec) []string {
	var out []string
	for i := range s.Containers {
		c := &s.Containers[i]
		role := "native sidecar"
		if c.Placement == v1alpha1.PlacementRegular {
			role = "container"
		}
		out = append(out, fmt.Sprintf("%s %s, image %s, %s%s", role, c.Name, imageOf(c), placementText(cmp.Or(string(c.Placement), string(v1alpha1.PlacementBeforeInit))), whenText(c.When)))
	}
	for i := range s.InitContainers {
		c := &s.InitContainers[i]
		out = append(out, fmt.Sprintf("init container %s, image %s%s", c.Name, imageOf(c), whenText(c.When)))
	}
	for i := range s.Volumes {
		out = append(out, volumeText(&s.Volumes[i]))
	}
	for _, f := range s.Files {
		out = append(out, fmt.Sprintf("file %s (%s) in its own containers%s", f.MountPath, f.Format, whenText(f.When)))
	}
	for _, e := range s.AppEnv {
		out = append(out, fmt.Sprintf("env %s=%s in app containers%s%s", e.Name, e.Value, amongText(e.Containers), whenText(e.When)))
	}
	return append(out, podAdditions(s)...)
}

// podAdditions words what changes for the Pod as a whole.
func podAdditions(s *v1alpha1.SidecarSpec) []string {
	var out []string
	add := func(is bool, text string) {
		if is {
			out = append(out, text)
		}
	}
	add(s.FlushSeconds > 0, fmt.Sprintf("%d s of grace period", s.FlushSeconds))
	add(s.ShareProcessNamespace, "one process namespace for all containers")
	add(s.RunAsUserOf != "", "runs as the user of container "+s.RunAsUserOf)
	add(s.ServiceAccountToken, "sees the Pod's service-account token")
	return out
}
