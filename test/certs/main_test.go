// Package certs tests serving certificates in all three modes on a real control plane: the API server verifies what the real
// webhook and the real controller serve, rendered by the real chart, with cert-manager's own controllers where it is theirs.
package certs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	_ "github.com/pillion-dev/pillion/controller" // what the programs under test are made of
	"github.com/pillion-dev/pillion/test/cluster"
	"github.com/pillion-dev/pillion/test/serving"
	_ "github.com/pillion-dev/pillion/webhook"
)

// plane is the control plane that all tests share, and the programs.
var plane struct {
	control *cluster.Cluster
	client  *http.Client
	// dir is of the programs; bin of cert-manager and helm.
	dir, bin            string
	webhook, controller string
	stop                []func()
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, stop := range slices.Backward(plane.stop) {
		stop()
	}
	os.Exit(code)
}

var started = sync.OnceValue(func() (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute) // a cold build of everything
	defer cancel()
	if plane.bin, err = cluster.Build(ctx, os.Stderr, "helm", "certmanager"); err != nil {
		return err
	}
	if plane.dir, err = os.MkdirTemp("", "pillion-certs-"); err != nil {
		return err
	}
	plane.stop = append(plane.stop, func() { os.RemoveAll(plane.dir) })
	// Packages of programs cannot be imported, so their source is looked at, for `go test` to see that it changed.
	for _, program := range []string{"pillion-webhook", "pillion-controller"} {
		if _, err := fs.Glob(os.DirFS("../../cmd/"+program), "*.go"); err != nil {
			return err
		}
	}
	if plane.webhook, err = serving.BuildWebhook(ctx, plane.dir); err != nil {
		return err
	}
	if plane.controller, err = serving.BuildController(ctx, plane.dir); err != nil {
		return err
	}
	if plane.control, err = cluster.Start(ctx, cluster.Config{Log: os.Stderr}); err != nil {
		return err
	}
	plane.stop = append(plane.stop, plane.control.Stop)
	plane.client = plane.control.HTTPClient()
	return nil
})

func useControlPlane(t *testing.T) {
	t.Helper()
	if err := started(); err != nil {
		t.Fatal(err)
	}
}

// adminConfig is a client configuration of the administrator.
func adminConfig(t *testing.T) *rest.Config {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", plane.control.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// request asks the API server as the administrator.
func request(method, path, contentType string, body []byte) (status int, answer []byte, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, plane.control.URL()+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", contentType)
	res, err := plane.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(res.Body)
	return res.StatusCode, answer, err
}

// do asks the API server, which has to say yes, and decodes what it says.
func do(t *testing.T, method, path string, body, into any) {
	t.Helper()
	if err := try(method, path, body, into); err != nil {
		t.Fatal(err)
	}
}

func try(method, path string, body, into any) error {
	text, ready := body.([]byte)
	if !ready && body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	contentType := "application/json"
	if method == http.MethodPatch {
		contentType = "application/merge-patch+json"
		if bytes.HasPrefix(text, []byte("[")) {
			contentType = "application/json-patch+json"
		}
	}
	status, answer, err := request(method, path, contentType, text)
	if err != nil {
		return err
	}
	if status/100 != 2 {
		return fmt.Errorf("%s %s: %d %s", method, path, status, answer)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}

// await calls attempt until it gives no error, for at most five minutes: a slow machine needs some.
func await(t *testing.T, what string, attempt func() error) time.Duration {
	t.Helper()
	begin := time.Now()
	for {
		err := attempt()
		if err == nil {
			return time.Since(begin)
		}
		if time.Since(begin) > 5*time.Minute {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// readyz asks a program whether it is ready; the text tells of every check.
func readyz(w *serving.Webhook) (ready bool, text string, err error) {
	for _, query := range []string{"", "?verbose"} {
		res, err := http.Get(w.MetricsURL + "/readyz" + query)
		if err != nil {
			return false, "", err
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			return false, "", err
		}
		ready, text = res.StatusCode == http.StatusOK, string(body)
	}
	return ready, text, nil
}

// awaitReady waits until a program is ready, or is not.
func awaitReady(t *testing.T, w *serving.Webhook, want bool) (text string) {
	t.Helper()
	await(t, fmt.Sprintf("ready is %v", want), func() error {
		ready, now, err := readyz(w)
		if text = now; err == nil && ready != want {
			err = errors.New(now)
		}
		return err
	})
	return text
}

func alive(t *testing.T, w *serving.Webhook) {
	t.Helper()
	select {
	case <-w.Done():
		t.Fatal("the program ended")
	default:
	}
}

func write(t *testing.T, dir, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}
