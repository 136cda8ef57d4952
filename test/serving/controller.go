package serving

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// ControllerConfig says how a controller runs.
type ControllerConfig struct {
	// Program is what BuildController built; empty builds it.
	Program string
	// Kubeconfig names the API server and who the controller is to it.
	Kubeconfig string
	// Namespace is that of the Lease and of dry runs.
	Namespace string
	// TLSDir holds the certificate to serve, now or later; empty has the program make one.
	TLSDir string
	// Flags are added to those that follow from the above.
	Flags []string
	// Log receives the controller's log lines; nil discards them.
	Log io.Writer
}

// Controller is a running pillion-controller. Its URL is that of the validating path.
type Controller struct{ *Webhook }

// BuildController builds the program into a directory and gives its path.
func BuildController(ctx context.Context, dir string) (string, error) {
	return build(ctx, dir, "pillion-controller")
}

// StartController starts the program; it returns when it says that it serves. ctx bounds the start alone.
func StartController(ctx context.Context, cfg ControllerConfig) (*Controller, error) {
	dir, err := os.MkdirTemp("", "pillion-controller-")
	if err != nil {
		return nil, err
	}
	c := &Controller{&Webhook{dir: dir, done: make(chan struct{})}}
	if err := c.start(ctx, cfg); err != nil {
		c.Stop()
		return nil, err
	}
	return c, nil
}

func (c *Controller) start(ctx context.Context, cfg ControllerConfig) (err error) {
	if cfg.Program == "" {
		if cfg.Program, err = BuildController(ctx, c.dir); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	certificate := "--self-signed"
	if cfg.TLSDir != "" {
		certificate = "--tls-dir=" + cfg.TLSDir
		if c.CA, err = readCAFile(cfg.TLSDir); err != nil {
			return err
		}
	}
	args := append([]string{certificate, "--listen-address=127.0.0.1:0", "--metrics-address=127.0.0.1:0", "--kubeconfig=" + cfg.Kubeconfig,
		"--leader-election-namespace=" + cfg.Namespace, "--dry-run-namespace=" + cfg.Namespace}, cfg.Flags...)
	c.cmd = exec.Command(cfg.Program, args...)
	c.cmd.Env = append(os.Environ(), "TMPDIR="+c.dir, "POD_NAMESPACE="+cfg.Namespace)
	c.cmd.SysProcAttr = dieWithParent()
	stdout, out := io.Pipe()
	stderr, logs := io.Pipe()
	c.cmd.Stdout, c.cmd.Stderr = out, logs
	if err := c.cmd.Start(); err != nil {
		return err
	}
	go func() {
		defer close(c.done)
		_ = c.cmd.Wait()
		_ = errors.Join(out.Close(), logs.Close())
	}()
	ca, serving := make(chan []byte, 1), make(chan servingLine, 1)
	go readCA(stdout, ca)
	tail := &lastLines{}
	go readLog(stderr, cfg.Log, tail, serving)
	if err := c.await(ctx, ca, serving, tail); err != nil {
		return fmt.Errorf("pillion-controller: %w", err)
	}
	c.URL = strings.TrimSuffix(c.URL, "/mutate") + "/validate"
	return nil
}

// Registration gives a ValidatingWebhookConfiguration of that name for the controller, as JSON: creation and change of
// entries. The failure policy is Fail.
func (c *Controller) Registration(name string) []byte {
	config := map[string]any{
		"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
		"metadata": map[string]any{"name": name},
		"webhooks": []any{map[string]any{
			"name": "entries.pillion.dev", "admissionReviewVersions": []string{"v1"}, "sideEffects": "None",
			"failurePolicy": "Fail", "timeoutSeconds": 30, "matchPolicy": "Equivalent",
			"clientConfig": map[string]any{"url": c.URL, "caBundle": base64.StdEncoding.EncodeToString(c.CA)},
			"rules": []any{map[string]any{"apiGroups": []string{"pillion.dev"}, "apiVersions": []string{"v1alpha1"},
				"operations": []string{"CREATE", "UPDATE"}, "resources": []string{"clustersidecars", "sidecars"}, "scope": "*"}},
		}},
	}
	b, err := json.Marshal(config)
	if err != nil {
		panic(err) // a constant shape
	}
	return b
}

// TokenKubeconfig gives a kubeconfig of a ServiceAccount, by its token.
func TokenKubeconfig(url string, ca []byte, token string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "apiVersion: v1\nkind: Config\nclusters:\n- {name: c, cluster: {server: %q, certificate-authority-data: %s}}\n", url, base64.StdEncoding.EncodeToString(ca))
	fmt.Fprintf(&b, "users:\n- {name: u, user: {token: %q}}\ncontexts:\n- {name: x, context: {cluster: c, user: u}}\ncurrent-context: x\n", token)
	return b.Bytes()
}
