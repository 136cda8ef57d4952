package failsafe

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pillion-dev/pillion/test/cluster/pki"
)

// ways are the two in which an API server calls a webhook: as the chart has it, through a Service, with HTTP/1.1 and as
// many connections as there are calls at a time; and with HTTP/2, by one connection that is used again.
func ways(t *testing.T, test func(t *testing.T, b *bed, way func(port int, ca []byte) registration)) {
	t.Helper()
	b := use(t)
	for name, way := range map[string]func(int, []byte) registration{"through a Service": byService, "by one connection": byURL} {
		t.Run(name, func(t *testing.T) {
			b.call(t, way(b.service.port(), b.ca.Cert))
			test(t, b, way)
		})
	}
}

// call registers the webhook, until the test ends.
func (b *bed) call(t *testing.T, r registration) {
	t.Helper()
	if err := b.register(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

// pair starts two replicas; those that are left are ended with the test.
func (b *bed) pair(t *testing.T) []*replica {
	t.Helper()
	pair := []*replica{b.replica(t, b.ca), b.replica(t, b.ca)}
	t.Cleanup(b.killAll)
	return pair
}

// killAll ends every replica at once, and is done when none is an endpoint.
func (b *bed) killAll() {
	for _, r := range b.replicas {
		r.Stop()
		b.service.remove(r.address())
	}
	b.replicas = nil
}

// terminate has a replica go as a Pod goes that is deleted: it is told to stop while the Service still has it, and gets
// as long as the chart's grace period.
func (b *bed) terminate(t *testing.T, r *replica) {
	t.Helper()
	r.delete()
	if err := r.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	select {
	case <-r.Done():
	case <-time.After(40 * time.Second):
		t.Error("the replica did not end within its grace period")
	}
}

// swapCatalog changes the catalog each second until the function that it gives is called.
func (b *bed) swapCatalog(t *testing.T) (stop func() int) {
	t.Helper()
	var swapper sync.WaitGroup
	end, swaps := make(chan struct{}), 0
	swapper.Go(func() {
		for tick := time.NewTicker(time.Second); ; swaps++ {
			select {
			case <-end:
				tick.Stop()
				return
			case <-tick.C:
			}
			if err := b.entry(t.Context(), 2+swaps); err != nil {
				t.Error(err)
			}
		}
	})
	return func() int { close(end); swapper.Wait(); return swaps }
}

// TestUnderLoad does to two replicas what happens to them, under load, and counts what became of the Pods.
func TestUnderLoad(t *testing.T) {
	ways(t, func(t *testing.T, b *bed, way func(int, []byte) registration) {
		pair := b.pair(t)
		t.Run("nothing is lost", func(t *testing.T) { nothingIsLost(t, b, pair, way) })
		t.Run("nothing is bare after a kill", func(t *testing.T) { nothingIsBare(t, b, pair) })
	})
}

// nothingIsLost rolls the webhook out, ends a replica, and changes certificates and the catalog.
func nothingIsLost(t *testing.T, b *bed, pair []*replica, way func(int, []byte) registration) {
	stop := b.swapCatalog(t)
	lost := b.under(t, count(3000), func() {
		for cycle := range max(1, count(30)/10) {
			one, other := cycle%2, 1-cycle%2
			// One is deleted; the other has all of it until the next is ready.
			b.terminate(t, pair[one])
			pair[one] = b.replica(t, b.ca)
			// The other is rolled out, as the Deployment's strategy has it: a new one is ready before the old one goes.
			old := pair[other]
			pair[other] = b.replica(t, b.ca)
			b.terminate(t, old)
			b.rotateLeaves(t, pair, way)
			b.rotateCA(t, pair, way)
		}
	})
	swaps := stop()
	t.Logf("the catalog changed %d times", swaps)
	lost.none(t, false)
	all, soon := b.within(t, 1)
	t.Logf("of all %d calls so far, %d took at most a second", all, soon)
	if swaps < 5 || lost.connections < int64(count(100)) {
		t.Errorf("want at least 5 changes, and connections made anew: %d changes, %d connections", swaps, lost.connections)
	}
}

// nothingIsBare kills a replica as the kernel or a node's loss does, again and again. What was on its way there, and what
// still goes there until the Service knows, is refused; nothing is created bare.
func nothingIsBare(t *testing.T, b *bed, pair []*replica) {
	kills := max(2, count(10))
	lost := b.under(t, count(1000), func() {
		for i := range kills {
			pair[i%2].Stop()
			pair[i%2] = b.replica(t, b.ca) // its container starts again
			time.Sleep(relist + propagation)
		}
	})
	t.Logf("%d kills", kills)
	lost.none(t, true)
	if lost.refused > lost.injected {
		t.Errorf("more refused than injected: %s", lost)
	}
}

// rotateLeaves gives the replicas new certificates, one after the other as kubelets do, and has the API server connect
// anew each time: it does so when a configuration changes, even by a line break in its caBundle.
func (b *bed) rotateLeaves(t *testing.T, pair []*replica, way func(int, []byte) registration) {
	bundle := b.ca.Cert
	for range count(50) {
		for _, r := range pair {
			if err := mount(r.secret, b.ca); err != nil {
				t.Fatal(err)
			}
			bundle = append(slices.Clone(bundle), '\n')
			b.reconnects(t, way(b.service.port(), bundle))
		}
	}
}

// rotateCA goes from one CA to another: both are trusted before the first certificate of the new one is served, and until
// the last of the old one is gone.
func (b *bed) rotateCA(t *testing.T, pair []*replica, way func(int, []byte) registration) {
	next, err := pki.NewAuthority("failsafe-ca-next")
	if err != nil {
		t.Fatal(err)
	}
	both := slices.Concat(b.ca.Cert, next.Cert)
	b.takenUp(t, way(b.service.port(), both))
	for i, r := range pair {
		if err := mount(r.secret, next); err != nil {
			t.Fatal(err)
		}
		if err := served(r, next); err != nil {
			t.Fatal(err)
		}
		// New connections, with one replica in the old chain and one in the new, and then both in the new.
		b.takenUp(t, way(b.service.port(), slices.Concat(both, slices.Repeat([]byte("\n"), i+1))))
	}
	b.ca = next
	b.takenUp(t, way(b.service.port(), next.Cert))
}

// takenUp registers the webhook, under load, and returns when the API server calls it so. It learns of configurations in the
// order in which they were written: where it heeds one that was written afterwards, it heeds this one.
func (b *bed) takenUp(t *testing.T, r registration) {
	t.Helper()
	b.reconnects(t, r)
	name := fmt.Sprintf("mark-%d", marks.Add(1))
	space := b.namespace(t, name, nil, nil)
	config := &admissionv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: name}, Webhooks: []admissionv1.MutatingWebhook{{
		Name: name + ".example.com", AdmissionReviewVersions: []string{"v1"}, SideEffects: new(admissionv1.SideEffectClassNone),
		FailurePolicy: new(admissionv1.Fail), ClientConfig: admissionv1.WebhookClientConfig{URL: new("https://127.0.0.1:1/")},
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: space}},
		Rules: []admissionv1.RuleWithOperations{{Operations: []admissionv1.OperationType{admissionv1.Create},
			Rule: admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}}}},
	}}}
	configurations := b.kube.AdmissionregistrationV1().MutatingWebhookConfigurations()
	if _, err := configurations.Create(t.Context(), config, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	await(t, "the API server heeds "+name, func() error {
		if _, err := b.create(t.Context(), space, pod(nil), true); err == nil || !strings.Contains(err.Error(), name) {
			return fmt.Errorf("it does not: %w", err)
		}
		return nil
	})
	if err := configurations.Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second) // for calls that had begun before
}

var marks atomic.Int64

// reconnects registers the webhook, under load, and returns when the API server has opened a connection since.
func (b *bed) reconnects(t *testing.T, r registration) {
	t.Helper()
	before := b.service.accepted.Load()
	b.call(t, r)
	await(t, "the API server connects anew", func() error {
		if b.service.accepted.Load() == before {
			return errors.New("it has not")
		}
		return nil
	})
}
