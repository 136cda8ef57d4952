package chart

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/pillion-dev/pillion/certs"
	_ "github.com/pillion-dev/pillion/controller" // the programs under test are made of it
	_ "github.com/pillion-dev/pillion/webhook"    // and of this
)

// programs builds pillion-webhook and pillion-controller, once, and gives their directory.
var programs = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "pillion-chart-")
	if err != nil {
		return "", err
	}
	plane.stop = append(plane.stop, func() { os.RemoveAll(dir) })
	cmd := exec.Command("go", "build", "-o", dir, "./cmd/pillion-webhook", "./cmd/pillion-controller")
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return dir, nil
})

// command makes the command of a container, by the name of its image, with more arguments that win over its own.
func command(t *testing.T, c *corev1.Container, more ...string) *exec.Cmd {
	t.Helper()
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	_, name, _ := strings.Cut(c.Image, "pillion/")
	name = name[:strings.IndexAny(name, ":@")]
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "pillion-"+name), append(slices.Clone(c.Args), more...)...)
	cmd.Env = []string{"TMPDIR=" + t.TempDir()}
	for _, e := range c.Env {
		switch {
		case e.ValueFrom == nil:
			cmd.Env = append(cmd.Env, e.Name+"="+e.Value)
		case e.ValueFrom.FieldRef.FieldPath == "metadata.namespace":
			cmd.Env = append(cmd.Env, e.Name+"="+namespace)
		}
	}
	return cmd
}

// onLoopback are arguments that let a program run here.
func onLoopback(tlsDir string) []string {
	return []string{"--listen-address=127.0.0.1:0", "--metrics-address=127.0.0.1:0", "--tls-dir=" + tlsDir}
}

// TestProgramsKnowTheirFlags starts the real programs with the arguments of every variant. They end for want of a cluster,
// not for their arguments: wrong ones have an exit code of their own.
func TestProgramsKnowTheirFlags(t *testing.T) {
	seen := map[string]bool{}
	for name, args := range variants(t) {
		for of, template := range templates(t, objects(t, render(t, args...))) {
			c := &template.Spec.Containers[0]
			if of == "pillion-test" || of == "seat-test" {
				continue
			}
			key := fmt.Sprint(c.Image, c.Args)
			if seen[key] {
				continue
			}
			seen[key] = true
			var more []string
			if c.Args[0] != "uninstall" {
				more = onLoopback(t.TempDir())
			}
			out, errs, err := output(command(t, c, more...))
			var exit *exec.ExitError
			if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) || !strings.Contains(errs, "in-cluster") {
				t.Errorf("%s: %s %v: %v\n%s%s", name, of, c.Args, err, out, errs)
			}
			if _, errs, err = output(command(t, c, append(more, "--no-such-flag")...)); !errors.As(err, &exit) || exit.ExitCode() != 2 {
				t.Errorf("%s: %s with an unknown flag: %v\n%s", name, of, err, errs)
			}
		}
	}
	if len(seen) < 6 {
		t.Errorf("%d programs were started", len(seen))
	}
}

// running is a program that serves.
type running struct {
	address, metrics string
	ca               []byte
	stop             func() (log string)
}

// kubeconfigOf writes the kubeconfig of a ServiceAccount in the release's Namespace.
func kubeconfigOf(t *testing.T, account string) string {
	t.Helper()
	a := do(t, http.MethodPost, "/api/v1/namespaces/"+namespace+"/serviceaccounts/"+account+"/token", []byte(`{"spec":{}}`))
	var request struct{ Status struct{ Token string } }
	if err := json.Unmarshal(a.Body, &request); err != nil || request.Status.Token == "" {
		t.Fatal(err, a.Message())
	}
	return writeKubeconfig(t, plane.url, plane.ca, request.Status.Token)
}

func writeKubeconfig(t *testing.T, url string, ca []byte, token string) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": "x",
		"clusters": []any{map[string]any{"name": "x", "cluster": map[string]any{"server": url, "certificate-authority-data": base64.StdEncoding.EncodeToString(ca)}}},
		"users":    []any{map[string]any{"name": "x", "user": map[string]any{"token": token}}},
		"contexts": []any{map[string]any{"name": "x", "context": map[string]any{"cluster": "x", "user": "x"}}},
	})
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// start runs a Deployment's program as its ServiceAccount, with a certificate for loopback.
func start(t *testing.T, template *corev1.PodTemplateSpec) *running {
	t.Helper()
	dir := t.TempDir()
	files, err := certs.SelfSigned(nil, []net.IP{net.IPv4(127, 0, 0, 1)}, time.Hour)
	if err == nil {
		err = files.WriteTo(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := command(t, &template.Spec.Containers[0], append(onLoopback(dir), "--kubeconfig="+kubeconfigOf(t, template.Spec.ServiceAccountName))...)
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	serving, ended := make(chan [2]string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(io.TeeReader(stderr, &log)); lines.Scan(); {
			var line struct{ Msg, WebhookAddress, MetricsAddress string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "serving" && line.WebhookAddress != "" {
				serving <- [2]string{line.WebhookAddress, line.MetricsAddress}
			}
		}
		_ = cmd.Wait()
	}()
	r := &running{ca: files.CA, stop: sync.OnceValue(func() string {
		_ = cmd.Process.Kill()
		<-ended
		return log.String()
	})}
	t.Cleanup(func() { r.stop() })
	select {
	case at := <-serving:
		r.address, r.metrics = "https://"+at[0], "http://"+at[1]
	case <-ended:
		t.Fatalf("%v: %s", cmd.Args, log.String())
	case <-time.After(3 * time.Minute):
		t.Fatalf("%v does not serve: %s", cmd.Args, r.stop())
	}
	await(t, template.Spec.ServiceAccountName+" is ready", func() error {
		_, err := fetch(r.metrics + "/readyz?verbose")
		return err
	})
	return r
}

func fetch(url string) (string, error) {
	resp, err := http.Get(url) //nolint:gosec // on loopback
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s\n%s", url, resp.Status, body)
	}
	return string(body), err
}
