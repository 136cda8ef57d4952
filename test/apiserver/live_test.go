package apiserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/pillion-dev/pillion/cli"
	"github.com/pillion-dev/pillion/live"
	"github.com/pillion-dev/pillion/sidecars"
	"github.com/pillion-dev/pillion/test/serving"
)

// liveEntry is an entry of these tests: kind, Namespace or nothing, name and what else is in its spec.
const liveEntry = `apiVersion: pillion.dev/v1alpha1
kind: %s
metadata: {%s}
spec:
  description: %s
  containers:
  - name: %s
    image: registry.example/live:1
    resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {cpu: 100m, memory: 32Mi}}
    securityContext: {runAsNonRoot: true, runAsUser: 65532, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}
%s---
`

func clusterEntry(name, description, more string) string {
	return fmt.Sprintf(liveEntry, "ClusterSidecar", "name: "+name, description, name, more)
}

func entryOfNamespace(namespace, name, description, more string) string {
	return fmt.Sprintf(liveEntry, "Sidecar", "name: "+name+", namespace: "+namespace, description, name, more)
}

const (
	nsLiveShop, nsLiveBlog = "live-shop", "live-blog"
	nsLiveStrict           = "live-strict"
)

// liveEntries are good; those of the Namespaces have one name. Their specs hold what may change on its way: numbers as
// text and text as numbers, empty values, and bodies that no schema knows.
var liveEntries = clusterEntry("live-all", "For all.", `    args: [--port=$(params.port), --size=$(params.size), "", "1e3", "true"]
    env: [{name: EMPTY, value: ""}]
  parameters:
    port: {type: port, default: 9125, description: "A port, by default 9125."}
    size: {type: integer, minimum: "1", maximum: "10", default: 3, description: A size.}
    list: {type: list, items: {type: string}, default: [a, b], description: A list.}
  files:
  - name: config
    mountPath: /etc/live.yaml
    format: yaml
    data: {list: [{$each: params.list, $item: $(item)}], number: 1.0, float: 1.50, no: null, yes: true, big: 9007199254740993}
  appEnv: [{name: LIVE_PORT, value: $(params.port)}]
  order: {conflictsWith: [live-chosen]}
`) +
	clusterEntry("live-chosen", "For the shop alone.", "  namespaceSelector: {matchLabels: {team: shop}}\n  flushSeconds: 5\n") +
	entryOfNamespace(nsLiveBlog, "live-own", "Of the blog.", "  hostNetwork: allowed\n") +
	entryOfNamespace(nsLiveShop, "live-own", "Of the shop.", "  shareProcessNamespace: true\n")

// liveNames are those of liveEntries.
var liveNames = []string{"live-all", "live-chosen", "live-own"}

// liveCluster is the way of the CLI to the control plane: a kubeconfig with contexts for an administrator and for others.
type liveCluster struct{ kubeconfig string }

// useLive starts the way there. It leads through a proxy that has lists cut into pages of two.
func useLive(t *testing.T) *liveCluster {
	t.Helper()
	useDefinitions(t)
	to, err := url.Parse(plane.url)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Transport: plane.client.Transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		if path, ok := strings.CutPrefix(r.Out.URL.Path, "/without-definitions"); ok {
			r.Out.URL.Path = strings.Replace(path, "pillion.dev", "unknown.pillion.dev", 1)
		}
		if q := r.Out.URL.Query(); q.Has("limit") {
			q.Set("limit", "2")
			r.Out.URL.RawQuery = q.Encode()
		}
	}}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	config := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: plane, cluster: {server: "%[1]s"}}, {name: without, cluster: {server: "%[1]s/without-definitions"}}]
