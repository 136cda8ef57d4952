package logs

import (
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/sidecars"
)

// hostile is text that YAML and the collector give a meaning to, and a valid regular expression.
const hostile = `"' $(X) ${env:HOME} $$ [{x}] %s # <&> \d+: - `

// tried are values for parameters whose declaration alone does not tell any.
var tried = map[string][]string{
	"endpoint":        {"https://otlp.example.com:4318", "http://127.0.0.1/a?b=$c&d=${e}#f", "http://[::1]:4318"},
	"directory":       {"/var/log/app", "/a/b.c@d+e,f=g-h_i"},
	"containers":      {"*", "app"},
	"include":         {"*.log", "**/*.log,a/?.txt"},
	"exclude":         {"*.gz", "b/*.zst,**/*.xz"},
	"multiline-start": {`^\d{4}-\d{2}`, hostile},
	"service-name":    {"shop", "true"},
	"container":       {"app"},
	"header-secret":   {"otlp"}, "ca-configmap": {"ca"}, "tls-secret": {"tls"},
	"health-port": {"13133", "1024", "65535"}, "metrics-port": {"8888", "1025", "65534"},
}

// TestTheCollectorAcceptsEveryConfiguration lets the collector itself validate what comes out of many mixtures of parameters: each
// value of each parameter beside random ones of all others, always the same ones.
func TestTheCollectorAcceptsEveryConfiguration(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	values := valuesOf(t)
	names := slices.Sorted(maps.Keys(values))
	configurations := map[string]bool{}
	for _, name := range names {
		for _, v := range values[name] {
			set := map[string]string{}
			for _, other := range names {
				if pick := values[other][random.IntN(len(values[other]))]; pick != "" {
					set[other] = pick
				}
			}
			if delete(set, name); v != "" {
				set[name] = v
			}
			configurations[validates(t, set)] = true
		}
	}
	t.Logf("%d configurations", len(configurations))
}

// valuesOf gives what to try for each parameter; an empty value leaves it out.
func valuesOf(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for name, p := range sidecars.Builtin().Entry("", "log-shipper").Spec.Parameters {
		list := slices.Concat(tried[name], p.Enum)
		if p.Minimum != "" && tried[name] == nil {
			list = append(list, p.Minimum, p.Maximum)
		}
		if !p.Required {
			list = append(list, "")
		}
		if len(list) < 2 {
			t.Errorf("%s: nothing to try", name)
		}
		out[name] = list
	}
	return out
}

// validates asks the collector, in the folder of a Pod, and gives the configuration.
func validates(t *testing.T, set map[string]string) string {
	t.Helper()
	s := newShipper(t, set["endpoint"], set)
	if set["ca-configmap"] != "" {
		s.write("ca/ca.crt", "")
	}
	out, err := s.command("validate").CombinedOutput()
	if err != nil {
		t.Errorf("%v: %v\n%s", set, err, out)
	}
	config, err := os.ReadFile(filepath.Join(s.secrets(), "config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(config), s.dir, "")
}

// TestARefusedConfigurationSaysWhy holds the collector to its word: what it cannot run, it does not accept.
func TestARefusedConfigurationSaysWhy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ old, wrong, reason string }{
		{`"^\\d"`, `"("`, "missing closing )"},
		{`quiet: "1s"`, `quiet: "1ms"`, "quiet: 1ms is shorter than 100ms"},
		{`timeout: "12s"`, `timeout: "500ms"`, "timeout: 500ms is shorter than quiet, 1s"},
		{`metrics: "http:`, `metrics: "ftp:`, "is no http URL"},
		{`health_check`, `health`, `"health"`},
	} {
		s := newShipper(t, "http://127.0.0.1:1", map[string]string{"multiline-start": `^\d`})
		text := s.here(s.sidecar.Files["config"])
		if !strings.Contains(text, c.old) {
			t.Fatalf("no %s in\n%s", c.old, text)
		}
		s.write("config.yaml", strings.ReplaceAll(text, c.old, c.wrong))
		out, err := s.command("validate").CombinedOutput()
		if err == nil || !strings.Contains(string(out), c.reason) {
			t.Errorf("%s: %v, want %q in\n%s", c.wrong, err, c.reason, out)
		}
	}
}
