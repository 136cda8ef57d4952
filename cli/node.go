package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// nodeSelector finds the Pods of the node helper, as the chart labels them.
const nodeSelector = "app.kubernetes.io/name=pillion,app.kubernetes.io/component=node"

// inspection is the work of node inspect.
type inspection struct {
	serverFlags
	namespace string
	output    string
	timeout   time.Duration
}

func (a *app) nodeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "node", Short: "Ask the node helper", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(a.nodeInspectCommand())
	return cmd
}

func (a *app) nodeInspectCommand() *cobra.Command {
	var in inspection
	cmd := &cobra.Command{
		Use:   "inspect [NAMESPACE/]POD",
		Short: "Show what there is of a Pod on its node: namespaces, cgroups and rules",
		Long: `Show what there is of a Pod on its node, as the node helper reads it there: which of
its containers share which namespaces, where their cgroups are and what these allow,
which rules its traffic meets and what has passed, and what of it is not as the catalog
asks for.

The helper is asked by running its program in its own Pod, which takes the right to
create pods/exec in Pillion's Namespace.

Exit codes:
  0  it is shown
  1  there is no such Pod, or no helper on its node
  2  wrong usage`,
		Example: `  pillion node inspect shop/web-7d4b9
  pillion node inspect web-7d4b9 -n shop -o svg > web.svg`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return in.run(cmd.Context(), a, args[0]) },
	}
	in.clusterFlags(cmd)
	namespaceFlag(cmd, &in.namespace, "the Pod's Namespace (default: that of the kubeconfig's context)")
	cmd.Flags().StringVarP(&in.output, "output", "o", "text", "text, json or svg")
	cmd.Flags().DurationVar(&in.timeout, "timeout", 30*time.Second, "give up after this time")
	return cmd
}

// podPlace is where a Pod runs.
type podPlace struct {
	Metadata struct{ Namespace, Name string }
	Spec     struct{ NodeName string }
	Status   struct{ Phase string }
}

func (in *inspection) run(ctx context.Context, a *app, name string) error {
	if in.output != "text" && in.output != "json" && in.output != "svg" {
		return usagef("--output %q is not one of text, json, svg", in.output)
	}
	server, err := in.connect(a)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, in.timeout)
	defer cancel()
	namespace := cmp.Or(in.namespace, in.own)
	if before, after, ok := strings.Cut(name, "/"); ok {
		namespace, name = before, after
	}
	pod, err := readPlace(server.Object(ctx, "v1", "pods", namespace, name))
	if err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	if pod.Spec.NodeName == "" {
		return fmt.Errorf("Pod %s/%s is on no node yet", namespace, name) //nolint:staticcheck // Pod is a name
	}
	helper, err := helperOn(ctx, server, pod.Spec.NodeName)
	if err != nil {
		return err
	}
	text, err := server.Exec(ctx, helper.Metadata.Namespace, helper.Metadata.Name, "node", "/pillion-node", "inspect", namespace+"/"+name, "--output="+in.output)
	if err != nil {
		return fmt.Errorf("node %s: %w", pod.Spec.NodeName, err)
	}
	_, err = a.Out.Write(text)
	return err
}

func readPlace(object []byte, err error) (*podPlace, error) {
	if err != nil {
		return nil, err
	}
	p := new(podPlace)
	return p, json.Unmarshal(object, p)
}

// helperOn finds the helper's Pod on a node.
func helperOn(ctx context.Context, server Server, node string) (*podPlace, error) {
	pods, err := server.Objects(ctx, "v1", "pods", "", nodeSelector)
	if err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	for _, object := range pods {
		if p, err := readPlace(object, nil); err == nil && p.Spec.NodeName == node && p.Status.Phase == "Running" {
			return p, nil
		}
	}
	return nil, fmt.Errorf("node %s runs no pillion-node: is the chart's node.enabled on?", node)
}
