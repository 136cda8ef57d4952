package apiserver

import (
	"fmt"
	"strings"
	"testing"
)

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
