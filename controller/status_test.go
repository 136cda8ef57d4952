package controller

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

func TestVerdicts(t *testing.T) {
	bad := field.ErrorList{field.Required(field.NewPath("spec", "containers"), "")}
	for _, c := range []struct {
		name    string
		proof   proof
		want    verdict
		message string
	}{
		{"good", proof{}, verdict{reason: "Proved"}, "proved at default and boundary values"},
		{"doubtful", proof{warnings: []sidecars.Warning{{Code: "L101", Text: "no description"}, {Code: "L102", Text: "x"}}}, verdict{reason: "Proved"},
			"proved at default and boundary values; warnings: 2, the first L101: no description"},
		{"untried", proof{untried: "no answer"}, verdict{reason: "Proved", untried: true}, "proved at default and boundary values; not tried on the API server: no answer"},
		{"bad", proof{errs: bad}, verdict{reason: "Invalid"}, "spec.containers: Required value"},
		{"refused", proof{errs: bad, refused: true}, verdict{reason: "Refused"}, "spec.containers: Required value"},
	} {
		c.want.message = c.message
		if got := verdictOf(&c.proof); got != c.want {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func TestStatusIsWrittenOnlyWhereItIsAnother(t *testing.T) {
	entry := tail(t, "", "Tails.")
	yesterday, today := metav1.NewTime(time.Unix(1000, 0)), metav1.NewTime(time.Unix(2000, 0))
	good, bad := verdict{reason: v1alpha1.ReasonProved, message: "m"}, verdict{reason: v1alpha1.ReasonInvalid, message: "m"}
	s := &stored{key: entry.Key(), generation: 3, entry: entry}
	first := newStatus(s, &good, &v1alpha1.PodCounts{Current: 1}, yesterday)
	want := v1alpha1.SidecarStatus{ObservedGeneration: 3, Revision: entry.Revision, PodSecurityLevel: "baseline", Pods: v1alpha1.PodCounts{Current: 1},
		Conditions: []metav1.Condition{{Type: "Ready", Status: "True", ObservedGeneration: 3, LastTransitionTime: yesterday, Reason: "Proved", Message: "m"}}}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Fatalf("(-want +got)\n%s", diff)
	}
	s.status = first
	s.status.Conditions = append([]metav1.Condition{{Type: "Other", Status: "True"}}, first.Conditions...)
	for _, c := range []struct {
		name    string
		verdict verdict
		pods    *v1alpha1.PodCounts
		tweak   func(*stored)
		same    bool
		since   metav1.Time
	}{
		{"nothing is another", good, &v1alpha1.PodCounts{Current: 1}, nil, true, yesterday},
		{"Pods are not counted yet", good, nil, nil, true, yesterday},
		{"other Pods", good, &v1alpha1.PodCounts{Current: 2}, nil, false, yesterday},
		{"another verdict", bad, nil, nil, false, today},
		{"another message", verdict{reason: good.reason, message: "n"}, nil, nil, false, yesterday},
		{"another generation", good, nil, func(s *stored) { s.generation = 4 }, false, yesterday},
		{"no status yet", good, nil, func(s *stored) { s.status = v1alpha1.SidecarStatus{} }, false, today},
		{"a spec that does not compile", bad, nil, func(s *stored) { s.entry = nil }, false, today},
	} {
		is := *s
		if c.tweak != nil {
			c.tweak(&is)
		}
		got := newStatus(&is, &c.verdict, c.pods, today)
		if sameStatus(&is.status, &got) != c.same || !got.Conditions[0].LastTransitionTime.Equal(&c.since) {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func TestWhatTheAPIServerTookOnceIsNotTriedAgain(t *testing.T) {
	entry := tail(t, "", "Tails.")
	s := &stored{key: entry.Key(), generation: 3, entry: entry}
	for _, c := range []struct {
		name  string
		proof proof
		tweak func(*stored)
		want  bool
	}{
		{"taken", proof{}, nil, true},
		{"not tried", proof{untried: "no answer"}, nil, false},
		{"refused", proof{errs: field.ErrorList{field.Required(nil, "")}, refused: true}, nil, false},
		{"taken at another revision", proof{}, func(s *stored) { s.status.Revision = "x" }, false},
		{"never judged", proof{}, func(s *stored) { s.status = v1alpha1.SidecarStatus{} }, false},
	} {
		is, v := *s, verdictOf(&c.proof)
		is.status = newStatus(s, &v, nil, metav1.Now())
		if c.tweak != nil {
			c.tweak(&is)
		}
		if got := provedBefore(&is); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}

// object gives an entry as a watch gives it.
func object(t *testing.T, kind, namespace, name, spec string, generation int64) *unstructured.Unstructured {
	t.Helper()
	u := new(unstructured.Unstructured)
	text := fmt.Sprintf(`{"apiVersion":"pillion.dev/v1alpha1","kind":%q,"metadata":{"name":%q,"uid":"u"},"spec":%s}`, kind, name, spec)
	must(t, u.UnmarshalJSON([]byte(text)))
	if namespace != "" {
		u.SetNamespace(namespace)
	}
	u.SetGeneration(generation)
	return u
}

func specWith(name, more string) string {
	return fmt.Sprintf(`{"description":"d","containers":[{"name":%q,"image":"a:1","resources":{"limits":{"cpu":"1m","memory":"1Mi"}}}]%s}`, name, more)
}

func TestEntriesMakeACatalog(t *testing.T) {
	e := NewEntries(nil, slog.New(slog.DiscardHandler))
	var told []string
	e.subscribe(func(k sidecars.Key) { told = append(told, k.String()) })
	tellsOf := func(want ...string) {
		t.Helper()
		slices.Sort(told)
		if diff := cmp.Diff(want, told); diff != "" {
			t.Errorf("told (-want +got)\n%s", diff)
		}
		told = nil
	}
	must(t, e.cluster.Add(object(t, "ClusterSidecar", "", "a", specWith("a", ""), 1)))
	must(t, e.spaces.Add(object(t, "Sidecar", "shop", "b", specWith("b", `,"order":{"after":["a"]}`), 1)))
	tellsOf("a", "shop/b")
	must(t, e.spaces.Add(object(t, "Sidecar", "shop", "a", specWith("a", ""), 1)))
	tellsOf("a", "shop/a", "shop/b")
	first := e.Catalog()
	if first.Entry("shop", "a").Namespace != "" || first.Entry("shop", "b") == nil || first.Entry("blog", "b") != nil || first.Entry("", "proxy") == nil {
		t.Error(first.Names("shop"))
	}
	// A status, or a label, is no news; the catalog stays.
	same := object(t, "ClusterSidecar", "", "a", specWith("a", ""), 1)
	same.Object["status"] = map[string]any{"revision": "r"}
	must(t, e.cluster.Update(same))
	if e.Catalog() != first || e.get(sidecars.Key{Name: "a"}).status.Revision != "r" {
		t.Error("a status makes another catalog")
	}
	tellsOf()
	// One that does not compile hides what lies below it, and disturbs nothing else.
	must(t, e.cluster.Update(object(t, "ClusterSidecar", "", "a", specWith("z", ""), 2)))
	c := e.Catalog()
	if c.Entry("shop", "a") != nil || !strings.Contains(c.LeftOut("shop", "a"), "spec.containers[0].name") || c.Entry("shop", "b") == nil {
		t.Error(c.LeftOut("shop", "a"))
	}
	tellsOf("a", "shop/a", "shop/b")
	// What was missed while the watch was cut is made good.
	must(t, e.cluster.Replace([]any{object(t, "ClusterSidecar", "", "c", specWith("c", ""), 1)}, ""))
	c = e.Catalog()
	if c.Entry("shop", "a").Namespace != "shop" || c.Entry("", "c") == nil || !e.cluster.isSynced() || e.spaces.isSynced() {
		t.Error(c.Names("shop"))
	}
	got := e.reasons()
	if n := got[kindAndReason{"Sidecar", "Unknown"}]; n != 2 || len(got) != 10 {
		t.Errorf("%v", got)
	}
}

func TestAnEntryThatFitsNoTypeIsLeftOutAlone(t *testing.T) {
	e := NewEntries(nil, slog.New(slog.DiscardHandler))
	for i, spec := range []string{`"text"`, `{"containers":5}`, `{"parameters":{"a":{"default":{"x":1}}}}`, `null`} {
		must(t, e.cluster.Add(object(t, "ClusterSidecar", "", fmt.Sprint("odd-", i), spec, 1)))
		key := sidecars.Key{Name: fmt.Sprint("odd-", i)}
		if s := e.get(key); s.entry != nil || len(s.errs) == 0 || e.Catalog().LeftOut("", key.Name) == "" {
			t.Errorf("%s: %+v", spec, s)
		}
	}
	if e.Catalog().Entry("", "proxy") == nil {
		t.Error("the others are gone")
	}
}
