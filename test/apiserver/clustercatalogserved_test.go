package apiserver

import (
	"testing"

	"github.com/pillion-dev/pillion/sidecars"
	"github.com/pillion-dev/pillion/test/serving"
)

// TestTheWebhookServesTheClustersCatalog runs the program itself.
func TestTheWebhookServesTheClustersCatalog(t *testing.T) {
	p := useOwn(t)
	alpha, beta := sidecars.Key{Name: "alpha"}, sidecars.Key{Namespace: "shop", Name: "beta"}
	p.write(t, versions{alpha: "1", beta: badVersion})
	server, err := serving.Start(t.Context(), serving.Config{Kubeconfig: p.Kubeconfig(), FromCluster: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	await(t, "ready", func() error { return tells(server.MetricsURL+"/readyz", "ok") })
	for path, want := range map[string][]string{
		"/readyz?verbose": {"[+]catalog ok", "shop/beta is left out: spec.containers[0].args[0]", "[+]namespaces ok"},
		"/metrics":        {"pillion_catalog_entry_errors 1\n", `pillion_catalog_entries{layer="cluster"} 1` + "\n", "pillion_catalog_last_reload_success 1\n"},
	} {
		for _, text := range want {
			if err := tells(server.MetricsURL+path, text); err != nil {
				t.Error(err)
			}
		}
	}
	p.write(t, versions{beta: "1"})
	await(t, "mended", func() error {
		return tells(server.MetricsURL+"/metrics", `pillion_catalog_entries{layer="namespace"} 1`+"\n")
	})
	p.StopAPIServer()
	await(t, "the API server is missed", func() error { return tells(server.MetricsURL+"/readyz?verbose", "sidecars: ") })
	if err := tells(server.MetricsURL+"/readyz", "ok"); err != nil {
		t.Error(err)
	}
	if err := p.StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	await(t, "the API server takes writes", func() error { return p.put(t.Context(), entryAt(t, sidecars.Key{Name: "gamma"}, "1")) })
	await(t, "up to date", func() error {
		return tells(server.MetricsURL+"/metrics", `pillion_catalog_entries{layer="cluster"} 2`+"\n")
	})
}
