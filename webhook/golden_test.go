package webhook_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pillion-dev/pillion/certs"
	"github.com/pillion-dev/pillion/sidecars"
	"github.com/pillion-dev/pillion/test/golden"
	"github.com/pillion-dev/pillion/webhook"
)

// TestGolden asks the real server, over TLS, what becomes of every golden Pod. It answers as the case says, also for a dry
// run and for a second time.
func TestGolden(t *testing.T) {
	cases, err := golden.Cases()
	if err != nil {
		t.Fatal(err)
	}
	server := startGolden(t, cases)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			res := server.review(t, c, false)
			wantAnswer(t, c, res)
			if again := server.review(t, c, true); !cmp.Equal(res, again) {
				t.Errorf("dry run (-real +dry):\n%s", cmp.Diff(res, again))
			}
			if !c.Injected() {
				return
			}
			patch, err := jsonpatch.DecodePatch(res.Patch)
			if err != nil {
				t.Fatal(err)
			}
			got, err := patch.Apply(c.Pod)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tree(t, c.Want), tree(t, got)); diff != "" {
				t.Errorf("Pod (-want +got):\n%s", diff)
			}
		})
	}
}

// wantAnswer holds what a review can say of a case: all but the sidecars and reasons of Pods that are not injected, which
// are in the audit annotations.
func wantAnswer(t *testing.T, c *golden.Case, res *admissionv1.AdmissionResponse) {
	t.Helper()
	want := admissionv1.AdmissionResponse{UID: types.UID("uid-" + c.Name), Allowed: !c.Refused(), Warnings: c.Answer.Warnings}
	if c.Injected() {
		jsonPatch := admissionv1.PatchTypeJSONPatch
		want.PatchType = &jsonPatch
	}
	if c.Refused() {
		want.Result = &metav1.Status{Status: metav1.StatusFailure, Reason: metav1.StatusReasonForbidden, Code: http.StatusForbidden,
			Message: c.Answer.Message()}
	}
	got := *res
	got.Patch, got.AuditAnnotations = nil, nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if len(res.Patch) > 0 != c.Injected() {
		t.Errorf("outcome %s has the patch %q", c.Answer.Outcome, res.Patch)
	}
	if c.Answer.Outcome == "skipped" && c.Answer.Reason == "notRequested" && len(c.Answer.Warnings) == 0 {
		if res.AuditAnnotations != nil {
			t.Errorf("a Pod that asks for nothing leaves %v", res.AuditAnnotations)
		}
		return
	}
	audit := map[string]string{"outcome": c.Answer.Outcome, "reason": c.Answer.Reason, "sidecars": strings.Join(c.Answer.Sidecars, ",")}
	for key, want := range audit {
		if got := res.AuditAnnotations[key]; got != want {
			t.Errorf("audit annotation %s is %q, want %q", key, got, want)
		}
	}
}

type goldenServer struct {
	url    string
	client *http.Client
}

// goldenHandler serves the golden catalog and knows the cases' Namespaces.
func goldenHandler(t *testing.T, cases []*golden.Case) *webhook.Handler {
	t.Helper()
	files, err := golden.Catalog()
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := sidecars.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	namespaces := map[string]sidecars.Namespace{}
	for _, c := range cases {
		namespaces[c.Name] = sidecars.Namespace(c.Namespace)
	}
	return webhook.NewHandler(webhook.Options{
		Catalog:   func() *sidecars.Catalog { return catalog },
		Namespace: func(name string) (sidecars.Namespace, bool) { ns, ok := namespaces[name]; return ns, ok },
	})
}

// startGolden serves a goldenHandler over TLS.
func startGolden(t *testing.T, cases []*golden.Case) *goldenServer {
	t.Helper()
	handler := goldenHandler(t, cases)
	pair, err := certs.SelfSigned(nil, []net.IP{net.IPv4(127, 0, 0, 1)}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := pair.WriteTo(dir); err != nil {
		t.Fatal(err)
	}
	metrics := webhook.NewMetrics()
	server, err := webhook.NewServer(webhook.ServerOptions{
		Address: "127.0.0.1:0", CertDir: dir, Drain: webhook.NewDrain(time.Millisecond, time.Second, metrics),
		Log: slog.New(slog.DiscardHandler), Metrics: metrics,
	})
	if err != nil {
		t.Fatal(err)
	}
	server.Register(webhook.PathMutate, handler)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pair.CA)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}, ForceAttemptHTTP2: true}}
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- server.Start(ctx) }()
	t.Cleanup(func() {
		client.CloseIdleConnections()
		cancel()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
	return &goldenServer{url: "https://" + server.Addr().String() + webhook.PathMutate + "?timeout=5s", client: client}
}

// goldenReview is what the API server asks of a case's Pod.
func goldenReview(t *testing.T, c *golden.Case, dryRun bool) []byte {
	t.Helper()
	pods := metav1.GroupVersionResource{Version: "v1", Resource: "pods"}
	kind := metav1.GroupVersionKind{Version: "v1", Kind: "Pod"}
	review := admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{UID: types.UID("uid-" + c.Name), Kind: kind, Resource: pods, RequestKind: &kind, RequestResource: &pods,
			Namespace: c.Name, Operation: admissionv1.Create, Object: runtime.RawExtension{Raw: c.Pod}, DryRun: &dryRun},
	}
	body, err := json.Marshal(review)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// review asks as the API server does.
func (s *goldenServer) review(t *testing.T, c *golden.Case, dryRun bool) *admissionv1.AdmissionResponse {
	t.Helper()
	answer, err := s.client.Post(s.url, "application/json", bytes.NewReader(goldenReview(t, c, dryRun)))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK || answer.ProtoMajor != 2 {
		t.Fatalf("answer %s over %s, want 200 over HTTP/2", answer.Status, answer.Proto)
	}
	var got admissionv1.AdmissionReview
	if err := json.NewDecoder(answer.Body).Decode(&got); err != nil || got.Response == nil {
		t.Fatalf("no review in the answer: %v", err)
	}
	return got.Response
}

func tree(t *testing.T, text []byte) any {
	t.Helper()
	v, err := golden.Tree(text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
