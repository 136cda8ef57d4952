package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/e2e-framework/klient/k8s/resources"
	"sigs.k8s.io/e2e-framework/klient/wait"
)

const (
	system = "pillion-system"

	// pillionVariable names the command line program.
	pillionVariable = "E2E_PILLION"

	// certManagerVariable names the folder of cert-manager's chart, as its module has it: NAME@VERSION/deploy/charts/cert-manager.
	certManagerVariable = "E2E_CERT_MANAGER"
)

// command runs a program and gives what it prints; what goes wrong is told with all that it said.
func command(ctx context.Context, name string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out), err
}

// installCertManager installs cert-manager from its own chart. That chart in the module has no version yet; the job that
// waits for the API is left out, as its image is a command that is not published, and so is the probe of the controller's
// health, which is that command's too.
func installCertManager(ctx context.Context) error {
	source := os.Getenv(certManagerVariable)
	_, version, found := strings.Cut(source, "@")
	version, _, _ = strings.Cut(version, "/")
	if !found {
		return fmt.Errorf("%s=%s: want the folder of cert-manager's chart", certManagerVariable, source)
	}
	dir, err := os.MkdirTemp("", "cert-manager-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if _, err := command(ctx, "helm", "package", source, "--version", version, "--app-version", version, "--destination", dir); err != nil {
		return err
	}
	_, err = command(ctx, "helm", "upgrade", "--install", "cert-manager", filepath.Join(dir, "cert-manager-"+version+".tgz"),
		"--namespace", "cert-manager", "--create-namespace", "--wait", "--timeout", "3m",
		"--set", "crds.enabled=true,startupapicheck.enabled=false,livenessProbe.enabled=false")
	return err
}

// chart is Pillion's, packaged as it is published.
var chart string

// packagePillion sets chart, to a file in a directory.
func packagePillion(ctx context.Context, dir string) error {
	out, err := command(ctx, "helm", "package", "../../charts/pillion", "--destination", dir)
	if err != nil {
		return err
	}
	chart = strings.TrimSpace(out[strings.LastIndex(out, ": ")+2:])
	return nil
}

// installPillion does what the chart's page says, with the node helper; more are helm's further arguments.
func installPillion(ctx context.Context, more ...string) error {
	_, err := command(ctx, "helm", append([]string{"upgrade", "--install", "pillion", chart,
		"--namespace", system, "--create-namespace", "--wait", "--timeout", "3m",
		"--set", "node.enabled=true,node.requirePlugin=true"}, more...)...)
	return err
}

// answers waits until the API server's path to the webhook is there: kube-proxy programs a Service some time after its Pods
// are ready, and cert-manager puts the CA into the webhook's registration after that is made.
func answers(ctx context.Context, r *resources.Resources) error {
	last := errors.New("none")
	err := wait.For(func(context.Context) (bool, error) {
		last = r.Create(ctx, asking("no-such-sidecar"), dryRun)
		return last != nil && strings.Contains(last.Error(), "no such sidecar"), nil
	}, wait.WithTimeout(time.Minute), wait.WithInterval(200*time.Millisecond))
	if err != nil {
		return fmt.Errorf("the webhook is not reached: %w; the last answer: %w", err, last)
	}
	return nil
}

func dryRun(o *metav1.CreateOptions) { o.DryRun = []string{metav1.DryRunAll} }

// asking is a small Pod of the Namespace default that asks for sidecars; more are annotations, key and value in turn.
func asking(sidecars string, more ...string) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "asks", Namespace: "default", Annotations: map[string]string{"pillion.dev/inject": sidecars}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "app", Image: "localhost/app:v1", Args: []string{"serve", "--listen=:8080"},
		}}},
	}
	for i := 0; i+1 < len(more); i += 2 {
		p.Annotations[more[i]] = more[i+1]
	}
	return p
}
