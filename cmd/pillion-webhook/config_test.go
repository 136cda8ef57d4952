package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pillion-dev/pillion/program/serving"
)

func defaults(tweak func(*Config)) *Config {
	c := &Config{
		Config: serving.Config{
			ListenAddress: ":10250", MetricsAddress: ":8080", SelfSigned: true, DNSNames: []string{"localhost", "127.0.0.1", "pillion.pillion-system.svc"},
			DrainQuiet: 5 * time.Second, DrainMax: 20 * time.Second, LogLevel: "info",
		},
		OwnNamespace: "pillion-system",
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
		{"the API server's entries", []string{"--catalog-from-cluster"}, defaults(func(c *Config) { c.FromCluster = true })},
		{"nodes with the helper", []string{"--node-helper", "--node-plugin=pillion"}, defaults(func(c *Config) { c.NodeHelper, c.NodePlugin = true, "pillion" })},
		{"own certificate", []string{"--tls-dir=/tls"}, defaults(func(c *Config) { c.TLSDir, c.SelfSigned = "/tls", false })},
		{"self-signed for two names", []string{"--self-signed", "--dns-names=a.example,::1"},
			defaults(func(c *Config) { c.DNSNames = []string{"a.example", "::1"} })},
		{"everything else", []string{"--listen-address=127.0.0.1:0", "--metrics-address=:0", "--catalog=/c", "--kubeconfig=/k", "--own-namespace=n",
			"--drain-quiet=1s", "--drain-max=1s", "--log-level=debug", "--version"},
			defaults(func(c *Config) {
				c.ListenAddress, c.MetricsAddress, c.Catalog, c.Kubeconfig, c.OwnNamespace = "127.0.0.1:0", ":0", "/c", "/k", "n"
				c.DrainQuiet, c.DrainMax, c.LogLevel, c.Version = time.Second, time.Second, "debug", true
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
		{"--catalog=/c --catalog-from-cluster", []string{"--catalog and --catalog-from-cluster: choose one"}},
		{"--node-plugin=pillion", []string{"--node-plugin needs --node-helper"}},
		{"--dns-names=", []string{"--dns-names: want at least one name"}},
		{"--drain-quiet=30s --log-level=loud", []string{"--drain-quiet 30s, --drain-max 20s: want 0 < quiet <= max", `--log-level: want debug, info, warn or error, got "loud"`}},
		{"--drain-quiet=0s", []string{"want 0 < quiet"}},
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
