package apiserver

import (
	"fmt"
	"strings"
	"testing"
)

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
