package apiserver

import (
	"fmt"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/pillion-dev/pillion/sidecars"
)

func TestClusterCatalogFollowsEntries(t *testing.T) {
	p := useOwn(t)
	alpha, shops, blogs := sidecars.Key{Name: "alpha"}, sidecars.Key{Namespace: "shop", Name: "beta"}, sidecars.Key{Namespace: "blog", Name: "beta"}
	p.write(t, versions{alpha: "1", shops: "s1"})
	f := follow(t, p.config)
	f.await(t, "what was there is read", versions{alpha: "1", shops: "s1"})

	p.write(t, versions{alpha: "2", blogs: "b1"})
	f.await(t, "changed and made", versions{alpha: "2", shops: "s1", blogs: "b1"})
	for namespace, want := range map[string]string{"shop": "s1", "blog": "b1"} {
		if got := f.inject(t, namespace, "beta"); got != want {
			t.Errorf("Pods of %s get %s, want %s", namespace, got, want)
		}
	}
	if got := f.inject(t, "bank", "beta"); !strings.Contains(got, "no such sidecar") || strings.Contains(got, "beta,") {
		t.Errorf("Pods of a third Namespace get %s", got)
	}

	// A tenant cannot shadow an entry of the cluster; what it wrote is there when that goes.
	beta := sidecars.Key{Name: "beta"}
	p.write(t, versions{beta: "c1"})
	f.await(t, "a ClusterSidecar takes the name", versions{alpha: "2", beta: "c1", shops: "s1", blogs: "b1"})
	for _, namespace := range []string{"shop", "blog", "bank"} {
		if got := f.inject(t, namespace, "beta"); got != "c1" {
			t.Errorf("Pods of %s get %s, want the cluster's", namespace, got)
		}
	}
	p.write(t, versions{beta: "", alpha: ""})
	f.await(t, "deleted", versions{shops: "s1", blogs: "b1"})
	if got := f.inject(t, "shop", "beta"); got != "s1" {
		t.Errorf("Pods of shop get %s, want their own again", got)
	}

	embedded := sidecars.Builtin().Entry("", "proxy")
	proxy := sidecars.Key{Name: "proxy"}
	p.write(t, versions{proxy: "1"})
	f.await(t, "an embedded entry is replaced", versions{proxy: "1", shops: "s1", blogs: "b1"})
	if got := f.Current().Entry("", "proxy"); got.Layer != sidecars.LayerCluster {
		t.Errorf("proxy is of the layer %s", got.Layer)
	}
	p.write(t, versions{proxy: ""})
	f.await(t, "the embedded entry is back", versions{shops: "s1", blogs: "b1"})
	if got := f.Current().Entry("", "proxy"); got == nil || got.Revision != embedded.Revision {
		t.Errorf("proxy is %+v", got)
	}
	if got := f.exposed(`pillion_catalog_entries{layer="namespace"}`); got != "2" {
		t.Errorf("metrics: %s entries of Namespaces", got)
	}
}

func TestClusterCatalogLeavesBadEntriesOutAlone(t *testing.T) {
	p := useOwn(t)
	alpha, beta, gamma := sidecars.Key{Name: "alpha"}, sidecars.Key{Name: "beta"}, sidecars.Key{Namespace: "shop", Name: "gamma"}
	p.write(t, versions{alpha: "1", beta: "1", gamma: badVersion})
	f := follow(t, p.config)
	f.await(t, "at first", versions{alpha: "1", beta: "1"})
	p.write(t, versions{alpha: badVersion, beta: "2"})
	f.await(t, "alpha stays", versions{alpha: "1", beta: "2"})
	await(t, "both are told of", func() error {
		note, err := f.note()
		stays := "alpha, revision " + f.Current().Entry("", "alpha").Revision + " stays in force: spec.containers[0].args[0]"
		if err != nil || !strings.Contains(note, stays) || !strings.Contains(note, "shop/gamma is left out: spec.containers[0].args[0]") {
			return fmt.Errorf("readiness: %q, %w", note, err)
		}
		return nil
	})
	if got := f.exposed("pillion_catalog_entry_errors"); got != "2" {
		t.Errorf("metrics: %s entries with mistakes, want 2", got)
	}
	if got := f.inject(t, "shop", "alpha"); got != "1" {
		t.Errorf("a Pod gets %s, want the last good revision", got)
	}

	again := follow(t, p.config)
	again.await(t, "after a restart", versions{beta: "2"})
	for namespace, names := range map[string][]string{"shop": {"alpha", "gamma"}, "blog": {"alpha"}} {
		for _, name := range names {
			if got := again.inject(t, namespace, name); !strings.Contains(got, "spec.containers[0].args[0]") || !strings.Contains(got, "nobody") {
				t.Errorf("a Pod of %s that asks for %s gets: %s", namespace, name, got)
			}
		}
	}
	if got := again.inject(t, "blog", "gamma"); !strings.Contains(got, "no such sidecar") {
		t.Errorf("a Pod of another Namespace gets: %s", got)
	}
	p.write(t, versions{alpha: "3", gamma: "1"})
	again.await(t, "mended", versions{alpha: "3", beta: "2", gamma: "1"})
	f.await(t, "mended", versions{alpha: "3", beta: "2", gamma: "1"})
	if got := f.exposed("pillion_catalog_entry_errors"); got != "0" {
		t.Errorf("metrics: %s entries with mistakes, want 0", got)
	}
}

