package webhook

import (
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/pillion-dev/pillion/sidecars"
)

// clusterUnderTest is a ClusterCatalog to whose stores a test speaks as a Reflector does.
type clusterUnderTest struct {
	*ClusterCatalog
	t       *testing.T
	log     *logBuffer
	metrics *Metrics
	mu      sync.Mutex
	proofs  int
}

func newCluster(t *testing.T) *clusterUnderTest {
	t.Helper()
	log, lines := newLog(slog.LevelInfo)
	c := &clusterUnderTest{t: t, log: lines, metrics: NewMetrics()}
	var err error
	if c.ClusterCatalog, err = WatchCatalog(&rest.Config{Host: "http://nowhere.invalid"}, log, c.metrics); err != nil {
		t.Fatal(err)
	}
	c.prove = func(text []byte) (*sidecars.Entry, field.ErrorList) {
		c.mu.Lock()
		c.proofs++
		c.mu.Unlock()
		if strings.Contains(string(text), "panic:1") {
			panic("over an image")
		}
		return prove(text)
	}
	return c
}

// object is an entry as the API server has it: a ClusterSidecar, or a Sidecar of a Namespace.
func object(t testing.TB, namespace, name, image, uid string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(entryYAML(name, image)), &u.Object); err != nil {
		t.Fatal(err)
	}
	if namespace != "" {
		u.SetKind("Sidecar")
		u.SetNamespace(namespace)
	}
	u.SetUID(types.UID(uid))
	return u
}

// bad has a mistake that the API server does not find.
func bad(u *unstructured.Unstructured) *unstructured.Unstructured {
	if err := unstructured.SetNestedField(u.Object, "none of the choices", "spec", "parameters", "level", "default"); err != nil {
		panic(err)
	}
	return u
}

func (c *clusterUnderTest) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// takeUp does once what Watch does for every burst of changes.
func (c *clusterUnderTest) takeUp() {
	listed := c.listed()
	c.readAll(c.t.Context())
	c.swap()
	c.assembled.Store(listed)
}

// want compares what Pods of a Namespace get by a name: an image, or else why not.
func (c *clusterUnderTest) want(when, namespace, name, want string) {
	c.t.Helper()
	got := "unknown"
	if e := c.Current().Entry(namespace, name); e != nil {
		got = strings.Trim(string(e.Spec.Containers[0].Body["image"]), `"`)
	} else if why := c.Current().LeftOut(namespace, name); why != "" {
		got = "left out"
	}
	if got != want {
		c.t.Errorf("%s: %s gets %s, want %s", when, sidecars.Key{Namespace: namespace, Name: name}, got, want)
	}
}

// note gives what readiness tells.
func (c *clusterUnderTest) note() (string, error) { return c.Check().Run() }

