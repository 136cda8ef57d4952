package main

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pillion-dev/pillion/program"
)

func TestUninstallReadsItsArguments(t *testing.T) {
	got, err := parseUninstall([]string{"--kubeconfig=/k", "--timeout=3s", "--ignore-errors", "mutatingwebhookconfigurations/a", "validatingadmissionpolicybindings/b"}, io.Discard)
	want := &Uninstall{Kubeconfig: "/k", Timeout: 3 * time.Second, IgnoreErrors: true, Settle: policySettle,
		Objects: []string{"mutatingwebhookconfigurations/a", "validatingadmissionpolicybindings/b"}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	for args, want := range map[string]string{
		"":                                  "want at least one RESOURCE/NAME",
		"pods/a":                            `"pods/a": want RESOURCE/NAME, with a resource of mutatingwebhookconfigurations, `,
		"mutatingwebhookconfigurations":     `"mutatingwebhookconfigurations": want RESOURCE/NAME`,
		"mutatingwebhookconfigurations/":    `want RESOURCE/NAME`,
		"--timeout=0s pods/a":               "--timeout 0s: want more than 0",
		"--force validatingwebhooks/a":      "unknown flag: --force",
		"validatingwebhookconfigurations/a": "",
	} {
		_, err := parseUninstall(strings.Fields(args), io.Discard)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", args, err, want)
		}
	}
}

// TestUninstallTriesAgain has an API server that answers as each object's name says.
func TestUninstallTriesAgain(t *testing.T) {
	asked := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		asked[r.Method+" "+name]++
		w.Header().Set("Content-Type", "application/json")
		code, reason := http.StatusOK, "Success"
		switch {
		case name == "gone":
			code, reason = http.StatusNotFound, "NotFound"
		case name == "later" && asked["DELETE later"] < 2, name == "never":
			code, reason = http.StatusForbidden, "Forbidden"
		}
		w.WriteHeader(code)
		_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","message":"it is ` + reason + `","reason":"` + reason + `"}`))
	}))
	defer server.Close()
	config := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(config, []byte(strings.ReplaceAll(kubeconfig, "https://127.0.0.1:1", server.URL)), 0o600); err != nil {
		t.Fatal(err)
	}
	const of = "mutatingwebhookconfigurations/"
	var lines bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&lines, nil))
	u := &Uninstall{Kubeconfig: config, Timeout: 30 * time.Second, Objects: []string{of + "there", of + "gone", of + "later"}}
	if err := uninstall(t.Context(), u, log); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(map[string]int{"DELETE there": 1, "DELETE gone": 1, "DELETE later": 2}, asked); diff != "" {
		t.Errorf("(-want +got)\n%s\n%s", diff, &lines)
	}
	u.Timeout, u.Objects = 1500*time.Millisecond, []string{of + "never", of + "there"}
	err := uninstall(t.Context(), u, log)
	if err == nil || !strings.Contains(err.Error(), "delete "+of+"never: it is Forbidden") || strings.Contains(err.Error(), "there") {
		t.Errorf("%v", err)
	}
	if asked["DELETE there"] != 2 {
		t.Errorf("what can be deleted was asked for %d times", asked["DELETE there"])
	}
}

// TestUninstallLetsPoliciesSettle: who injects Pods is there until API servers no longer refuse those that are not injected.
func TestUninstallLetsPoliciesSettle(t *testing.T) {
	type deletion struct {
		name string
		at   time.Time
	}
	var done []deletion
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		done = append(done, deletion{r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:], time.Now()})
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Success"}`))
	}))
	defer server.Close()
	config := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(config, []byte(strings.ReplaceAll(kubeconfig, "https://127.0.0.1:1", server.URL)), 0o600); err != nil {
		t.Fatal(err)
	}
	u := &Uninstall{Kubeconfig: config, Timeout: 30 * time.Second, Settle: 300 * time.Millisecond,
		Objects: []string{policyBindings + "/policy", "mutatingwebhookconfigurations/webhook"}}
	if err := uninstall(t.Context(), u, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if len(done) != 2 || done[0].name != "policy" || done[1].at.Sub(done[0].at) < u.Settle {
		t.Errorf("want the policy, a pause of %s, and the webhook: %v", u.Settle, done)
	}
}

func TestUninstallGivesExitCodes(t *testing.T) {
	for _, c := range []struct {
		args []string
		want int
	}{
		{[]string{"--help"}, 0},
		{[]string{"pods/a"}, 2},
		{[]string{"--kubeconfig=/none", "mutatingwebhookconfigurations/a"}, 1},
		{[]string{"--kubeconfig=/none", "--ignore-errors", "mutatingwebhookconfigurations/a"}, 0},
	} {
		if got := program.ExitCode(startUninstall(t.Context(), c.args, io.Discard), io.Discard); got != c.want {
			t.Errorf("%v: exit code %d, want %d", c.args, got, c.want)
		}
	}
}
