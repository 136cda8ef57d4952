package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pillion-dev/pillion/certs"
	"github.com/pillion-dev/pillion/program/serving"
)

func defaults(tweak func(*Config)) *Config {
	c := &Config{
		Config: serving.Config{
			ListenAddress: ":10250", MetricsAddress: ":8080", SelfSigned: true, DNSNames: []string{"localhost", "127.0.0.1", "pillion-controller.pillion-system.svc"},
			DrainQuiet: time.Second, DrainMax: 10 * time.Second, LogLevel: "info",
		},
		LeaderElect: true, LeaderElectionNamespace: "pillion-system", DryRunNamespace: "pillion-system",
		OwnNamespace: "pillion-system", AuditInterval: 30 * time.Second,
		Certificates: CertificateConfig{Mode: "provided", Authority: "pillion-authority", Lifetimes: certs.DefaultLifetimes(), Interval: time.Minute, Settle: 2 * time.Minute},
	}
	if tweak != nil {
		tweak(c)
	}
	return c
}

func TestFlagsBecomeAConfig(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		want *Config
	}{
		{"no flag", nil, defaults(nil)},
		{"own certificate", []string{"--tls-dir=/tls"}, defaults(func(c *Config) { c.TLSDir, c.SelfSigned = "/tls", false })},
		{"no dry run, no election", []string{"--dry-run-namespace=", "--leader-elect=false", "--leader-election-namespace="},
			defaults(func(c *Config) { c.DryRunNamespace, c.LeaderElectionNamespace, c.LeaderElect = "", "", false })},
		{"everything else", []string{"--listen-address=127.0.0.1:0", "--metrics-address=:0", "--dns-names=a.example", "--kubeconfig=/k",
			"--leader-election-namespace=n", "--dry-run-namespace=d", "--drain-quiet=2s", "--drain-max=2s", "--log-level=debug", "--audit-interval=0"},
			defaults(func(c *Config) {
				c.ListenAddress, c.MetricsAddress, c.DNSNames, c.Kubeconfig = "127.0.0.1:0", ":0", []string{"a.example"}, "/k"
				c.LeaderElectionNamespace, c.DryRunNamespace = "n", "d"
				c.DrainQuiet, c.DrainMax, c.LogLevel = 2*time.Second, 2*time.Second, "debug"
				c.AuditInterval = 0
			})},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parseFlags(c.args, "pillion-system", new(bytes.Buffer))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestMistakesInFlagsAreAllNamed(t *testing.T) {
	for _, c := range []struct {
		args string
		want []string
	}{
		{"--listen-address=nowhere --metrics-address=8080", []string{"--listen-address: want host:port", "--metrics-address: want host:port"}},
		{"--self-signed --tls-dir=/tls", []string{"--self-signed and --tls-dir: choose one"}},
		{"--self-signed=false", []string{"--self-signed=false needs --tls-dir"}},
		{"--dns-names=", []string{"--dns-names: want at least one name"}},
		{"", []string{"--leader-elect needs --leader-election-namespace"}},
		{"--drain-quiet=30s --log-level=loud", []string{"want 0 < quiet <= max", `--log-level: want debug, info, warn or error, got "loud"`}},
		{"--audit-interval=5ms", []string{"--audit-interval 5ms: want 0, or at least 1s"}},
		{"serve", []string{`unexpected argument "serve"`}},
		{"--catalogue=/c", []string{"unknown flag: --catalogue"}},
	} {
		_, err := parseFlags(strings.Fields(c.args), "", new(bytes.Buffer))
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", c.args, err, want)
			}
		}
	}
}
