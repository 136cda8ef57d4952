package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/pillion-dev/pillion/doctor"
	"github.com/pillion-dev/pillion/sidecars"
)

// Server is what the commands ask of an API server, where a flag says so. Its errors are those of package apierrors.
type Server interface {
	// Entries gives the ClusterSidecars, then the Sidecars of a Namespace, or of all where it is empty: each as JSON.
	Entries(ctx context.Context, namespace string) ([][]byte, error)
	// Namespace gives a Namespace as JSON.
	Namespace(ctx context.Context, name string) ([]byte, error)
	// DryRun has a Pod, as JSON, taken up to the point where it would be stored.
	DryRun(ctx context.Context, namespace string, pod []byte) (warnings []string, err error)
	// Admitted gives such a Pod as it would be stored.
	Admitted(ctx context.Context, namespace string, pod []byte) ([]byte, error)
	// Object gives an object, and Objects those of a Namespace that a label selector selects, each as JSON.
	Object(ctx context.Context, apiVersion, plural, namespace, name string) ([]byte, error)
	Objects(ctx context.Context, apiVersion, plural, namespace, selector string) ([][]byte, error)
	// Exec runs a program in a container of a Pod and gives what it printed.
	Exec(ctx context.Context, namespace, pod, container string, command ...string) ([]byte, error)
	// Snapshot reads what doctor judges, of the given kinds; Pillion is in the Namespace, or wherever it is found. Each
	// request may take so long.
	Snapshot(ctx context.Context, kinds []doctor.Kind, namespace string, each time.Duration) (*doctor.Snapshot, error)
}

// Connect finds the API server of a kubeconfig's context, and the context's Namespace; empty names stand for the usual ones.
type Connect func(kubeconfig, context string) (server Server, namespace string, err error)

// serverFlags say which API server is asked, if any.
type serverFlags struct {
	fromCluster bool
	kubeconfig  string
	context     string

	// set are the flags as they were given; open is the server once it is connected, own the context's Namespace.
	set  *pflag.FlagSet
	open Server
	own  string
}

func (s *serverFlags) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&s.fromCluster, "from-cluster", false, "the catalog in force in a cluster: the entries there over those of --catalog or the built-in ones")
	s.clusterFlags(cmd)
}

// clusterFlags say which cluster is meant.
func (s *serverFlags) clusterFlags(cmd *cobra.Command) {
	s.set = cmd.Flags()
	s.set.StringVar(&s.kubeconfig, "kubeconfig", "", "file that names the cluster (default: $KUBECONFIG, or ~/.kube/config)")
	s.set.StringVar(&s.context, "context", "", "context of the kubeconfig (default: its current one)")
}

// check finds flags that do nothing without others.
func (s *serverFlags) check(asks bool, by string) error {
	for _, name := range []string{"kubeconfig", "context"} {
		if f := s.set.Lookup(name); f.Changed && !asks {
			return usagef("--%s is for %s", name, by)
		}
	}
	return nil
}

// connect gives the server; it is asked nothing yet.
func (s *serverFlags) connect(a *app) (Server, error) {
	if s.open != nil {
		return s.open, nil
	}
	if a.Connect == nil {
		return nil, usagef("this program has no way to a cluster")
	}
	var err error
	s.open, s.own, err = a.Connect(s.kubeconfig, s.context)
	if err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	return s.open, nil
}

// namespaceFlag is -n of commands that read no objects.
func namespaceFlag(cmd *cobra.Command, namespace *string, usage string) {
	cmd.Flags().StringVarP(namespace, "namespace", "n", "", usage)
}

// entries reads what is stored: for the Pods of one Namespace where only those matter, or else of all, as far as the user may.
// Who may not list the Sidecars of all Namespaces gets those of one, and is told.
func (s *serverFlags) entries(ctx context.Context, a *app, namespace string, only bool) ([][]byte, error) {
	server, err := s.connect(a)
	if err != nil {
		return nil, err
	}
	of := ""
	if only {
		of = namespace
	}
	all, err := server.Entries(ctx, of)
	if err == nil {
		return all, nil
	}
	if apierrors.IsForbidden(err) && !only {
		if some, without := server.Entries(ctx, cmp.Or(namespace, s.own)); without == nil {
			a.note("only the Sidecars of Namespace %s can be read: %v", cmp.Or(namespace, s.own), err)
			return some, nil
		}
	}
	return nil, fmt.Errorf("cluster: %w", err)
}

// note tells on standard error what is worth knowing beside the output.
func (a *app) note(format string, args ...any) {
	fmt.Fprintf(a.Err, "warning: %s\n", printable(fmt.Sprintf(format, args...)))
}

// lookUp gives what the cluster says of a Namespace; nil where it says nothing. What cannot be read is told.
func (s *serverFlags) lookUp(ctx context.Context, a *app, name string) *sidecars.Namespace {
	text, err := s.open.Namespace(ctx, name)
	var ns struct {
		Metadata struct{ Labels, Annotations map[string]string }
	}
	if err == nil {
		err = json.Unmarshal(text, &ns)
	}
	if err != nil {
		if !apierrors.IsNotFound(err) {
			a.note("Namespace %s cannot be read, so its labels and annotations do not count: %v", name, err)
		}
		return nil
	}
	return &sidecars.Namespace{Name: name, Labels: ns.Metadata.Labels, Annotations: ns.Metadata.Annotations}
}
