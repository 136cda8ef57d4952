package apiserver

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/test/serving"
)

// TestControllerMayOnlyDryRunPods uses the controller's own token.
func TestControllerMayOnlyDryRunPods(t *testing.T) {
	useDefinitions(t)
	shared, err := useControllers()
	if err != nil {
		t.Fatal(err)
	}
	as := func(method, path string, body []byte) *serving.Answer {
		transport := plane.client.Transport.(*http.Transport).Clone()
		transport.TLSClientConfig.Certificates = nil
		defer transport.CloseIdleConnections()
		a, err := serving.Do(&http.Client{Transport: bearer{shared.token, transport}}, method, plane.url+path, body)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	pod := []byte(`{"metadata":{"name":"web"},"spec":{"containers":[{"name":"app","image":"app:1"}]}}`)
	pods := "/api/v1/namespaces/" + controllerTenant + "/pods"
	await(t, "the policy is in force", func() error {
		a := as(http.MethodPost, pods, pod)
		if a.Status == http.StatusCreated {
			remove(t, pods+"/web?gracePeriodSeconds=0")
		}
		if a.Status != http.StatusForbidden || !strings.Contains(a.Message(), "by dry run only") {
			return fmt.Errorf("%d %s", a.Status, a.Message())
		}
		return nil
	})
	wantStatus(t, as(http.MethodPost, pods+"?dryRun=All", pod), http.StatusCreated)
	for _, c := range []struct{ method, path, body string }{
		{http.MethodPost, clusterPath, string(entryJSON(t, "ClusterSidecar", "ctl-own", "", ""))},
		{http.MethodGet, "/api/v1/secrets", ""},
		{http.MethodDelete, pods + "/web", ""},
		{http.MethodPost, "/api/v1/namespaces/" + controllerTenant + "/pods/web/exec", ""},
	} {
		if a := as(c.method, c.path, []byte(c.body)); a.Status != http.StatusForbidden {
			t.Errorf("%s %s: %d %s", c.method, c.path, a.Status, a.Message())
		}
	}
	// Others create Pods as ever.
	wantStatus(t, ask(t, http.MethodPost, pods+"?dryRun=All", "", pod), http.StatusCreated)
	wantStatus(t, ask(t, http.MethodPost, pods, "", pod), http.StatusCreated)
	remove(t, pods+"/web?gracePeriodSeconds=0")
}

// bearer sends a token.
type bearer struct {
	token string
	next  http.RoundTripper
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.next.RoundTrip(r)
}