// TestClusterCatalogWithoutDefinitions: that nobody installed the CRDs, or that somebody removed them, does not keep Pods
// from the embedded sidecars.
func TestClusterCatalogWithoutDefinitions(t *testing.T) {
	p := useOwn(t)
	p.undefine(t)
	f := follow(t, p.config)
	note, err := f.note()
	for _, resource := range []string{"clustersidecars", "sidecars"} {
		if want := resource + ": the API server knows no " + resource + "; are the CRDs installed?"; err != nil || !strings.Contains(note, want) {
			t.Errorf("readiness: %q, %v, want %q", note, err, want)
		}
	}
	if diff := gocmp.Diff(sidecars.Builtin().Names(""), f.Current().Names("")); diff != "" {
		t.Errorf("(-embedded +in force):\n%s", diff)
	}
	p.define(t)
	alpha, beta := sidecars.Key{Name: "alpha"}, sidecars.Key{Namespace: "shop", Name: "beta"}
	p.write(t, versions{alpha: "1", beta: "1"})
	f.await(t, "defined", versions{alpha: "1", beta: "1"})
	await(t, "nothing is missing", func() error {
		if note, err := f.note(); err != nil || strings.Contains(note, "CRDs") {
			return fmt.Errorf("readiness: %q, %w", note, err)
		}
		return nil
	})
	p.undefine(t)
	f.await(t, "removed with their definitions", versions{})
	if _, err := f.note(); err != nil {
		t.Errorf("not ready: %v", err)
	}
}

// TestAThousandEntriesAreProvedOnceAndSwappedAtOnce counts; how long it takes is printed.
func TestAThousandEntriesAreProvedOnceAndSwappedAtOnce(t *testing.T) {
	const size, changes = 1000, 200
	p := useOwn(t)
	want, keys := versions{}, []sidecars.Key{}
	for i := range size {
		key := sidecars.Key{Name: fmt.Sprintf("many%d", i/4)}
		switch i % 4 {
		case 1, 2:
			key.Namespace = []string{"shop", "blog"}[i%2]
			key.Name += "-own"
		case 3:
			key.Name += "-too"
		}
		want[key], keys = "1", append(keys, key)
	}
	p.writeMany(t, keys, "1")
	proxy := newCutProxy(t, p.URL())

	began, before := time.Now(), cpuTime(t)
	f := follow(t, proxy.config(p))
	t.Logf("%d entries are in force %s after the start, %s of CPU time", size, time.Since(began), cpuTime(t)-before)
	f.await(t, "ready means read", want)
	f.wantCounts(t, "the first list", size, 2) // the kinds are listed side by side

	// Another list of the same objects is no change.
	proxy.cut()
	canary := sidecars.Key{Name: "canary"}
	p.write(t, versions{canary: "1"})
	want[canary] = "1"
	f.await(t, "after a cut", want)
	f.wantCounts(t, "another list", size+1, 3)

	proxy.pause(true)
	proxy.cut()
	p.writeMany(t, keys[:changes], "2")
	for _, key := range keys[:changes] {
		want[key] = "2"
	}
	proxy.pause(false)
	t.Logf("%d changes are in force %s after the watch could go on", changes, f.await(t, "after the burst", want))
	f.wantCounts(t, "a burst", size+1+changes, 5)
}
