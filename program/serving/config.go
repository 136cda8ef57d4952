// Package serving is what the programs have in common that answer an API server over TLS: the webhook and the controller.
package serving

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/spf13/pflag"

	"github.com/pillion-dev/pillion/program"
)

// Config is what their flags say. What it holds when the flags are defined are their defaults.
type Config struct {
	ListenAddress  string
	MetricsAddress string
	TLSDir         string
	SelfSigned     bool
	DNSNames       []string
	Kubeconfig     string
	DrainQuiet     time.Duration
	DrainMax       time.Duration
	LogLevel       string
	Version        bool
}

// Defaults are those of a program behind a Service of that DNS name.
func Defaults(service string) Config {
	return Config{ListenAddress: ":10250", MetricsAddress: ":8080", DNSNames: []string{"localhost", "127.0.0.1", service}, LogLevel: "info"}
}

// Flags defines where and as whom the program serves. kubeconfig is what its flag is for.
func (c *Config) Flags(f *pflag.FlagSet, kubeconfig string) {
	f.StringVar(&c.ListenAddress, "listen-address", c.ListenAddress, "address of the admission port (HTTPS); port 0 takes any free one")
	f.StringVar(&c.MetricsAddress, "metrics-address", c.MetricsAddress, "address of /healthz, /readyz and /metrics (plain HTTP)")
	f.StringVar(&c.TLSDir, "tls-dir", c.TLSDir, "directory of tls.crt, tls.key and perhaps ca.crt, watched for new ones")
	f.BoolVar(&c.SelfSigned, "self-signed", c.SelfSigned, "make a certificate, valid for a year, and print its CA to standard output; for demos and tests; the default without --tls-dir")
	f.StringSliceVar(&c.DNSNames, "dns-names", c.DNSNames, "DNS names and IP addresses of the self-signed certificate")
	f.StringVar(&c.Kubeconfig, "kubeconfig", c.Kubeconfig, kubeconfig)
}

// LastFlags defines those that come last in a program's help: how it stops, and what it says.
func (c *Config) LastFlags(f *pflag.FlagSet) {
	f.DurationVar(&c.DrainQuiet, "drain-quiet", c.DrainQuiet, "once told to stop, stop after this time without a request")
	f.DurationVar(&c.DrainMax, "drain-max", c.DrainMax, "once told to stop, stop after this time at the latest; the Pod's grace period needs ten seconds more")
	f.StringVar(&c.LogLevel, "log-level", c.LogLevel, "debug, info, warn or error")
	f.BoolVar(&c.Version, "version", c.Version, "print the version and exit")
}

// Complete fills in, once the flags are read, what follows from them.
func (c *Config) Complete(f *pflag.FlagSet) {
	c.SelfSigned = c.SelfSigned || c.TLSDir == "" && !f.Changed("self-signed")
}

// Check finds what is wrong, all of it.
func (c *Config) Check() (errs []error) {
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
	if c.DrainQuiet <= 0 || c.DrainMax < c.DrainQuiet {
		errs = append(errs, fmt.Errorf("--drain-quiet %s, --drain-max %s: want 0 < quiet <= max", c.DrainQuiet, c.DrainMax))
	}
	if _, err := program.Level(c.LogLevel); err != nil {
		errs = append(errs, err)
	}
	return errs
}