users: [{name: admin, user: {}}, {name: tenant, user: {as: live-tenant}}, {name: nobody, user: {as: live-nobody}}]
contexts:
- {name: admin, context: {cluster: plane, user: admin}}
- {name: tenant, context: {cluster: plane, user: tenant, namespace: live-shop}}
- {name: nobody, context: {cluster: plane, user: nobody}}
- {name: without-definitions, context: {cluster: without, user: admin}}
current-context: admin
`, server.URL)
	c := &liveCluster{kubeconfig: filepath.Join(t.TempDir(), "kubeconfig")}
	if err := os.WriteFile(c.kubeconfig, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, labels := range map[string]map[string]string{
		nsLiveShop:   {"team": "shop", "pillion.dev/injection": "enabled"},
		nsLiveBlog:   {"team": "blog"},
		nsLiveStrict: {"pod-security.kubernetes.io/enforce": "restricted"},
	} {
		if a := ask(t, http.MethodGet, "/api/v1/namespaces/"+name, "", nil); a.Status == http.StatusOK {
			continue
		}
		if err := plane.namespace(name, labels, map[string]string{"pillion.dev/inject": "live-own"}); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// ranLive is what a run of the program gave.
type ranLive struct {
	out, err string
	code     int
}

func (c *liveCluster) run(t *testing.T, stdin string, args ...string) ranLive {
	t.Helper()
	var out, errs bytes.Buffer
	connect := func(kubeconfig, context string) (cli.Server, string, error) {
		server, err := live.Open(kubeconfig, context)
		if err != nil {
			return nil, "", err
		}
		return server, server.DefaultNamespace(), nil
	}
	args = append([]string{"pillion"}, append(args, "--kubeconfig", c.kubeconfig)...)
	code := cli.Run(&cli.Process{Args: args, In: strings.NewReader(stdin), Out: &out, Err: &errs,
		Getenv: func(string) string { return "" }, Connect: connect})
	return ranLive{out.String(), errs.String(), code}
}

// must runs the program and wants an exit code.
func (c *liveCluster) must(t *testing.T, code int, stdin string, args ...string) ranLive {
	t.Helper()
	got := c.run(t, stdin, args...)
	if got.code != code {
		t.Fatalf("pillion %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), got.code, code, got.out, got.err)
	}
	return got
}

// apply stores the entries of a YAML stream for the time of a test.
func (c *liveCluster) apply(t *testing.T, stream string) {
	t.Helper()
	for doc := range strings.SplitSeq(stream, "---\n") {
		object, err := yaml.YAMLToJSON([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		var o struct {
			Kind     string
			Metadata struct{ Name, Namespace string }
		}
		if err := json.Unmarshal(object, &o); err != nil {
			t.Fatal(err)
		}
		if o.Kind == "" {
			continue
		}
		path := clusterPath
		if o.Metadata.Namespace != "" {
			path = "/apis/pillion.dev/v1alpha1/namespaces/" + o.Metadata.Namespace + "/sidecars"
		}
		if _, err := plane.create(path, object); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if a := ask(t, http.MethodDelete, path+"/"+o.Metadata.Name, "", nil); a.Status != http.StatusOK {
				t.Errorf("delete %s: %d %s", o.Metadata.Name, a.Status, a.Message())
			}
		})
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

// liveBad are taken by the API server and are no good: the first says a parameter that it does not have, the second an
// embedded entry's name.
var liveBad = clusterEntry("live-bad", "Is bad.", "    args: [$(params.nobody)]\n") +
	clusterEntry("confd", "Is bad too.", "    args: [$(params.nobody)]\n")

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

// shortened cuts what follows the first words of a description.
func shortened(s string) string {
	return regexp.MustCompile(`(HAProxy|Ships|\]: Unsupported).*`).ReplaceAllString(s, "$1")
}

const livePod = `apiVersion: v1
kind: Pod
metadata: {name: web, namespace: %s, annotations: {%s}}
spec:
  containers: [{name: web, image: web, resources: {requests: {cpu: 1m}}}]
