package failsafe

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestColdStart stops etcd, API server and controller-manager and starts them again, with the webhook registered and dead:
// all that a cluster makes by itself is made, and the webhook, once it is up, finds everything as it was.
func TestColdStart(t *testing.T) {
	b := use(t)
	b.killAll()
	b.call(t, byService(b.service.port(), b.ca.Cert))
	b.down(t)
	b.namespace(t, "cold", nil, nil)
	b.namespace(t, "cold-required", map[string]string{label: "required"}, nil)
	b.control.Stop()
	began := time.Now()
	if err := b.bringUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("the control plane is back after %.1f s", time.Since(began).Seconds())

	// What the system needs is made in its Namespace, even where a template asks for sidecars.
	for name, template := range map[string]string{"kube-system": `,"annotations":{"pillion.dev/inject":"rider"}`, "cold": ""} {
		text := fmt.Sprintf(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"w"},"spec":{"replicas":2,"selector":{"matchLabels":{"of":"cold"}},
			"template":{"metadata":{"labels":{"of":"cold"}%s},"spec":{"schedulerName":"none","containers":[{"name":"app","image":"app:1"}]}}}}`, template)
		if err := b.kube.CoreV1().RESTClient().Post().AbsPath("/apis/apps/v1/namespaces/" + name + "/deployments").Body([]byte(text)).Do(t.Context()).Error(); err != nil {
			t.Fatal(err)
		}
		await(t, "Pods in "+name, func() error {
			list, err := b.kube.CoreV1().Pods(name).List(t.Context(), metav1.ListOptions{LabelSelector: "of=cold"})
			if err == nil && len(list.Items) != 2 {
				err = fmt.Errorf("there are %d", len(list.Items))
			}
			return err
		})
	}
	// A Namespace gets its ServiceAccount and its CA from the controllers, not from this test.
	text := []byte(`{"metadata":{"name":"cold-new"}}`)
	if err := b.kube.CoreV1().RESTClient().Post().AbsPath("/api/v1/namespaces").Body(text).Do(t.Context()).Error(); err != nil {
		t.Fatal(err)
	}
	await(t, "the ServiceAccount and the CA of a new Namespace", func() error {
		_, account := b.kube.CoreV1().ServiceAccounts("cold-new").Get(t.Context(), "default", metav1.GetOptions{})
		_, ca := b.kube.CoreV1().ConfigMaps("cold-new").Get(t.Context(), "kube-root-ca.crt", metav1.GetOptions{})
		return errors.Join(account, ca)
	})
	b.down(t)
	if _, err := b.create(t.Context(), "cold-required", pod(nil), true); err == nil || !strings.Contains(err.Error(), wantsWebhook) {
		t.Errorf("where the webhook must answer: %v", err)
	}
	t.Logf("all of it after %.1f s", time.Since(began).Seconds())
	r := b.replica(t, b.ca)
	defer r.Stop()
	b.inForce(t)
}
