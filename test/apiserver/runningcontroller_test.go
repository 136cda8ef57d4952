package apiserver

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	kyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	_ "github.com/pillion-dev/pillion/controller" // what the program under test is made of
	"github.com/pillion-dev/pillion/test/serving"
)

const (
	nsSystem       = "pillion-system"
	validatingPath = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
	// controllerTenant is a Namespace with entries and Pods of its own.
	controllerTenant = "ctl-tenant"
)

// controllers are the rights and the program that the tests of the controller share.
type controllers struct {
	program, kubeconfig, token string
}

var useControllers = sync.OnceValues(func() (*controllers, error) { return newControllers() })

func newControllers() (*controllers, error) {
	dir, err := os.MkdirTemp("", "pillion-controller-")
	if err != nil {
		return nil, err
	}
	plane.stop = append(plane.stop, func() { _ = os.RemoveAll(dir) })
	// The program's package cannot be imported, so its source is looked at, for `go test` to see that it changed.
	if _, err := fs.Glob(os.DirFS("../../cmd/pillion-controller"), "*.go"); err != nil {
		return nil, err
	}
	c := &controllers{kubeconfig: filepath.Join(dir, "kubeconfig")}
	if c.program, err = serving.BuildController(context.Background(), dir); err != nil {
		return nil, err
	}
	for _, ns := range []string{nsSystem, controllerTenant} {
		if err := plane.namespace(ns, nil, nil); err != nil {
			return nil, err
		}
	}
	if err := applyRBAC(); err != nil {
		return nil, err
	}
	return c, c.account()
}

// applyRBAC creates what is in controller/rbac.yaml.
func applyRBAC() error {
	text, err := os.ReadFile("../../controller/rbac.yaml")
	if err != nil {
		return err
	}
	const rbac, policies = "/apis/rbac.authorization.k8s.io/v1", "/apis/admissionregistration.k8s.io/v1"
	paths := map[string]string{
		"ServiceAccount": "/api/v1/namespaces/" + nsSystem + "/serviceaccounts", "ClusterRole": rbac + "/clusterroles",
		"ClusterRoleBinding": rbac + "/clusterrolebindings", "Role": rbac + "/namespaces/" + nsSystem + "/roles",
		"RoleBinding":               rbac + "/namespaces/" + nsSystem + "/rolebindings",
		"ValidatingAdmissionPolicy": policies + "/validatingadmissionpolicies", "ValidatingAdmissionPolicyBinding": policies + "/validatingadmissionpolicybindings",
	}
	documents := kyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for n := 0; ; n++ {
		document, err := documents.Read()
		if err != nil {
			if n < len(paths) {
				return fmt.Errorf("rbac.yaml has %d documents: %w", n, err)
			}
			return nil
		}
		object, err := yaml.YAMLToJSON(document)
		if err != nil {
			return err
		}
		var kind struct{ Kind string }
		if err := json.Unmarshal(object, &kind); err != nil {
			return err
		}
		if _, err := plane.create(paths[kind.Kind]+"?fieldValidation=Strict", object); err != nil {
			return err
		}
	}
}

// account writes a kubeconfig with a token of the controller's ServiceAccount.
func (c *controllers) account() error {
	a, err := plane.create("/api/v1/namespaces/"+nsSystem+"/serviceaccounts/pillion-controller/token", []byte(`{"spec":{"expirationSeconds":7200}}`))
	if err != nil {
		return err
	}
	var token struct{ Status struct{ Token string } }
	if err := json.Unmarshal(a.Body, &token); err != nil {
		return err
	}
	c.token = token.Status.Token
	var ca struct{ Data map[string]string }
	err = eventually("the CA is published", func() error {
		a, err := serving.Do(plane.client, http.MethodGet, plane.url+"/api/v1/namespaces/"+nsSystem+"/configmaps/kube-root-ca.crt", nil)
		if err == nil && a.Status != http.StatusOK {
			err = fmt.Errorf("%d %s", a.Status, a.Message())
		}
		if err != nil {
			return err
		}
		return json.Unmarshal(a.Body, &ca)
	})
	if err != nil {
		return err
	}
	return os.WriteFile(c.kubeconfig, serving.TokenKubeconfig(plane.url, []byte(ca.Data["ca.crt"]), c.token), 0o600)
}

// runningController is a controller and what it logs.
type runningController struct {
	*serving.Controller
	log logLines
}

// startController runs a controller until the test ends, ready for reviews.
func startController(t *testing.T, flags ...string) *runningController {
	t.Helper()
	useDefinitions(t)
	shared, err := useControllers()
	if err != nil {
		t.Fatal(err)
	}
	c := new(runningController)
	c.Controller, err = serving.StartController(t.Context(), serving.ControllerConfig{
		Program: shared.program, Kubeconfig: shared.kubeconfig, Namespace: nsSystem, Flags: flags, Log: &c.log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.stopGently(t)
		if strings.Contains(c.log.String(), " cannot ") {
			t.Error("the controller lacks a right")
		}
		if t.Failed() {
			t.Logf("the controller's log:\n%s", c.log.String())
		}
	})
	await(t, "the controller is ready", func() error {
		res, err := http.Get(c.MetricsURL + "/readyz")
		if err == nil && res.StatusCode != http.StatusOK {
			err = fmt.Errorf("%d", res.StatusCode)
		}
		return err
	})
	return c
}

// stopGently has a controller give its lease back, so that the next one need not wait for it to expire.
func (c *runningController) stopGently(t *testing.T) {
	t.Helper()
	defer c.Stop()
	if c.Signal(os.Interrupt) != nil {
		return // it has ended
	}
	select {
	case <-c.Done():
	case <-time.After(time.Minute):
		t.Error("the controller does not stop")
	}
}

// register has the API server ask the controller about entries, until the test ends.
func (c *runningController) register(t *testing.T) {
	t.Helper()
	name := "ctl-" + strings.NewReplacer("/", "-", "_", "-").Replace(strings.ToLower(t.Name()))
	if _, err := plane.create(validatingPath, c.Registration(name)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unregister(t, name) })
	probe := entryJSON(t, "ClusterSidecar", "ctl-probe", "", "  order: {after: [ctl-nobody]}\n")
	await(t, "the webhook is called", func() error {
		if a := ask(t, http.MethodPost, clusterPath+dryRun, "", probe); len(a.Warnings) == 0 {
			return fmt.Errorf("%d %s", a.Status, a.Message())
		}
		return nil
	})
}

// unregister returns when the API server asks no more.
func unregister(t *testing.T, name string) {
	t.Helper()
	remove(t, validatingPath+"/"+name)
	probe := entryJSON(t, "ClusterSidecar", "ctl-probe", "", "  order: {after: [ctl-nobody]}\n")
	await(t, "the webhook is not called any more", func() error {
		if a := ask(t, http.MethodPost, clusterPath+dryRun, "", probe); a.Status != http.StatusCreated || len(a.Warnings) > 0 {
			return fmt.Errorf("%d %s", a.Status, a.Message())
		}
		return nil
	})
}

// writes counts the statuses that a controller wrote.
func writes(c *runningController) int { return c.log.count("status") }
