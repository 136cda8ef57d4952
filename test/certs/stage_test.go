package certs

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/yaml"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/pillion-dev/pillion/certs"
	"github.com/pillion-dev/pillion/test/serving"
)

// stage is one release of the chart in a Namespace of its own: all of its objects but the Deployments, whose programs the tests
// start themselves, and a Namespace that requires injection.
type stage struct {
	t *testing.T
	// name is that of the release, its Namespace, and its objects.
	name    string
	objects []map[string]any
	// webhook and controller are nil until they are started; the directories are what a kubelet would mount.
	webhook                   *serving.Webhook
	controller                *serving.Controller
	webhookDir, controllerDir string
	kubeconfig                string
}

// Plurals of what is applied; the Deployments are not.
var plurals = map[string]string{
	"CustomResourceDefinition": "customresourcedefinitions", "ServiceAccount": "serviceaccounts", "Secret": "secrets",
	"ClusterRole": "clusterroles", "ClusterRoleBinding": "clusterrolebindings", "Role": "roles", "RoleBinding": "rolebindings",
	"MutatingWebhookConfiguration": "mutatingwebhookconfigurations", "ValidatingWebhookConfiguration": "validatingwebhookconfigurations",
	"Issuer": "issuers", "Certificate": "certificates",
}

// newStage installs the chart with some values, all but the webhook configurations, which need to know where the programs are.
func newStage(t *testing.T, name string, values ...string) *stage {
	t.Helper()
	useControlPlane(t)
	s := &stage{t: t, name: name, webhookDir: t.TempDir(), controllerDir: t.TempDir()}
	for _, ns := range []string{name, s.required()} {
		do(t, http.MethodPost, "/api/v1/namespaces", map[string]any{"metadata": map[string]any{"name": ns, "labels": map[string]string{"pillion.dev/injection": "required"}}}, nil)
	}
	await(t, "the Namespace has its ServiceAccount", func() error {
		return try(http.MethodGet, "/api/v1/namespaces/"+s.required()+"/serviceaccounts/default", nil, nil)
	})
	s.install(values...)
	s.account()
	return s
}

// install renders the chart with some values and applies all but the webhook configurations; objects are those of this rendering.
func (s *stage) install(values ...string) {
	s.t.Helper()
	t, name := s.t, s.name
	s.objects = nil
	args := []string{"template", name, "../../charts/pillion", "--namespace", name, "--set", "fullnameOverride=" + name, "--set", "controller.dryRun=false"}
	for _, v := range values {
		if file, found := strings.CutPrefix(v, "file "); found {
			args = append(args, "--set-file", file)
			continue
		}
		args = append(args, "--set", v)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(plane.bin, "helm"), args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	manifest, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, &errs)
	}
	for docs := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(manifest))); ; {
		doc, err := docs.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		var o map[string]any
		if err == nil {
			err = sigsyaml.Unmarshal(doc, &o)
		}
		if err != nil {
			t.Fatal(err)
		}
		if o != nil {
			s.objects = append(s.objects, o)
		}
	}
	for _, o := range s.objects {
		if o["kind"] == "Certificate" && o["spec"].(map[string]any)["dnsNames"] != nil {
			o["spec"].(map[string]any)["dnsNames"] = []string{"localhost"}
		}
		if plurals[o["kind"].(string)] != "" && !strings.HasSuffix(o["kind"].(string), "WebhookConfiguration") {
			s.apply(o)
		}
	}
}

// required is the Namespace that requires injection.
func (s *stage) required() string { return s.name + "-required" }

func metadata(o map[string]any) map[string]any { return o["metadata"].(map[string]any) }

// apply writes an object as helm does, by server-side apply.
func (s *stage) apply(o map[string]any) {
	s.t.Helper()
	path, namespaced := pathOf(o)
	text, err := json.Marshal(o)
	if err != nil {
		s.t.Fatal(err)
	}
	await(s.t, "apply", func() error { // of a CRD's kind a moment after the CRD
		status, answer, err := request(http.MethodPatch, path+"?fieldManager=helm&force=true&fieldValidation=Strict", "application/apply-patch+yaml", text)
		if err == nil && status/100 != 2 {
			err = fmt.Errorf("%s: %d %s", path, status, answer)
		}
		return err
	})
	if !namespaced && o["kind"] != "CustomResourceDefinition" {
		s.t.Cleanup(func() { _ = try(http.MethodDelete, path, nil, nil) })
	}
}

func pathOf(o map[string]any) (path string, namespaced bool) {
	path = "/apis/" + o["apiVersion"].(string)
	if o["apiVersion"] == "v1" {
		path = "/api/v1"
	}
	if namespaced = metadata(o)["namespace"] != nil; namespaced {
		path += "/namespaces/" + metadata(o)["namespace"].(string)
	}
	return path + "/" + plurals[o["kind"].(string)] + "/" + metadata(o)["name"].(string), namespaced
}

// account makes a kubeconfig of the controller's ServiceAccount.
func (s *stage) account() {
	s.t.Helper()
	var token struct{ Status struct{ Token string } }
	do(s.t, http.MethodPost, "/api/v1/namespaces/"+s.name+"/serviceaccounts/"+s.name+"-controller/token", []byte(`{"spec":{"expirationSeconds":7200}}`), &token)
	s.kubeconfig = filepath.Join(s.t.TempDir(), "kubeconfig")
	write(s.t, filepath.Dir(s.kubeconfig), "kubeconfig", serving.TokenKubeconfig(plane.control.URL(), plane.control.CA(), token.Status.Token))
}

