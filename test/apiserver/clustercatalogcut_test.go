package apiserver

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pillion-dev/pillion/sidecars"
	"github.com/pillion-dev/pillion/test/golden"
)

// TestClusterCatalogConvergesThoughWatchesAreCut cuts a hundred connections, each with the watches of both kinds, while
// entries come, change and go. There are several catalogs, for each waits a while before it tries again.
func TestClusterCatalogConvergesThoughWatchesAreCut(t *testing.T) {
	const cuts, catalogs, entries = 100, 10, 12
	p := useOwn(t)
	proxy := newCutProxy(t, p.URL())
	config := proxy.config(p)
	var all []*following
	for range catalogs {
		all = append(all, follow(t, config))
	}
	namespaces := followNamespaces(t, config)
	want, i := versions{}, 0
	for ; proxy.cutCount() < cuts; i++ {
		key := sidecars.Key{Name: fmt.Sprintf("cut%d", i%entries), Namespace: []string{"", "shop", "blog"}[i%3]}
		if _, there := want[key]; there && i%5 == 0 {
			p.write(t, versions{key: ""})
			delete(want, key)
		} else {
			want[key] = fmt.Sprint(i)
			p.write(t, versions{key: want[key]})
		}
		annotate(t, p, "shop", fmt.Sprint(i))
		proxy.cut()
	}
	last := time.Now()
	for _, f := range all {
		f.await(t, "after the last cut", want)
	}
	await(t, "Namespaces after the last cut", func() error {
		if ns, _ := namespaces.Lookup("shop"); ns.Annotations["pillion.dev/test"] != fmt.Sprint(i-1) {
			return fmt.Errorf("%+v", ns)
		}
		return nil
	})
	t.Logf("%d changes, %d connections were cut; up to date %s after the last", i, proxy.cutCount(), time.Since(last))
	for _, f := range all {
		if proofs := f.log.count("catalog entry"); proofs > i {
			t.Errorf("%d proofs of at most %d specs", proofs, i)
		}
	}
}

// TestClusterCatalogNoticesSilence: a peer that is gone without a word is found by the pings that cmd/pillion-webhook asks for.
func TestClusterCatalogNoticesSilence(t *testing.T) {
	t.Setenv("HTTP2_READ_IDLE_TIMEOUT_SECONDS", "2")
	t.Setenv("HTTP2_PING_TIMEOUT_SECONDS", "2")
	p := useOwn(t)
	alpha := sidecars.Key{Name: "alpha"}
	p.write(t, versions{alpha: "1"})
	proxy := newCutProxy(t, p.URL())
	f := follow(t, proxy.config(p))
	f.await(t, "at first", versions{alpha: "1"})
	if proxy.freeze() == 0 {
		t.Fatal("no connection")
	}
	p.write(t, versions{alpha: "2"})
	t.Logf("up to date after %s of silence", f.await(t, "after the silence", versions{alpha: "2"}))
}

// TestClusterCatalogWithoutTheAPIServer: what every golden Pod gets is the same with and without it, and as from a
// directory; what changes when it is back is in force soon.
func TestClusterCatalogWithoutTheAPIServer(t *testing.T) {
	p := useOwn(t)
	files, err := golden.Catalog()
	if err != nil {
		t.Fatal(err)
	}
	fromFiles, err := sidecars.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	documents := documentsOf(t, files)
	for key, text := range documents {
		if key.Namespace != "" {
			p.namespaces(t, key.Namespace)
			t.Cleanup(func() { _ = p.resourceOf(key).Delete(context.Background(), key.Name, metav1.DeleteOptions{}) })
		}
		if err := p.put(t.Context(), text); err != nil {
			t.Fatal(key, err)
		}
	}
	f := follow(t, p.config)
	await(t, "the golden entries are read", func() error {
		if got := f.Current().Revision(); got != fromFiles.Revision() {
			return fmt.Errorf("revision %s, want %s", got, fromFiles.Revision())
		}
		return nil
	})
	want := answers(t, fromFiles)
	same := func(when string) {
		t.Helper()
		if diff := gocmp.Diff(want, answers(t, f.Current())); diff != "" {
			t.Errorf("answers %s (-from files +from the cluster):\n%s", when, diff)
		}
	}
	same("at first")

	p.StopAPIServer()
	await(t, "the API server is missed", func() error {
		if note, err := f.note(); err != nil || strings.Count(note, "connect") < 2 {
			return fmt.Errorf("readiness: %q, %w", note, err)
		}
		return nil
	})
	same("without the API server")
	if err := p.StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	ready := time.Now()
	plain, alpha := sidecars.Key{Name: "plain"}, sidecars.Key{Name: "alpha"}
	await(t, "the API server takes writes", func() error { return p.put(t.Context(), entryAt(t, plain, "2")) })
	back := time.Now()
	p.write(t, versions{alpha: "1"})
	await(t, "the changes are in force", func() error {
		if got := f.inForce(); got[plain] != "2" || got[alpha] != "1" {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	t.Logf("%d answers; the API server takes writes %s after it is ready; up to date %s after that", len(want), back.Sub(ready), time.Since(back))
}

// answers gives what becomes of every golden Pod, to the byte.
func answers(t *testing.T, catalog *sidecars.Catalog) map[string]string {
	t.Helper()
	cases, err := golden.Cases()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, c := range cases {
		pod, err := sidecars.ReadPod(c.Pod)
		if err != nil {
			t.Fatal(c.Name, err)
		}
		res := sidecars.Inject(catalog, pod, (*sidecars.Namespace)(&c.Namespace))
		text, err := json.Marshal(res)
		if err != nil {
			t.Fatal(err)
		}
		out[c.Name] = string(text)
	}
	return out
}
