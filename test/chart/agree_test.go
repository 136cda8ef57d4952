package chart

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/sidecars"
	"github.com/pillion-dev/pillion/test/serving"
)

// TestPolicyAgreesWithTheCore goes through every combination of what a Namespace and a Pod may say, while the webhook is
// down. With an empty catalog the core can meet no request: what it denies is what the policy has to refuse, and what it
// skips or ignores is what the policy has to let pass.
func TestPolicyAgreesWithTheCore(t *testing.T) {
	useChart(t)
	catalog := sidecars.NewCatalog()
	asks, policies := []string{"-", "proxy", "false", ""}, []string{"-", "Ignore", "Fail"}
	kinds := map[string]func(map[string]any){"": nil, "host network": onHostNetwork, "Windows": onWindows}
	counts, i := map[string]int{}, 0
	for _, labelled := range []string{"-", "enabled", "required", "other"} {
		for _, nsAsks := range asks {
			for _, nsPolicy := range policies {
				ns := &sidecars.Namespace{Name: fmt.Sprintf("agree-%d", i), Labels: said(label, labelled), Annotations: said(inject, nsAsks, policy, nsPolicy)}
				i++
				makeNamespace(t, ns.Name, ns.Labels, ns.Annotations)
				for _, podAsks := range append(asks, "proxy, proxy-two") {
					for _, podPolicy := range policies {
						for kind, tweak := range kinds {
							what := fmt.Sprintf("Namespace %v %v, Pod %q %q %s", ns.Labels, ns.Annotations, podAsks, podPolicy, kind)
							object := pod("p", said(inject, podAsks, policy, podPolicy))
							if tweak != nil {
								tweak(object["spec"].(map[string]any))
							}
							got, want := outcome(t, ns.Name, object), wanted(t, catalog, ns, object)
							counts[want]++
							if got != want {
								t.Errorf("%s: %s, want %s", what, got, want)
							}
						}
					}
				}
			}
		}
	}
	if counts[created] < 100 || counts[refused] < 100 || counts[closed] < 100 {
		t.Errorf("the table has %v", counts)
	}
}

// said gives a map of keys and values, without those that are "-".
func said(keysAndValues ...string) map[string]string {
	out := map[string]string{}
	for i := 0; i < len(keysAndValues); i += 2 {
		out[keysAndValues[i]] = keysAndValues[i+1]
	}
	maps.DeleteFunc(out, func(_, v string) bool { return v == "-" })
	return out
}

func wanted(t *testing.T, catalog *sidecars.Catalog, ns *sidecars.Namespace, object map[string]any) string {
	t.Helper()
	if ns.Labels[label] == "required" {
		return closed
	}
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	p, err := sidecars.ReadPod(text)
	if err != nil {
		t.Fatal(err)
	}
	if sidecars.Inject(catalog, p, ns).Outcome == sidecars.Denied {
		return refused
	}
	return created
}

// outcome creates a Pod in a dry run, while the webhook is down.
func outcome(t *testing.T, namespace string, object map[string]any) string {
	t.Helper()
	var a *serving.Answer
	// The API server's own view of a Namespace may be a moment old.
	await(t, "the Namespace is known", func() error {
		a = do(t, http.MethodPost, "/api/v1/namespaces/"+namespace+"/pods?dryRun=All", object)
		if a.Status == http.StatusNotFound {
			return errors.New(a.Message())
		}
		return nil
	})
	switch {
	case a.Status == http.StatusCreated:
		return created
	case a.Status == http.StatusForbidden && strings.Contains(a.Message(), "pillion: sidecars asked for but not injected: "):
		return refused
	case a.Status == http.StatusInternalServerError && strings.Contains(a.Message(), `failed calling webhook "required.pillion.dev"`):
		return closed
	}
	return fmt.Sprint(a.Status, " ", a.Message())
}
