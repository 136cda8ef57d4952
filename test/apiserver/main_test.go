// Package apiserver holds tests against a real control plane: kube-apiserver and kube-controller-manager call the real
// webhook server, and what is stored is looked at.
package apiserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/test/cluster"
	"github.com/pillion-dev/pillion/test/golden"
	"github.com/pillion-dev/pillion/test/serving"
	_ "github.com/pillion-dev/pillion/webhook" // what the program under test is made of
)

// Namespaces beside those of single cases: in one the webhook is called, in the other not.
const (
	nsOn  = "golden-on"
	nsOff = "golden-off"
)

type controlPlane struct {
	url    string
	client *http.Client
	cases  []*golden.Case
	// catalog is the directory of the entries that the webhook serves.
	catalog string
	// stop ends what was started, the last first.
	stop []func()
}

// plane is the control plane that all tests share. It is started by the first test and not by TestMain: what is opened
// before the tests run is no reason for `go test` to run them again.
var plane = new(controlPlane)

func TestMain(m *testing.M) {
	code := m.Run()
	plane.end()
	os.Exit(code)
}

func (p *controlPlane) end() {
	for _, stop := range slices.Backward(p.stop) {
		stop()
	}
}

var started = sync.OnceValue(func() error { return plane.start() })

// useControlPlane starts the control plane where no test has.
func useControlPlane(t *testing.T) {
	t.Helper()
	if err := started(); err != nil {
		t.Fatal(err)
	}
}

func (p *controlPlane) start() error {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute) // a cold build of the control plane
	defer cancel()
	dir, err := os.MkdirTemp("", "pillion-apiserver-")
	if err != nil {
		return err
	}
	p.stop = append(p.stop, func() { _ = os.RemoveAll(dir) })
	control, err := cluster.Start(ctx, cluster.Config{Log: os.Stderr})
	if err != nil {
		return err
	}
	p.stop = append(p.stop, control.Stop)
	p.catalog = filepath.Join(dir, "catalog")
	if err := golden.WriteCatalog(p.catalog); err != nil {
		return err
	}
	// The program's package cannot be imported, so its source is looked at, for `go test` to see that it changed.
	if _, err := fs.Glob(os.DirFS("../../cmd/pillion-webhook"), "*.go"); err != nil {
		return err
	}
	server, err := serving.Start(ctx, serving.Config{Catalog: p.catalog, Kubeconfig: control.Kubeconfig()})
	if err != nil {
		return err
	}
	p.stop = append(p.stop, server.Stop)
	p.url, p.client = control.URL(), control.HTTPClient()
	if p.cases, err = golden.Cases(); err != nil {
		return err
	}
	return p.prepare(server)
}

// prepare registers the webhook, makes every Namespace, and returns when the webhook is called and knows them all.
func (p *controlPlane) prepare(server *serving.Webhook) error {
	if _, err := p.create("/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations", server.Registration()); err != nil {
		return err
	}
	on := map[string]string{serving.Label: "on"}
	err := errors.Join(p.namespace(nsOn, on, nil), p.namespace(nsOff, nil, nil))
	for _, c := range p.cases {
		if c.NamespaceYAML == nil {
			continue
		}
		labels := map[string]string{serving.Label: "on"}
		for k, v := range c.Namespace.Labels {
			labels[k] = v
		}
		err = errors.Join(err, p.namespace(c.Name, labels, c.Namespace.Annotations))
	}
	// The webhook sees Namespaces in the order in which they were made: when it knows the last, it knows all.
	const last = "golden-last"
	err = errors.Join(err, p.namespace(last, map[string]string{serving.Label: "on", "pillion.dev/injection": "enabled"},
		map[string]string{"pillion.dev/inject": "nobody"}))
	if err != nil {
		return err
	}
	pod := []byte(`{"metadata":{"name":"probe"},"spec":{"containers":[{"name":"app","image":"app:1"}]}}`)
	return eventually("the webhook is called and knows the Namespaces", func() error {
		a, err := serving.Post(p.client, p.url+"/api/v1/namespaces/"+last+"/pods?dryRun=All", pod)
		if err != nil || a.Status == http.StatusForbidden && strings.Contains(a.Message(), "no such sidecar") {
			return err
		}
		return fmt.Errorf("%d %s", a.Status, a.Message())
	})
}

func (p *controlPlane) namespace(name string, labels, annotations map[string]string) error {
	object, err := json.Marshal(map[string]any{"metadata": map[string]any{"name": name, "labels": labels, "annotations": annotations}})
	if err != nil {
		return err
	}
	if _, err := p.create("/api/v1/namespaces", object); err != nil {
		return err
	}
	// The controller-manager makes it too; Pods need it now.
	account := []byte(`{"metadata":{"name":"default"}}`)
	a, err := serving.Post(p.client, p.url+"/api/v1/namespaces/"+name+"/serviceaccounts", account)
	if err == nil && a.Status != http.StatusCreated && a.Status != http.StatusConflict {
		err = errors.New(a.Message())
	}
	return err
}

// create posts an object and gives what was stored.
func (p *controlPlane) create(path string, object []byte) (*serving.Answer, error) {
	a, err := serving.Post(p.client, p.url+path, object)
	if err == nil && a.Status != http.StatusCreated {
		err = fmt.Errorf("create at %s: %d %s", path, a.Status, a.Message())
	}
	return a, err
}

// eventually calls try until it gives no error, for at most three minutes: a slow machine needs some.
func eventually(what string, try func() error) error {
	deadline := time.Now().Add(3 * time.Minute)
	for {
		err := try()
		if err == nil || time.Now().After(deadline) {
			if err != nil {
				err = fmt.Errorf("%s: %w", what, err)
			}
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func await(t *testing.T, what string, try func() error) {
	t.Helper()
	if err := eventually(what, try); err != nil {
		t.Fatal(err)
	}
}