func TestABadEntryIsLeftOutAloneAndItsLastGoodRevisionStays(t *testing.T) {
	c := newCluster(t)
	cluster, spaces := c.kinds[0], c.kinds[1]
	c.must(cluster.Replace([]any{object(t, "", "alpha", "alpha:1", "1"), bad(object(t, "", "beta", "beta:1", "2")), object(t, "", "gamma", "panic:1", "3")}, "1"))
	if _, err := c.note(); err == nil {
		t.Error("ready before every kind was listed")
	}
	c.must(spaces.Replace([]any{object(t, "shop", "delta", "shop:1", "4"), object(t, "blog", "delta", "blog:1", "5")}, "1"))
	c.takeUp()
	c.want("at first", "", "alpha", "alpha:1")
	c.want("at first", "", "beta", "left out")
	c.want("at first", "", "gamma", "left out")
	c.want("at first", "shop", "delta", "shop:1")
	c.want("at first", "blog", "delta", "blog:1")
	c.want("at first", "bank", "delta", "unknown")

	c.must(cluster.Update(bad(object(t, "", "alpha", "alpha:2", "1"))))
	c.must(cluster.Update(object(t, "", "beta", "beta:2", "2")))
	c.takeUp()
	c.want("alpha went bad", "", "alpha", "alpha:1")
	c.want("beta was mended", "", "beta", "beta:2")
	note, err := c.note()
	wantLines := []string{
		"revision " + c.Current().Revision() + ",",
		"alpha, revision " + c.Current().Entry("", "alpha").Revision + " stays in force: spec.parameters[level].default",
		"gamma is left out: Pillion failed on it, which is a bug; the stack is in the webhook's log",
	}
	got := strings.Split(note, "\n")
	if err != nil || len(got) != len(wantLines) {
		t.Fatalf("readiness: %q, %v", note, err)
	}
	for i, want := range wantLines {
		if !strings.HasPrefix(got[i], want) {
			t.Errorf("readiness: %q, want %q", got[i], want)
		}
	}
	if text := c.log.String(); !strings.Contains(text, `"panic":"over an image"`) || !strings.Contains(text, "webhook.newCluster") {
		t.Errorf("the log has no panic with its stack:\n%s", text)
	}

	// Who makes an entry anew wants nothing of the old one.
	c.must(cluster.Update(bad(object(t, "", "alpha", "alpha:3", "another"))))
	c.takeUp()
	c.want("alpha was made anew", "", "alpha", "left out")
	want := []string{
		"pillion_catalog_entries{layer=\"cluster\"} 1\n",
		"pillion_catalog_entries{layer=\"embedded\"} " + strconv.Itoa(len(sidecars.Builtin().All())) + "\n",
		"pillion_catalog_entries{layer=\"namespace\"} 2\n",
		"pillion_catalog_entry_errors 2\n",
		"pillion_catalog_info{revision=\"" + c.Current().Revision() + "\"} 1\n",
		"pillion_catalog_last_reload_success 1\n",
		"pillion_catalog_reloads_total{result=\"failure\"} 0\n",
		"pillion_catalog_reloads_total{result=\"success\"} 4\n",
	}
	if diff := cmp.Diff(want, exposed(t, c.metrics, "pillion_catalog_")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAnEntryMadeAnewIsNeverAbsentBetween(t *testing.T) {
	c := newCluster(t)
	c.must(c.kinds[0].Replace([]any{object(t, "", "alpha", "alpha:1", "1")}, "1"))
	c.takeUp()
	c.must(c.kinds[0].Replace([]any{object(t, "", "alpha", "alpha:2", "2")}, "2"))
	c.swap() // another entry had been read
	c.want("not read yet", "", "alpha", "alpha:1")
	c.takeUp()
	c.want("read", "", "alpha", "alpha:2")
}

func TestWhatIsReadIsForgottenWhereTheObjectIsAnotherByThen(t *testing.T) {
	c := newCluster(t)
	c.must(c.kinds[0].Add(object(t, "", "alpha", "alpha:1", "1")))
	list := c.takeUnread()
	c.must(c.kinds[0].Update(bad(object(t, "", "alpha", "alpha:2", "2"))))
	entry, failure := c.read(list[0].key, list[0].text)
	c.done(&list[0], entry, failure)
	c.takeUp()
	c.want("made anew while it was read", "", "alpha", "left out")
}

func TestEntriesAreProvedOnceForEachSpec(t *testing.T) {
	c := newCluster(t)
	alpha, beta := object(t, "", "alpha", "alpha:1", "1"), bad(object(t, "", "beta", "beta:1", "2"))
	c.must(c.kinds[0].Replace([]any{alpha, beta}, "1"))
	c.must(c.kinds[1].Replace(nil, "1"))
	c.takeUp()
	first := c.Current()
	again := alpha.DeepCopy()
	again.SetLabels(map[string]string{"a": "b"})
	again.SetResourceVersion("7")
	if err := unstructured.SetNestedField(again.Object, "x", "status", "revision"); err != nil {
		t.Fatal(err)
	}
	<-c.changed
	c.must(c.kinds[0].Update(again))
	c.must(c.kinds[0].Replace([]any{again, beta.DeepCopy()}, "8"))
	c.must(c.kinds[0].Resync())
	select {
	case <-c.changed:
		t.Error("a new status is a change")
	default:
	}
	c.takeUp()
	if c.proofs != 2 || c.Current().Revision() != first.Revision() {
		t.Errorf("%d proofs of 2 entries; revision %s, was %s", c.proofs, c.Current().Revision(), first.Revision())
	}
	c.must(c.kinds[0].Update(object(t, "", "alpha", "alpha:2", "1")))
	c.takeUp()
	if c.proofs != 3 {
		t.Errorf("%d proofs after one change, want 3", c.proofs)
	}
}

func TestAClusterSidecarReplacesTheEmbeddedEntryAndWinsOverSidecars(t *testing.T) {
	c := newCluster(t)
	name := sidecars.Builtin().Names("")[0]
	embedded := strings.Trim(string(sidecars.Builtin().Entry("", name).Spec.Containers[0].Body["image"]), `"`)
	own, sidecar := object(t, "", name, "own:1", "1"), object(t, "shop", name, "shop:1", "2")
	c.want("at first", "shop", name, embedded)
	c.must(c.kinds[1].Replace([]any{sidecar}, "1"))
	c.takeUp()
	c.want("a Sidecar has the name", "shop", name, embedded)
	c.must(c.kinds[0].Replace([]any{own}, "1"))
	c.takeUp()
	c.want("replaced", "shop", name, "own:1")
	c.must(c.kinds[0].Delete(own))
	c.takeUp()
	c.want("deleted", "shop", name, embedded)
	c.must(c.kinds[0].Replace([]any{bad(own.DeepCopy())}, "3"))
	c.takeUp()
	c.want("replaced by a bad one", "shop", name, "left out")
	c.must(c.kinds[0].Replace(nil, "4"))
	c.takeUp()
	c.want("gone from the list", "shop", name, embedded)
	if c.Current().Entry("", name) == nil || len(c.Current().All()) != len(sidecars.Builtin().All())+1 {
		t.Errorf("entries: %v", c.Current().All())
	}
}

// TestTheStoresKeepNothingButDocuments: what a Reflector holds beside them is as small.
func TestTheStoresKeepNothingButDocuments(t *testing.T) {
	u := object(t, "shop", "alpha", "a<b>:1", "1")
	u.SetAnnotations(map[string]string{"note": "long"})
	got, err := toDocument(u)
	if err != nil {
		t.Fatal(err)
	}
	d := got.(*document)
	if d.GetName() != "alpha" || d.GetNamespace() != "shop" || d.GetUID() != "1" || len(d.Annotations) > 0 {
		t.Errorf("metadata %+v", d.ObjectMeta)
	}
	if text := string(d.text); !strings.Contains(text, "a<b>:1") || strings.Contains(text, "long") {
		t.Errorf("text %s", text)
	}
	if again, err := toDocument(d); err != nil || again != got {
		t.Errorf("done again: %v, %v", again, err)
	}
	c := newCluster(t)
	for _, call := range []func(any) error{c.kinds[0].Add, c.kinds[0].Update, c.kinds[0].Delete,
		func(o any) error { return c.kinds[0].Replace([]any{o}, "1") }} {
		if call("alpha") == nil {
			t.Error("a text is an object")
		}
	}
}

func TestABurstIsTakenUpOnceItIsOverAndAtTheLatestAfterASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		burst := func(n int) time.Duration {
			began := time.Now()
			var changes sync.WaitGroup
			defer changes.Wait()
			changes.Go(func() {
				for range n {
					c.tell()
					time.Sleep(settleCluster - time.Millisecond)
				}
			})
			if !c.settle(t.Context()) {
				t.Error("ended")
			}
			return time.Since(began)
		}
		if took := burst(3); took != 2*(settleCluster-time.Millisecond)+settleCluster {
			t.Errorf("three changes are taken up after %s", took)
		}
		if took := burst(30); took != latestCluster {
			t.Errorf("thirty changes are taken up after %s", took)
		}
	})
}
