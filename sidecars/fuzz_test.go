package sidecars_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
	"github.com/pillion-dev/pillion/test/golden"
)

// atOnce is the most processor time that an answer may take. A machine that fuzzes on all its cores lets one wait for much longer.
const atOnce = 5 * time.Second

func spends(t *testing.T, most time.Duration, what func()) {
	t.Helper()
	began := processorTime(t)
	what()
	if took := processorTime(t) - began; took > most {
		t.Errorf("it took %s of processor time, want at most %s", took, most)
	}
}

// processorTime is what this process has had.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		t.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

// fuzzCatalog holds the golden entries only: it is to be the same for every worker at once.
func fuzzCatalog(f *testing.F) *sidecars.Catalog {
	f.Helper()
	files, err := golden.Catalog()
	if err != nil {
		f.Fatal(err)
	}
	catalog, err := sidecars.Load(files)
	if err != nil {
		f.Fatal(err)
	}
	return catalog
}

// asLines writes a map as lines of key=value, and fromLines reads them.
func asLines(m map[string]string) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(m)) {
		b.WriteString(k + "=" + strings.ReplaceAll(m[k], "\n", " ") + "\n")
	}
	return b.String()
}

func fromLines(text string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "="); ok {
			m[k] = v
		}
	}
	return m
}

func annotationsOf(f *testing.F, object []byte) map[string]string {
	f.Helper()
	var pod struct {
		Metadata struct{ Annotations map[string]string }
	}
	if err := json.Unmarshal(object, &pod); err != nil {
		f.Fatal(err)
	}
	return pod.Metadata.Annotations
}

// answered checks what is promised of every answer.
func answered(t *testing.T, res *sidecars.Result) {
	t.Helper()
	denied := res.Outcome == sidecars.Denied || res.Outcome == sidecars.Ignored
	switch {
	case denied != (len(res.Errors) > 0):
		t.Errorf("outcome %s with errors %v", res.Outcome, res.Errors)
	case (denied || res.Outcome == sidecars.Skipped) != (res.Reason != ""):
		t.Errorf("outcome %s with reason %q", res.Outcome, res.Reason)
	case (res.Outcome == sidecars.Injected) != (len(res.Patch) > 0):
		t.Errorf("outcome %s with %d operations", res.Outcome, len(res.Patch))
	}
	for _, e := range res.Errors {
		if e.Field == "" || strings.Contains(e.Field, "<nil>") || len(e.Error()) > 4000 {
			t.Errorf("an error without a field, or too long: %d bytes, %.300s", len(e.Error()), e.Error())
		}
	}
	for _, w := range res.Warnings {
		if s := w.String(); len(s) > sidecars.MaxWarning || strings.IndexFunc(s, unicode.IsControl) >= 0 || w.Code == "" {
			t.Errorf("warning %q", s)
		}
	}
}