`

// TestLiveInject has files injected as Pods would be in the cluster: by its entries, and by what its Namespaces say.
func TestLiveInject(t *testing.T) {
	c := useLive(t)
	c.apply(t, liveEntries+liveBad)
	for _, x := range []struct {
		name, namespace, annotations string
		code                         int
		out, err                     string
	}{
		{"an entry of the cluster", nsLiveBlog, "pillion.dev/inject: live-all", 0, "- name: live-all\n", "pod/web: injected live-all"},
		{"the Namespace asks for its own", nsLiveShop, "", 0, `"name":"live-own"`, "pod/web: injected live-own"},
		{"a Namespace that is not labelled does not", nsLiveBlog, "", 0, "metadata: {name: web, namespace: live-blog, annotations: {}}", "P105: Namespace live-blog has pillion.dev/inject but not the label"},
		{"the selector matches", nsLiveShop, "pillion.dev/inject: live-chosen", 0, "- name: live-chosen\n", "injected live-chosen"},
		{"the selector does not match", nsLiveBlog, "pillion.dev/inject: live-chosen", 1, "", "sidecar live-chosen is not offered to Namespace live-blog"},
		{"an entry with a mistake", nsLiveBlog, "pillion.dev/inject: live-bad", 1, "", `warning: clustersidecar/live-bad is left out: spec.containers[0].args[0]: Unsupported value: "params.nobody"`},
		{"a Namespace that is not there", "live-nowhere", "pillion.dev/inject: live-all", 0, "- name: live-all\n", "injected live-all"},
	} {
		t.Run(x.name, func(t *testing.T) {
			got := c.run(t, fmt.Sprintf(livePod, x.namespace, x.annotations), "inject", "--from-cluster")
			if got.code != x.code || !strings.Contains(got.out, x.out) || !strings.Contains(got.err, x.err) {
				t.Errorf("exit code %d, want %d\n%s\n%s\nwant\n%s\n%s", got.code, x.code, got.out, got.err, x.out, x.err)
			}
		})
	}
	told := c.must(t, 0, fmt.Sprintf(livePod, nsLiveShop, ""), "explain", "--from-cluster").out
	if !strings.Contains(told, "  its Namespace live-shop asks by pillion.dev/inject: live-own  in the cluster\n") {
		t.Errorf("explain says\n%s", told)
	}
	if got := c.run(t, fmt.Sprintf(livePod, nsLiveShop, ""), "diff", "--from-cluster"); got.code != 1 || !strings.Contains(got.out, "live-own") {
		t.Errorf("diff gives %d\n%s%s", got.code, got.out, got.err)
	}
}

// TestLiveRights shows what users get who may read less than all.
func TestLiveRights(t *testing.T) {
	c := useLive(t)
	c.apply(t, liveEntries)
	for path, object := range map[string]string{
		"clusterroles":                      `{"metadata":{"name":"live-tenant"},"rules":[{"apiGroups":["pillion.dev"],"resources":["clustersidecars"],"verbs":["get","list"]}]}`,
		"clusterrolebindings":               `{"metadata":{"name":"live-tenant"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"live-tenant"},"subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"live-tenant"}]}`,
		"namespaces/live-shop/roles":        `{"metadata":{"name":"live-tenant"},"rules":[{"apiGroups":["pillion.dev"],"resources":["sidecars"],"verbs":["get","list"]}]}`,
		"namespaces/live-shop/rolebindings": `{"metadata":{"name":"live-tenant"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"live-tenant"},"subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"live-tenant"}]}`,
	} {
		if _, err := plane.create("/apis/rbac.authorization.k8s.io/v1/"+path, []byte(object)); err != nil {
			t.Fatal(err)
		}
	}
	var got ranLive
	await(t, "the tenant's rights", func() error {
		if got = c.run(t, "", "catalog", "list", "--from-cluster", "--context", "tenant"); got.code != 0 {
			return fmt.Errorf("%s", got.err)
		}
		return nil
	})
	if strings.Contains(got.out, "Of the blog.") || !strings.Contains(got.out, "Of the shop.") ||
		!strings.HasPrefix(got.err, "warning: only the Sidecars of Namespace live-shop can be read: sidecars.pillion.dev is forbidden: ") {
		t.Errorf("a tenant's list\n%s%s", got.out, got.err)
	}
	got = c.must(t, 0, "", "catalog", "list", "--from-cluster", "--context", "tenant", "-n", nsLiveShop)
	if got.err != "" {
		t.Errorf("a tenant's list of the own Namespace says\n%s", got.err)
	}
	got = c.must(t, 0, strings.ReplaceAll(fmt.Sprintf(livePod, nsLiveShop, "pillion.dev/inject: live-own"), "namespace: live-shop, ", ""), "inject", "--from-cluster", "--context", "tenant")
	if !strings.Contains(got.err, "warning: Namespace live-shop cannot be read") || !strings.Contains(got.err, "injected live-own") {
		t.Errorf("a tenant's Pod\n%s", got.err)
	}
	for _, args := range [][]string{
		{"catalog", "list", "--from-cluster", "--context", "tenant", "-n", nsLiveBlog},
		{"catalog", "export", "--from-cluster", "--context", "nobody"},
		{"lint", "--server", "--context", "nobody", "-n", nsLiveShop},
	} {
		got := c.must(t, 2, clusterEntry("live-new", "Is new.", ""), args...)
		if !strings.Contains(got.err, "error: cluster: ") || !strings.Contains(got.err, "is forbidden: ") {
			t.Errorf("%v: %s", args, got.err)
		}
	}
}

