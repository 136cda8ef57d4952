package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/spf13/pflag"
)

// Config is what the flags say.
type Config struct {
	ListenAddress           string
	MetricsAddress          string
	TLSDir                  string
	SelfSigned              bool
	DNSNames                []string
	Kubeconfig              string
	LeaderElect             bool
	LeaderElectionNamespace string
	DryRunNamespace         string
	OwnNamespace            string
	AuditInterval           time.Duration
	NodeHelper              bool
	NodeProfiles            string
	Certificates            CertificateConfig
	DrainQuiet              time.Duration
	DrainMax                time.Duration
	LogLevel                string
	Version                 bool
}

// parseFlags reads the arguments once. ownNamespace is the default of --leader-election-namespace and
// --dry-run-namespace. Usage and errors go to out.
func parseFlags(args []string, ownNamespace string, out io.Writer) (*Config, error) {
	c := new(Config)
	f := pflag.NewFlagSet("pillion-controller", pflag.ContinueOnError)
	f.SetOutput(out)
	f.SortFlags = false
	f.StringVar(&c.ListenAddress, "listen-address", ":10250", "address of the admission port (HTTPS); port 0 takes any free one")
	f.StringVar(&c.MetricsAddress, "metrics-address", ":8080", "address of /healthz, /readyz and /metrics (plain HTTP)")
	f.StringVar(&c.TLSDir, "tls-dir", "", "directory of tls.crt, tls.key and perhaps ca.crt, watched for new ones")
	f.BoolVar(&c.SelfSigned, "self-signed", false, "make a certificate, valid for a year, and print its CA to standard output; for demos and tests; the default without --tls-dir")
	f.StringSliceVar(&c.DNSNames, "dns-names", []string{"localhost", "127.0.0.1", "pillion-controller.pillion-system.svc"}, "DNS names and IP addresses of the self-signed certificate")
	f.StringVar(&c.Kubeconfig, "kubeconfig", "", "file that names the API server (default: the cluster this runs in)")
	f.BoolVar(&c.LeaderElect, "leader-elect", true, "only the replica that holds the Lease writes status; all validate")
	f.StringVar(&c.LeaderElectionNamespace, "leader-election-namespace", ownNamespace, "Namespace of the Lease (default: environment variable POD_NAMESPACE)")
	f.StringVar(&c.DryRunNamespace, "dry-run-namespace", ownNamespace, "Namespace in which Pods with ClusterSidecars are tried by dry run, those with Sidecars in their own; empty tries none (default: environment variable POD_NAMESPACE)")
	c.OwnNamespace = ownNamespace
	f.BoolVar(&c.NodeHelper, "node-helper", false, "the nodes run pillion-node, as the webhook is told")
	f.StringVar(&c.NodeProfiles, "node-profiles", "", "name of the ConfigMap in the controller's own Namespace from which nodes know what entries ask of pillion-node; empty writes none")
	f.DurationVar(&c.AuditInterval, "audit-interval", 30*time.Second, "how often Pods are sought that ask for sidecars and run without any; 0 never seeks")
	c.Certificates.flags(f)
	f.DurationVar(&c.DrainQuiet, "drain-quiet", time.Second, "once told to stop, stop after this time without a request")
	f.DurationVar(&c.DrainMax, "drain-max", 10*time.Second, "once told to stop, stop after this time at the latest; the Pod's grace period needs ten seconds more")
	f.StringVar(&c.LogLevel, "log-level", "info", "debug, info, warn or error")
	f.BoolVar(&c.Version, "version", false, "print the version and exit")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	c.SelfSigned = c.SelfSigned || c.TLSDir == "" && !f.Changed("self-signed")
	if c.Version {
		return c, nil
	}
	return c, c.check()
}

// check finds what is wrong with a Config, all of it.
func (c *Config) check() error {
	var errs []error
	for _, a := range []struct{ flag, address string }{{"listen-address", c.ListenAddress}, {"metrics-address", c.MetricsAddress}} {
		if _, _, err := net.SplitHostPort(a.address); err != nil {
			errs = append(errs, fmt.Errorf("--%s: want host:port: %w", a.flag, err))
		}
	}
	switch {
	case c.SelfSigned && c.TLSDir != "":
		errs = append(errs, errors.New("--self-signed and --tls-dir: choose one"))
	case !c.SelfSigned && c.TLSDir == "":
		errs = append(errs, errors.New("--self-signed=false needs --tls-dir"))
	case c.SelfSigned && len(c.DNSNames) == 0:
		errs = append(errs, errors.New("--dns-names: want at least one name"))
	}
	if c.LeaderElect && c.LeaderElectionNamespace == "" {
		errs = append(errs, errors.New("--leader-elect needs --leader-election-namespace"))
	}
	errs = append(errs, c.checkTimes()...)
	errs = append(errs, c.Certificates.check(c)...)
	if _, err := c.level(); err != nil {
		errs = append(errs, fmt.Errorf("--log-level: want debug, info, warn or error, got %q", c.LogLevel))
	}
	return errors.Join(errs...)
}

func (c *Config) checkTimes() (errs []error) {
	if c.NodeProfiles != "" && (!c.NodeHelper || c.OwnNamespace == "") {
		errs = append(errs, errors.New("--node-profiles needs --node-helper, and the environment variable POD_NAMESPACE"))
	}
	if c.AuditInterval < 0 || c.AuditInterval > 0 && c.AuditInterval < time.Second {
		errs = append(errs, fmt.Errorf("--audit-interval %s: want 0, or at least 1s", c.AuditInterval))
	}
	if c.DrainQuiet <= 0 || c.DrainMax < c.DrainQuiet {
		errs = append(errs, fmt.Errorf("--drain-quiet %s, --drain-max %s: want 0 < quiet <= max", c.DrainQuiet, c.DrainMax))
	}
	return errs
}

func (c *Config) level() (level slog.Level, err error) {
	err = level.UnmarshalText([]byte(c.LogLevel))
	return level, err
}

// names splits the names of the self-signed certificate into DNS names and addresses.
func (c *Config) names() (dns []string, ips []net.IP) {
	for _, n := range c.DNSNames {
		if ip := net.ParseIP(n); ip != nil {
			ips = append(ips, ip)
			continue
		}
		dns = append(dns, n)
	}
	return dns, ips
}
