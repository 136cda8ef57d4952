package failsafe

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pillion-dev/pillion/test/cluster/pki"
)

// another registers a webhook of somebody else, which makes one change to every Pod of a Namespace, until the function that
// it gives is called.
func (b *bed) another(t *testing.T, name, space, patch string) (end func()) {
	t.Helper()
	leaf, err := b.ca.Issue(pki.Server("another", "127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(leaf.Cert, leaf.Key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review admissionv1.AdmissionReview
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		kind := admissionv1.PatchTypeJSONPatch
		review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true, Patch: []byte(patch), PatchType: &kind}
		review.Request = nil
		_ = json.NewEncoder(w).Encode(review) // the API server notices
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.StartTLS()
	configurations := b.kube.AdmissionregistrationV1().MutatingWebhookConfigurations()
	text := fmt.Appendf(nil, `{"apiVersion":"admissionregistration.k8s.io/v1","kind":"MutatingWebhookConfiguration","metadata":{"name":%q},"webhooks":[{"name":"another.example.com",
		"admissionReviewVersions":["v1"],"sideEffects":"None","failurePolicy":"Fail","clientConfig":{"url":%q,"caBundle":%q},
		"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":%q}},
		"rules":[{"apiGroups":[""],"apiVersions":["v1"],"operations":["CREATE"],"resources":["pods"]}]}]}`,
		name, server.URL, base64.StdEncoding.EncodeToString(b.ca.Cert), space)
	if err := b.kube.CoreV1().RESTClient().Post().AbsPath("/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations").Body(text).Do(t.Context()).Error(); err != nil {
		t.Fatal(err)
	}
	return func() {
		_ = configurations.Delete(context.Background(), name, metav1.DeleteOptions{})
		server.Close()
	}
}

// TestAnotherWebhookThatAsks adds the request to Pods that had none. Before Pillion is called, it is met; afterwards only
// where Pillion saw the Pod in the first round, as it does in labelled Namespaces. Else the Pod is refused rather than bare.
func TestAnotherWebhookThatAsks(t *testing.T) {
	b := use(t)
	b.killAll()
	b.call(t, byService(b.service.port(), b.ca.Cert))
	r := b.replica(t, b.ca)
	defer r.Stop()
	b.inForce(t)
	const patch = `[{"op":"add","path":"/metadata/annotations","value":{"pillion.dev/inject":"rider"}}]`
	for _, row := range []struct{ name, label, want string }{
		{"a-before", "", ""},
		{"z-after", "", byPolicy + sidecar},
		{"z-after", "enabled", ""},
	} {
		t.Run(row.name+row.label, func(t *testing.T) {
			labels := map[string]string{label: row.label}
			if row.label == "" {
				labels = nil
			}
			space := b.namespace(t, row.name+row.label, labels, nil)
			defer b.another(t, row.name, space, patch)()
			await(t, "what becomes of a Pod", func() error {
				p, err := b.create(t.Context(), space, pod(nil), true)
				switch {
				case row.want == "" && (err != nil || !injected(p)):
					return errors.New(fmt.Sprint("it is not injected: ", err))
				case row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)):
					return errors.New(fmt.Sprint("it gets ", err))
				}
				return nil
			})
		})
	}
}
