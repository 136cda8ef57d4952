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
		Config:      serving.Defaults("pillion-controller.pillion-system.svc"),
		LeaderElect: true, LeaderElectionNamespace: "pillion-system", DryRunNamespace: "pillion-system",
		OwnNamespace: "pillion-system", AuditInterval: 30 * time.Second,
		Certificates: CertificateConfig{Mode: "provided", Authority: "pillion-authority", Lifetimes: certs.DefaultLifetimes(), Interval: time.Minute, Settle: 2 * time.Minute},
	}
	c.SelfSigned, c.DrainQuiet, c.DrainMax = true, time.Second, 10*time.Second
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
		{"no dry run, no election", []string{"--dry-run-namespace=", "--leader-elect=false", "--leader-election-namespace="},
			defaults(func(c *Config) { c.DryRunNamespace, c.LeaderElectionNamespace, c.LeaderElect = "", "", false })},
		{"other Namespaces, no audit", []string{"--leader-election-namespace=n", "--dry-run-namespace=d", "--audit-interval=0"},
			defaults(func(c *Config) { c.LeaderElectionNamespace, c.DryRunNamespace, c.AuditInterval = "n", "d", 0 })},
		{"what every server has", []string{"--tls-dir=/tls", "--log-level=debug"},
			defaults(func(c *Config) { c.TLSDir, c.SelfSigned, c.LogLevel = "/tls", false, "debug" })},
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
		{"", []string{"--leader-elect needs --leader-election-namespace"}},
		{"--audit-interval=5ms --drain-quiet=30s", []string{"--audit-interval 5ms: want 0, or at least 1s", "--drain-quiet 30s, --drain-max 10s: want 0 < quiet <= max"}},
		{"serve", []string{`unexpected argument "serve"`}},
	} {
		_, err := parseFlags(strings.Fields(c.args), "", new(bytes.Buffer))
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", c.args, err, want)
			}
		}
	}
}
