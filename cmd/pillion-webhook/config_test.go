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
	c := &Config{Config: serving.Defaults("pillion.pillion-system.svc"), OwnNamespace: "pillion-system"}
	c.SelfSigned, c.DrainQuiet, c.DrainMax = true, 5*time.Second, 20*time.Second
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
		{"own entries and Namespace", []string{"--catalog=/c", "--own-namespace=n"}, defaults(func(c *Config) { c.Catalog, c.OwnNamespace = "/c", "n" })},
		{"what every server has", []string{"--tls-dir=/tls", "--log-level=debug", "--version"},
			defaults(func(c *Config) { c.TLSDir, c.SelfSigned, c.LogLevel, c.Version = "/tls", false, "debug", true })},
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
		{"--catalog=/c --catalog-from-cluster", []string{"--catalog and --catalog-from-cluster: choose one"}},
		{"--node-plugin=pillion --drain-quiet=30s", []string{"--node-plugin needs --node-helper", "--drain-quiet 30s, --drain-max 20s: want 0 < quiet <= max"}},
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