// flags gives a component's flags as the chart has them, but for the addresses, and with localhost for the Services' names: the
// API server calls by URL here.
func (s *stage) flags(component string, more ...string) (flags []string) {
	s.t.Helper()
	for _, o := range s.objects {
		labels, _ := metadata(o)["labels"].(map[string]any)
		if o["kind"] != "Deployment" || labels["app.kubernetes.io/component"] != component {
			continue
		}
		pod := o["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)
		for _, arg := range pod["containers"].([]any)[0].(map[string]any)["args"].([]any) {
			flag := arg.(string)
			switch name, _, _ := strings.Cut(flag, "="); name {
			case "--listen-address", "--metrics-address", "--tls-dir":
			case "--certs-serving":
				flags = append(flags, flag[:strings.LastIndex(flag, "=")]+"=localhost")
			default:
				flags = append(flags, flag)
			}
		}
	}
	return append(flags, more...)
}

// startWebhook starts the real webhook on the directory that mount fills.
func (s *stage) startWebhook(more ...string) {
	s.t.Helper()
	w, err := serving.Start(s.t.Context(), serving.Config{Program: plane.webhook, TLSDir: s.webhookDir, Kubeconfig: plane.control.Kubeconfig(),
		Flags: s.flags("webhook", append([]string{"--own-namespace=" + s.name}, more...)...), Log: &testLog{t: s.t, prefix: "webhook"}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(w.Stop)
	s.webhook = w
}

// startController starts the real controller, with the rights that the chart gives it.
func (s *stage) startController(more ...string) *serving.Controller {
	s.t.Helper()
	s.t.Setenv("POD_NAMESPACE", s.name)
	c, err := serving.StartController(s.t.Context(), serving.ControllerConfig{Program: plane.controller, Kubeconfig: s.kubeconfig, Namespace: s.name,
		TLSDir: s.controllerDir, Flags: s.flags("controller", append([]string{"--audit-interval=0"}, more...)...), Log: &testLog{t: s.t, prefix: "controller"}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(c.Stop)
	s.controller = c
	return c
}

// register applies the webhook configurations, with the programs' addresses.
func (s *stage) register() {
	s.t.Helper()
	for _, o := range s.objects {
		var at string
		switch o["kind"] {
		case "MutatingWebhookConfiguration":
			at = s.webhook.Port()
		case "ValidatingWebhookConfiguration":
			if s.controller == nil {
				continue
			}
			at = strings.TrimSuffix(s.controller.URL[strings.LastIndex(s.controller.URL, ":")+1:], "/validate")
		default:
			continue
		}
		for _, w := range o["webhooks"].([]any) {
			w.(map[string]any)["timeoutSeconds"] = 30 // the longest: what is late on a slow machine is not lost
			client := w.(map[string]any)["clientConfig"].(map[string]any)
			path := ""
			if service, ok := client["service"].(map[string]any); ok {
				path = service["path"].(string)
				delete(client, "service")
			} else if of, err := url.Parse(client["url"].(string)); err == nil { // registered before
				path = of.Path
			}
			client["url"] = "https://localhost:" + at + path
		}
		s.apply(o)
	}
}

// secret reads a Secret's files.
func (s *stage) secret(name string) (*certs.Files, error) {
	var o struct{ Data map[string][]byte }
	err := try(http.MethodGet, "/api/v1/namespaces/"+s.name+"/secrets/"+name, nil, &o)
	return &certs.Files{Cert: o.Data[certs.CertFile], Key: o.Data[certs.KeyFile], CA: o.Data[certs.CAFile]}, err
}

// mount does what a kubelet does with a Secret's volume, until the test ends: a new directory beside the old one, and one
// symbolic link moved. It comes late by the given time.
func (s *stage) mount(name, dir string, late time.Duration) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	s.t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		var last *certs.Files
		for n := 0; ctx.Err() == nil; n++ {
			if f, err := s.secret(name); err == nil && len(f.Cert) > 0 && len(f.Key) > 0 && (last == nil || !equal(f, last)) {
				pause(ctx, late)
				if err := project(dir, fmt.Sprintf("..%d", n), f); err != nil && ctx.Err() == nil {
					s.t.Error(err)
				}
				last = f
			}
			pause(ctx, 100*time.Millisecond)
		}
	}()
}

func equal(a, b *certs.Files) bool {
	return bytes.Equal(a.Cert, b.Cert) && bytes.Equal(a.Key, b.Key) && bytes.Equal(a.CA, b.CA)
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// project writes files as a projected volume has them.
func project(dir, name string, f *certs.Files) error {
	if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
		return err
	}
	for file, content := range map[string][]byte{certs.CertFile: f.Cert, certs.KeyFile: f.Key, certs.CAFile: f.CA} {
		if err := os.WriteFile(filepath.Join(dir, name, file), content, 0o600); err != nil {
			return err
		}
	}
	old, _ := os.Readlink(filepath.Join(dir, "..data"))
	err := errors.Join(os.Symlink(name, filepath.Join(dir, "..data_tmp")), os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	for _, file := range []string{certs.CertFile, certs.KeyFile, certs.CAFile} {
		if link := os.Symlink("..data/"+file, filepath.Join(dir, file)); link != nil && !os.IsExist(link) {
			err = errors.Join(err, link)
		}
	}
	if old != "" {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, old)))
	}
	return err
}

// testLog passes a program's log lines on while the test runs.
type testLog struct {
	t      *testing.T
	prefix string
	mu     sync.Mutex
	text   bytes.Buffer
}

func (l *testLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if os.Getenv("PILLION_TEST_LOGS") != "" {
		fmt.Fprintf(os.Stderr, "%s: %s", l.prefix, line)
	}
	return l.text.Write(line)
}