// TestLiveWithoutDefinitions asks a cluster that has never heard of Pillion.
func TestLiveWithoutDefinitions(t *testing.T) {
	c := useLive(t)
	got := c.must(t, 2, "", "catalog", "list", "--from-cluster", "--context", "without-definitions")
	if want := "error: cluster: the cluster has no clustersidecars of pillion.dev/v1alpha1: its definitions are not installed: "; got.out != "" || !strings.HasPrefix(got.err, want) {
		t.Errorf("says\n%s%s\nwant\n%s", got.out, got.err, want)
	}
}

// TestLiveLint has the API server take Pods with entries, in dry runs: nothing is stored.
func TestLiveLint(t *testing.T) {
	c := useLive(t)
	c.apply(t, liveEntries)
	good := clusterEntry("live-new", "Is new.", "")
	if got := c.must(t, 0, good, "lint", "--server", "-n", nsLiveStrict); got.out != "" {
		t.Errorf("lint finds\n%s", got.out)
	}
	// All that an entry may need of a Pod is there. One of them is not for a Namespace as strict as that; that some are ordinary
	// containers, which L104 warns of, is their purpose.
	all := c.must(t, 0, "", "catalog", "export", "--layer", "embedded", "--from-cluster").out
	got := c.must(t, 1, all, "lint", "--server", "-n", nsLiveStrict)
	if findings := strings.Count(got.out, "<stdin>:") - strings.Count(got.out, ": warning L104: "); findings != 2 || strings.Count(got.out, `container "debug"`) < 2 || strings.Contains(got.err, "is not tried") {
		t.Errorf("lint of the embedded entries finds\n%s%s", got.out, got.err)
	}
	loose := strings.Replace(good, "runAsNonRoot: true, ", "", 1)
	got = c.must(t, 1, loose, "lint", "--server", "-n", nsLiveStrict)
	if !strings.Contains(got.out, "<stdin>:4: spec: the API server refuses a Pod with it in Namespace live-strict: ") || !strings.Contains(got.out, `violates PodSecurity "restricted:latest"`) {
		t.Errorf("lint finds\n%s", got.out)
	}
	// A Sidecar is tried in its own Namespace, whichever is given.
	strict := entryOfNamespace(nsLiveStrict, "live-new", "Is new.", "")
	if got := c.must(t, 1, strings.Replace(strict, "runAsNonRoot: true, ", "", 1), "lint", "--server", "-n", nsLiveBlog); !strings.Contains(got.out, "in Namespace live-strict") {
		t.Errorf("lint finds\n%s", got.out)
	}
	if got := c.must(t, 2, good, "lint", "--server", "-n", "live-nowhere"); !strings.Contains(got.err, `error: cluster: try live-new in Namespace live-nowhere: namespaces "live-nowhere" not found`) {
		t.Errorf("lint says\n%s", got.err)
	}
	// The entry that is to be replaced does not count; the others do.
	if got := c.must(t, 0, clusterEntry("live-own", "Overrides.", ""), "lint", "--from-cluster"); !strings.Contains(got.out, "warning L302") {
		t.Errorf("lint finds\n%s", got.out)
	}
	if got := c.must(t, 0, clusterEntry("live-chosen", "A new one.", ""), "lint", "--from-cluster"); got.out != "" {
		t.Errorf("lint finds\n%s", got.out)
	}
	pods, err := serving.Do(plane.client, http.MethodGet, plane.url+"/api/v1/namespaces/"+nsLiveStrict+"/pods", nil)
	if err != nil || !bytes.Contains(pods.Body, []byte(`"items":[]`)) {
		t.Errorf("Pods were stored: %v %s", err, pods.Body)
	}
}