func FuzzRequest(f *testing.F) {
	catalog := fuzzCatalog(f)
	cases, err := golden.Cases()
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range cases {
		f.Add(asLines(annotationsOf(f, c.Pod)), asLines(c.Namespace.Annotations), c.Namespace.Labels[v1alpha1.LabelInjection])
	}
	for i, v := range hostileValues {
		if len(v) > 300 {
			continue // the fuzzer would spend its time on making it shorter
		}
		f.Add(fmt.Sprintf("pillion.dev/inject=texts,typed\npillion.dev/texts.title=%s\npillion.dev/typed.items=%s", v, v), "pillion.dev/inject="+v, []string{"enabled", "required", ""}[i%3])
	}
	f.Fuzz(func(t *testing.T, annotations, defaults, label string) {
		object, err := json.Marshal(map[string]any{
			"metadata": map[string]any{"annotations": fromLines(annotations)},
			"spec":     map[string]any{"containers": []any{map[string]any{"name": "app", "securityContext": map[string]any{"runAsUser": 1}}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		ns := &sidecars.Namespace{Name: "fuzz", Labels: map[string]string{v1alpha1.LabelInjection: label, "team": "keepers"}, Annotations: fromLines(defaults)}
		spends(t, atOnce, func() {
			res, after, err := run(catalog, object, ns)
			if err != nil {
				t.Fatal(err)
			}
			answered(t, res)
			again, _, err := run(catalog, object, ns)
			if err != nil || says(res) != says(again) {
				t.Fatalf("two answers: %s\n%s %v", says(res), says(again), err)
			}
			if after == nil {
				return
			}
			if err := additions(object, after); err != nil {
				t.Fatal(err)
			}
			if err := decodesStrictly(after); err != nil {
				t.Fatal(err)
			}
		})
	})
}

func FuzzLoad(f *testing.F) {
	files, err := catalogFiles()
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		f.Add(file.Data)
	}
	f.Add([]byte(goodEntry))
	for _, c := range badEntries() {
		f.Add([]byte(strings.Replace(goodEntry, c.old, c.new, 1)))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		spends(t, atOnce, func() {
			catalog, err := sidecars.Load(fstest.MapFS{"f.yaml": {Data: text}})
			if err != nil {
				toldWell(t, err)
				return
			}
			for _, name := range catalog.Names("") {
				injectable(t, catalog, catalog.Entry("", name))
			}
		})
	})
}

// toldWell checks that every mistake names the file and says nothing of Go's.
func toldWell(t *testing.T, err error) {
	t.Helper()
	var many interface{ Unwrap() []error }
	if !errors.As(err, &many) {
		t.Fatalf("is no list of mistakes: %v", err)
	}
	for _, e := range many.Unwrap() {
		var l *sidecars.LoadError
		if !errors.As(e, &l) && !strings.HasPrefix(e.Error(), "no catalog entry") {
			t.Fatalf("%q names no file", e)
		}
		if strings.Contains(e.Error(), "<nil>") || strings.Contains(e.Error(), "Go struct") {
			t.Errorf("%q is not for people", e)
		}
	}
}

// injectable asks for an entry with values as its declarations give them; whatever the answer, it is one.
func injectable(t *testing.T, catalog *sidecars.Catalog, e *sidecars.Entry) {
	t.Helper()
	annotations := map[string]string{v1alpha1.AnnotationInject: e.Name}
	for name, p := range e.Spec.Parameters {
		if p.Required {
			annotations[v1alpha1.Prefix+e.Name+"."+name] = benignValue(&p, 1)
		}
	}
	object, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"annotations": annotations},
		"spec":     map[string]any{"containers": []any{map[string]any{"name": "app", "securityContext": map[string]any{"runAsUser": 1}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	res, after, err := run(catalog, object, &sidecars.Namespace{})
	if err != nil {
		t.Fatal(err)
	}
	answered(t, res)
	if after == nil {
		return
	}
	if err := additions(object, after); err != nil {
		t.Fatal(err)
	}
	if err := decodesStrictly(after); err != nil {
		t.Fatal(err)
	}
	if err := levelKept(catalog, res, object, after); err != nil {
		t.Fatal(err)
	}
}

func FuzzInject(f *testing.F) {
	catalog := fuzzCatalog(f)
	cases, err := golden.Cases()
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range cases {
		f.Add(c.Pod, asLines(annotationsOf(f, c.Pod)), asLines(c.Namespace.Annotations), c.Namespace.Labels[v1alpha1.LabelInjection])
		if c.Want != nil {
			f.Add(c.Want, asLines(annotationsOf(f, c.Want)), asLines(c.Namespace.Annotations), c.Namespace.Labels[v1alpha1.LabelInjection])
		}
	}
	f.Fuzz(func(t *testing.T, pod []byte, annotations, defaults, label string) {
		if !jsontext.Value(pod).IsValid() {
			return // the API server gives JSON without duplicate names and in UTF-8, as does the CLI
		}
		object := withAnnotations(pod, fromLines(annotations))
		ns := &sidecars.Namespace{Name: "fuzz", Labels: map[string]string{v1alpha1.LabelInjection: label, "team": "keepers"}, Annotations: fromLines(defaults)}
		spends(t, atOnce, func() { lawsHold(t, catalog, object, ns) })
	})
}

// withAnnotations sets annotations where the Pod has a place for them.
func withAnnotations(pod []byte, annotations map[string]string) []byte {
	v, err := decoded(pod)
	object, ok := v.(map[string]any)
	if err != nil || !ok {
		return pod
	}
	meta, ok := object["metadata"].(map[string]any)
	if !ok {
		return pod
	}
	meta["annotations"] = annotations
	out, err := json.Marshal(object)
	if err != nil {
		return pod
	}
	return out
}

func lawsHold(t *testing.T, catalog *sidecars.Catalog, object []byte, ns *sidecars.Namespace) {
	t.Helper()
	view, err := sidecars.ReadPod(object)
	if err != nil {
		return
	}
	_ = sidecars.Uninject(view)
	res, after, err := run(catalog, object, ns)
	if err != nil {
		t.Fatal(err)
	}
	answered(t, res)
	if after == nil {
		return
	}
	if err := additions(object, after); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(object), v1alpha1.AnnotationStatus) {
		return // a forged status is believed
	}
	if err := settled(catalog, after, ns); err != nil {
		t.Fatal(err)
	}
}

// TestLargeRequestsAreAnsweredAtOnce asks for more than can be meant: the work grows with the text at most, not faster.
func TestLargeRequestsAreAnsweredAtOnce(t *testing.T) {
	catalog := propertyCatalog(t)
	var names []string
	for i := range 300_000 {
		names = append(names, fmt.Sprintf("%x", i))
	}
	keys := func(prefix string) map[string]string {
		m := map[string]string{v1alpha1.AnnotationInject: "proxy", "pillion.dev/proxy.upstream-port": "80"}
		for i := range 60_000 {
			m[fmt.Sprintf("%s%d", prefix, i)] = "x"
		}
		return m
	}
	for _, c := range []struct {
		name        string
		annotations map[string]string
		containers  int
	}{
		{"names", map[string]string{v1alpha1.AnnotationInject: strings.Join(names, ",")}, 1},
		{"names within the limit", map[string]string{v1alpha1.AnnotationInject: strings.Join(names[:11_000], ",")}, 1},
		{"one name, often", map[string]string{v1alpha1.AnnotationInject: strings.Repeat("proxy,", 10_000)}, 1},
		{"keys", keys("pillion.dev/k"), 1},
		{"parameters", keys("pillion.dev/proxy.k"), 1},
		{"parameters of no sidecar", keys("pillion.dev/prxy.k"), 1},
		{"items", map[string]string{v1alpha1.AnnotationInject: "typed", "pillion.dev/typed.list": strings.Repeat("1,", 30_000)}, 1},
		{"containers", map[string]string{v1alpha1.AnnotationInject: "reader,envy"}, 20_000},
		{"a status", map[string]string{v1alpha1.AnnotationInject: "reader", v1alpha1.AnnotationStatus: `{"v":1,"sidecars":[` + strings.Repeat(`{"name":"reader"},`, 60_000) + `{}]}`}, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctrs := make([]any, c.containers)
			for i := range ctrs {
				ctrs[i] = map[string]any{"name": fmt.Sprintf("c%d", i)}
			}
			object, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": c.annotations}, "spec": map[string]any{"containers": ctrs}})
			if err != nil {
				t.Fatal(err)
			}
			var res *sidecars.Result
			spends(t, 2*time.Second, func() {
				pod, err := sidecars.ReadPod(object)
				if err != nil {
					t.Fatal(err)
				}
				res = sidecars.Inject(catalog, pod, &sidecars.Namespace{})
			})
			answered(t, res)
			if size := len(says(res)); size > 64<<10 {
				t.Errorf("%d bytes are answered with %d bytes", len(object), size)
			}
		})
	}
}
