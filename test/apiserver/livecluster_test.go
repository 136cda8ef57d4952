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
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/pillion-dev/pillion/cli"
	"github.com/pillion-dev/pillion/live"
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

// liveBad are taken by the API server and are no good: the first says a parameter that it does not have, the second an
// embedded entry's name.
var liveBad = clusterEntry("live-bad", "Is bad.", "    args: [$(params.nobody)]\n") +
	clusterEntry("confd", "Is bad too.", "    args: [$(params.nobody)]\n")

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
