package main

import (
	"errors"
	"io"
	"time"

	"github.com/spf13/pflag"

	"github.com/pillion-dev/pillion/program"
	"github.com/pillion-dev/pillion/program/serving"
)

// Config is what the flags say.
type Config struct {
	serving.Config
	Catalog      string
	FromCluster  bool
	NodeHelper   bool
	NodePlugin   string
	OwnNamespace string
}

// parseFlags reads the arguments once. ownNamespace is the default of --own-namespace. Usage goes to out.
func parseFlags(args []string, ownNamespace string, out io.Writer) (*Config, error) {
	c := &Config{Config: serving.Defaults("pillion.pillion-system.svc")}
	c.DrainQuiet, c.DrainMax = 5*time.Second, 20*time.Second
	f := pflag.NewFlagSet("pillion-webhook", pflag.ContinueOnError)
	c.Flags(f, "file that names the API server whose Namespaces, and entries with --catalog-from-cluster, are watched (default: the cluster this runs in, if any)")
	f.StringVar(&c.Catalog, "catalog", "", "directory of catalog entries, watched for changes (default: the embedded catalog)")
	f.BoolVar(&c.FromCluster, "catalog-from-cluster", false, "watch the API server's ClusterSidecars, which win over embedded entries of their name, and Sidecars")
	f.BoolVar(&c.NodeHelper, "node-helper", false, "the nodes run pillion-node; without, sidecars that need it are refused, or do with less where their entries say so")
	f.StringVar(&c.NodePlugin, "node-plugin", "", "name of the NRI plugin without which runtimes whose validator is on are to refuse Pods that need it; empty where it is off")
	f.StringVar(&c.OwnNamespace, "own-namespace", ownNamespace, "Namespace whose Pods are left alone (default: environment variable POD_NAMESPACE)")
	c.LastFlags(f)
	if err := program.Parse(f, args, 0, out); err != nil {
		return nil, err
	}
	c.Complete(f)
	if err := c.check(); err != nil {
		return nil, &program.UsageError{Err: err}
	}
	return c, nil
}

// check finds what is wrong with a Config, all of it.
func (c *Config) check() error {
	errs := c.Check()
	if c.NodePlugin != "" && !c.NodeHelper {
		errs = append(errs, errors.New("--node-plugin needs --node-helper"))
	}
	if c.FromCluster && c.Catalog != "" {
		errs = append(errs, errors.New("--catalog and --catalog-from-cluster: choose one"))
	}
	return errors.Join(errs...)
}
