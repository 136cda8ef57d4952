package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/pflag"

	"github.com/pillion-dev/pillion/program"
	"github.com/pillion-dev/pillion/program/serving"
)

// Config is what the flags say.
type Config struct {
	serving.Config
	LeaderElect             bool
	LeaderElectionNamespace string
	DryRunNamespace         string
	OwnNamespace            string
	AuditInterval           time.Duration
	NodeHelper              bool
	NodeProfiles            string
	Certificates            CertificateConfig
}

// parseFlags reads the arguments once. ownNamespace is the default of --leader-election-namespace and
// --dry-run-namespace. Usage goes to out.
func parseFlags(args []string, ownNamespace string, out io.Writer) (*Config, error) {
	c := &Config{Config: serving.Defaults("pillion-controller.pillion-system.svc"), OwnNamespace: ownNamespace}
	c.DrainQuiet, c.DrainMax = time.Second, 10*time.Second
	f := pflag.NewFlagSet("pillion-controller", pflag.ContinueOnError)
	c.Flags(f, "file that names the API server (default: the cluster this runs in)")
	f.BoolVar(&c.LeaderElect, "leader-elect", true, "only the replica that holds the Lease writes status; all validate")
	f.StringVar(&c.LeaderElectionNamespace, "leader-election-namespace", ownNamespace, "Namespace of the Lease (default: environment variable POD_NAMESPACE)")
	f.StringVar(&c.DryRunNamespace, "dry-run-namespace", ownNamespace, "Namespace in which Pods with ClusterSidecars are tried by dry run, those with Sidecars in their own; empty tries none (default: environment variable POD_NAMESPACE)")
	f.BoolVar(&c.NodeHelper, "node-helper", false, "the nodes run pillion-node, as the webhook is told")
	f.StringVar(&c.NodeProfiles, "node-profiles", "", "name of the ConfigMap in the controller's own Namespace from which nodes know what entries ask of pillion-node; empty writes none")
	f.DurationVar(&c.AuditInterval, "audit-interval", 30*time.Second, "how often Pods are sought that ask for sidecars and run without any; 0 never seeks")
	c.Certificates.flags(f)
	c.LastFlags(f)
	if err := program.Parse(f, args, 0, out); err != nil {
		return nil, err
	}
	c.Complete(f)
	if c.Version {
		return c, nil
	}
	if err := c.check(); err != nil {
		return nil, &program.UsageError{Err: err}
	}
	return c, nil
}

// check finds what is wrong with a Config, all of it.
func (c *Config) check() error {
	errs := c.Check()
	if c.LeaderElect && c.LeaderElectionNamespace == "" {
		errs = append(errs, errors.New("--leader-elect needs --leader-election-namespace"))
	}
	if c.NodeProfiles != "" && (!c.NodeHelper || c.OwnNamespace == "") {
		errs = append(errs, errors.New("--node-profiles needs --node-helper, and the environment variable POD_NAMESPACE"))
	}
	if c.AuditInterval < 0 || c.AuditInterval > 0 && c.AuditInterval < time.Second {
		errs = append(errs, fmt.Errorf("--audit-interval %s: want 0, or at least 1s", c.AuditInterval))
	}
	return errors.Join(append(errs, c.Certificates.check(c)...)...)
}
