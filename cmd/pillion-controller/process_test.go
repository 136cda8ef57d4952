package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/program/programtest"
)

func TestMain(m *testing.M) { programtest.Main(m, main) }

// kubeconfig names an API server where nobody is.
const kubeconfig = "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: \"https://127.0.0.1:1\"}}]\n" +
	"contexts: [{name: x, context: {cluster: c}}]\ncurrent-context: x\n"

func TestControllerThatCannotServeSaysWhyAndEnds(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "kubeconfig")
	if err := os.WriteFile(config, []byte(kubeconfig), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		flags []string
		want  string
	}{
		{"bad flag", []string{"--drain-quiet=0s"}, "want 0 < quiet <= max"},
		{"no Namespace", []string{"--leader-election-namespace="}, "--leader-elect needs --leader-election-namespace"},
		{"no kubeconfig", []string{"--kubeconfig=" + dir + "/none"}, "none: no such file"},
		{"not in a cluster", nil, "unable to load in-cluster configuration"},
		{"no certificate directory", []string{"--kubeconfig=" + config, "--tls-dir=" + dir + "/none"}, "none: no such file"},
		{"no port", []string{"--kubeconfig=" + config, "--metrics-address=127.0.0.1:99999"}, "metrics port: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			flags := append([]string{"--listen-address=127.0.0.1:0", "--metrics-address=127.0.0.1:0", "--leader-election-namespace=n"}, c.flags...)
			cmd := programtest.Command(t.Context(), flags...)
			cmd.Env = append(cmd.Env, "TMPDIR="+dir, "KUBERNETES_SERVICE_HOST=")
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), c.want) {
				t.Errorf("%v, no %q in: %s", err, c.want, out)
			}
			if left, err := filepath.Glob(filepath.Join(dir, "pillion-tls-*")); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v %v", left, err)
			}
		})
	}
}
