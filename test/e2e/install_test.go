package e2e

import (
	"context"
	"embed"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/e2e-framework/klient/decoder"
	"sigs.k8s.io/e2e-framework/klient/k8s"
	"sigs.k8s.io/e2e-framework/klient/k8s/resources"
	"sigs.k8s.io/e2e-framework/klient/wait"
	"sigs.k8s.io/e2e-framework/klient/wait/conditions"

	"github.com/pillion-dev/pillion/certs"
)

//go:embed manifests/*.yaml
var manifests embed.FS

const (
	system  = "pillion-system"
	service = "pillion-webhook." + system + ".svc"
)

// install puts the webhook onto the bed: two replicas behind a Service, registered, and answering.
func install(ctx context.Context, r *resources.Resources) error {
	pair, err := certs.SelfSigned([]string{service}, nil, 24*time.Hour)
	if err != nil {
		return err
	}
	if err := createFile(ctx, r, "manifests/namespace.yaml", nil); err != nil {
		return err
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "pillion-webhook-tls", Namespace: system}, Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{corev1.TLSCertKey: pair.Cert, corev1.TLSPrivateKeyKey: pair.Key, "ca.crt": pair.CA}}
	if err := create(ctx, r, secret); err != nil {
		return err
	}
	if err := createFile(ctx, r, "manifests/webhook.yaml", nil); err != nil {
		return err
	}
	if err := wait.For(conditions.New(r).DeploymentAvailable("pillion-webhook", system), wait.WithTimeout(2*time.Minute), wait.WithInterval(200*time.Millisecond)); err != nil {
		return fmt.Errorf("the webhook does not become available: %w", err)
	}
	bundle := strings.NewReplacer("CA_BUNDLE", base64.StdEncoding.EncodeToString(pair.CA))
	if err := createFile(ctx, r, "manifests/registration.yaml", bundle); err != nil {
		return err
	}
	return answers(ctx, r)
}

// answers waits until the API server's path to the webhook is there: kube-proxy programs a Service some time after its Pods
// are ready.
func answers(ctx context.Context, r *resources.Resources) error {
	var last error
	err := wait.For(func(context.Context) (bool, error) {
		probe := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "probe", Namespace: "default", Annotations: map[string]string{"pillion.dev/inject": "no-such-sidecar"}},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "localhost/app:v1"}}}}
		last = r.Create(ctx, probe, func(o *metav1.CreateOptions) { o.DryRun = []string{metav1.DryRunAll} })
		return last != nil && strings.Contains(last.Error(), "no such sidecar"), nil
	}, wait.WithTimeout(time.Minute), wait.WithInterval(200*time.Millisecond))
	if err != nil {
		return fmt.Errorf("the webhook is not reached: %w; the last answer: %w", err, last)
	}
	return nil
}

func createFile(ctx context.Context, r *resources.Resources, name string, replace *strings.Replacer) error {
	text, err := manifests.ReadFile(name)
	if err != nil {
		return err
	}
	if replace != nil {
		text = []byte(replace.Replace(string(text)))
	}
	return decoder.DecodeEach(ctx, strings.NewReader(string(text)), func(ctx context.Context, o k8s.Object) error { return create(ctx, r, o) })
}

// create creates an object; one that an earlier run left is taken as it is.
func create(ctx context.Context, r *resources.Resources, o k8s.Object) error {
	err := r.Create(ctx, o)
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}
