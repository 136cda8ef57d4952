package apiserver

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/pillion-dev/pillion/cli"
	"github.com/pillion-dev/pillion/sidecars"
)

// TestLiveRoundTrip takes a catalog from a directory to the cluster and back: nothing changes on the way.
func TestLiveRoundTrip(t *testing.T) {
	c := useLive(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "all.yaml"), []byte(liveEntries), 0o644); err != nil {
		t.Fatal(err)
	}
	var exported bytes.Buffer
	if code := cli.Run(&cli.Process{Args: []string{"pillion", "catalog", "export", "--catalog", dir}, Out: &exported, Err: &exported, Getenv: os.Getenv}); code != 0 {
		t.Fatal(exported.String())
	}
	c.apply(t, exported.String())
	back := c.must(t, 0, "", append([]string{"catalog", "export", "--from-cluster", "--layer", "cluster,namespace"}, liveNames...)...)
	if diff := gocmp.Diff(exported.String(), back.out); diff != "" {
		t.Errorf("exported from the cluster (-directory +cluster)\n%s", diff)
	}
	if diff := gocmp.Diff(revisionsIn(t, liveEntries), revisionsIn(t, back.out)); diff != "" {
		t.Errorf("revisions (-written +exported)\n%s", diff)
	}
}

// revisionsIn gives the revisions of the entries in a YAML stream, by their keys.
func revisionsIn(t *testing.T, stream string) map[string]string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "all.yaml"), []byte(stream), 0o644); err != nil {
		t.Fatal(err)
	}
	catalog, err := sidecars.Load(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, e := range catalog.All() {
		out[e.Key().String()] = e.Revision
	}
	return out
}

// TestLiveLayers shows the layers as a cluster has them, with entries that no validating webhook kept out.
func TestLiveLayers(t *testing.T) {
	c := useLive(t)
	c.apply(t, liveEntries+liveBad+clusterEntry("proxy", "In place of the embedded one.", "")+entryOfNamespace(nsLiveShop, "log-shipper", "Never used.", ""))
	list := c.must(t, 0, "", "catalog", "list", "--from-cluster").out
	rev := revisionsIn(t, c.must(t, 0, "", "catalog", "export", "--from-cluster", "--layer", "cluster,namespace").out)
	for name, want := range map[string]string{
		"live-all":    "live-all cluster " + rev["live-all"] + " restricted For all.",
		"live-own":    "live-own live-blog namespace live-blog " + rev["live-blog/live-own"] + " restricted Of the blog.\nlive-own live-shop namespace live-shop " + rev["live-shop/live-own"] + " restricted Of the shop.",
		"proxy":       "proxy cluster " + rev["proxy"] + " restricted In place of the embedded one.\nproxy embedded (overridden) " + sidecars.Builtin().Entry("", "proxy").Revision + " restricted HAProxy",
		"log-shipper": "log-shipper embedded " + sidecars.Builtin().Entry("", "log-shipper").Revision + " restricted Ships",
		"live-bad":    `live-bad cluster (left out) - - spec.containers[0].args[0]: Unsupported value: "params.nobody"`,
		"confd":       "confd cluster (left out) - - spec.containers[0]",
	} {
		if got := columns(list, name+" "); !strings.HasPrefix(shortened(got), shortened(want)) {
			t.Errorf("%s is listed as\n%s\nwant\n%s", name, got, want)
		}
	}
	if got := columns(list, "log-shipper "); !strings.Contains(got, "log-shipper live-shop namespace live-shop (overridden)") {
		t.Errorf("a Sidecar that a cluster's entry overrides is listed as\n%s", got)
	}
	shop := c.must(t, 0, "", "catalog", "list", "--from-cluster", "-n", nsLiveShop).out
	if strings.Contains(shop, nsLiveBlog) || !strings.Contains(shop, "Of the shop.") {
		t.Errorf("Namespace %s has\n%s", nsLiveShop, shop)
	}
	told := c.must(t, 0, "", "explain", "sidecar", "--from-cluster", "-n", nsLiveShop, "live-own").out
	if !strings.Contains(told, "FROM:  namespace live-shop\nFOR:  Pods of Namespace live-shop, not on the host network\n") {
		t.Errorf("explain sidecar says\n%s", told)
	}
	// As a webhook with a catalog directory: the cluster's entries are over those of the directory, and no embedded one is there.
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "all.yaml"), []byte(clusterEntry("live-all", "Of the directory.", "")), 0o644); err != nil {
		t.Fatal(err)
	}
	over := c.must(t, 0, "", "catalog", "list", "--from-cluster", "--catalog", dir).out
	want := "live-all cluster " + rev["live-all"] + " restricted For all.\nlive-all directory " + dir + " (overridden)"
	if got := columns(over, "live-all "); !strings.HasPrefix(got, want) || strings.Contains(over, "  embedded") {
		t.Errorf("over a directory is listed\n%s\nwant\n%s", over, want)
	}
	var asJSON cli.CatalogList
	if err := json.Unmarshal([]byte(c.must(t, 0, "", "catalog", "list", "--from-cluster", "--layer", "cluster", "-o", "json").out), &asJSON); err != nil {
		t.Fatal(err)
	}
	states := map[string]string{}
	for _, e := range asJSON.Entries {
		if (e.Reason != "") != (e.State == cli.StateLeftOut) {
			t.Errorf("%s is %s for the reason %q", e.Name, e.State, e.Reason)
		}
		states[e.Name] = e.State
	}
	for name, want := range map[string]string{"live-all": cli.StateInForce, "live-bad": cli.StateLeftOut, "confd": cli.StateLeftOut, "proxy": cli.StateInForce} {
		if states[name] != want {
			t.Errorf("%s is %q, want %s", name, states[name], want)
		}
	}
	why := c.must(t, 2, "", "explain", "sidecar", "--from-cluster", "confd").err
	if !strings.HasPrefix(why, "error: sidecar confd cannot be used: spec.containers[0]") {
		t.Errorf("explain sidecar of a bad entry says\n%s", why)
	}
}

// columns makes a table comparable: one space between its columns.
func columns(table, having string) string {
	var out []string
	for line := range strings.Lines(table) {
		if strings.HasPrefix(line, having) {
			out = append(out, strings.Join(strings.Fields(line), " "))
		}
	}
	return strings.Join(out, "\n")
}

// shortened cuts what follows the first words of a description.
func shortened(s string) string {
	return regexp.MustCompile(`(HAProxy|Ships|\]: Unsupported).*`).ReplaceAllString(s, "$1")
}
