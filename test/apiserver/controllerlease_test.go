package apiserver

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

func TestTwoControllersValidateAndOneWrites(t *testing.T) {
	first := startController(t)
	before, _ := createEntry(t, entryJSON(t, "ClusterSidecar", "ctl-before", "", ""))
	awaitReady(t, before, v1alpha1.ReasonProved)
	second := startController(t)
	for i, c := range []*runningController{first, second} {
		t.Run(fmt.Sprint("controller ", i), func(t *testing.T) {
			c.register(t)
			bad := strings.Replace(string(entryJSON(t, "ClusterSidecar", "ctl-two", "", "")), `"image":`, `"imaeg":"x","image":`, 1)
			a := ask(t, http.MethodPost, clusterPath, "", []byte(bad))
			if got := refusals(t, a); len(got) != 1 || !strings.HasPrefix(got[0], "spec.containers[0].imaeg: ") {
				t.Errorf("%d %q", a.Status, got)
			}
			path, _ := createEntry(t, entryJSON(t, "ClusterSidecar", "ctl-two", "", ""))
			awaitReady(t, path, v1alpha1.ReasonProved)
		})
	}
	if n := writes(second); n != 0 {
		t.Errorf("the second wrote %d times", n)
	}

	// The one that led is killed: the other one goes on, once the lease has expired.
	first.Stop()
	wantStatus(t, ask(t, http.MethodPatch, before, "application/merge-patch+json", []byte(`{"spec":{"flushSeconds":7}}`)), http.StatusOK)
	awaitReady(t, before, v1alpha1.ReasonProved)
	// The log says so after the API server does.
	await(t, "the second writes", func() error {
		if writes(second) == 0 {
			return errors.New("it has not")
		}
		return nil
	})
}

func TestControllerConvergesAfterARestart(t *testing.T) {
	first := startController(t)
	kept, _ := createEntry(t, entryJSON(t, "ClusterSidecar", "ctl-kept", "", ""))
	e, was := awaitReady(t, kept, v1alpha1.ReasonProved)
	first.stopGently(t)
	bad, _ := createEntry(t, []byte(strings.Replace(string(entryJSON(t, "ClusterSidecar", "ctl-late", "", "")), `"image":`, `"imaeg":"x","image":`, 1)))
	if _, err := plane.create("/api/v1/namespaces/"+controllerTenant+"/pods", carrier("late", "ctl-kept", e.Status.Revision)); err != nil {
		t.Fatal(err)
	}
	startController(t)
	awaitReady(t, bad, v1alpha1.ReasonInvalid)
	awaitCounts(t, kept, v1alpha1.PodCounts{Current: 1})
	if _, now := awaitReady(t, kept, v1alpha1.ReasonProved); now != was {
		t.Errorf("the condition was %+v and is %+v", was, now)
	}
	awaitEvent(t, "ctl-kept", "Normal", v1alpha1.ReasonProved, 1)
}
