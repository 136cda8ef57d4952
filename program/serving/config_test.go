package serving

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/pillion-dev/pillion/program"
)

// read reads the flags of a program that has no others, and finds what is wrong.
func read(args ...string) (*Config, error) {
	c := Defaults("shop.default.svc")
	c.DrainQuiet, c.DrainMax = 5*time.Second, 20*time.Second
	f := pflag.NewFlagSet("shop", pflag.ContinueOnError)
	c.Flags(f, "file that names the API server")
	c.LastFlags(f)
	if err := program.Parse(f, args, 0, new(bytes.Buffer)); err != nil {
		return nil, err
	}
	c.Complete(f)
	return &c, errors.Join(c.Check()...)
}

func TestFlagsBecomeAConfig(t *testing.T) {
	for _, c := range []struct {
		name  string
		args  []string
		tweak func(*Config)
	}{
		{"no flag", nil, func(*Config) {}},
		{"own certificate", []string{"--tls-dir=/tls"}, func(c *Config) { c.TLSDir, c.SelfSigned = "/tls", false }},
		{"self-signed for two names", []string{"--self-signed", "--dns-names=a.example,::1"}, func(c *Config) { c.DNSNames = []string{"a.example", "::1"} }},
		{"everything else", []string{"--listen-address=127.0.0.1:0", "--metrics-address=:0", "--kubeconfig=/k", "--drain-quiet=1s", "--drain-max=1s", "--log-level=debug", "--version"},
			func(c *Config) {
				c.ListenAddress, c.MetricsAddress, c.Kubeconfig = "127.0.0.1:0", ":0", "/k"
				c.DrainQuiet, c.DrainMax, c.LogLevel, c.Version = time.Second, time.Second, "debug", true
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := &Config{
				ListenAddress: ":10250", MetricsAddress: ":8080", SelfSigned: true, DNSNames: []string{"localhost", "127.0.0.1", "shop.default.svc"},
				DrainQuiet: 5 * time.Second, DrainMax: 20 * time.Second, LogLevel: "info",
			}
			c.tweak(want)
			got, err := read(c.args...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestMistakesInFlagsAreAllNamed(t *testing.T) {
	for args, want := range map[string][]string{
		"--listen-address=nowhere --metrics-address=8080": {"--listen-address: want host:port", "--metrics-address: want host:port"},
		"--self-signed --tls-dir=/tls":                    {"--self-signed and --tls-dir: choose one"},
		"--self-signed=false":                             {"--self-signed=false needs --tls-dir"},
		"--dns-names=":                                    {"--dns-names: want at least one name"},
		"--drain-quiet=30s --log-level=loud":              {"--drain-quiet 30s, --drain-max 20s: want 0 < quiet <= max", `--log-level: want debug, info, warn or error, got "loud"`},
		"--drain-quiet=0s":                                {"--drain-quiet 0s, --drain-max 20s: want 0 < quiet <= max"},
	} {
		_, err := read(strings.Fields(args)...)
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v, want %q", args, err, w)
			}
		}
	}
}
