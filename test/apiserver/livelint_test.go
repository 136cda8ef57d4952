package apiserver

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/test/serving"
)

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
