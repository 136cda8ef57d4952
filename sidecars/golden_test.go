package sidecars_test

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	kjson "sigs.k8s.io/json"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
	"github.com/pillion-dev/pillion/test/golden"
)

var update = flag.Bool("update", false, "write the golden cases anew")

func TestGolden(t *testing.T) {
	catalog := goldenCatalog(t)
	for _, c := range goldenCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			res, after := inject(t, catalog, c, c.Pod)
			if *update {
				if err := c.Update(answer(res), after); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(c.Answer, answer(res)); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(parsed(t, c.Want), parsed(t, after)); diff != "" {
				t.Errorf("Pod (-want +got):\n%s", diff)
			}
		})
	}
}

// TestGoldenLaws holds every golden case to what is promised of every injection, whatever the case says.
func TestGoldenLaws(t *testing.T) {
	catalog := goldenCatalog(t)
	for _, c := range goldenCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			res, after := inject(t, catalog, c, c.Pod)
			again, _ := inject(t, catalog, c, c.Pod)
			if got, want := sidecars.AppendPatch(nil, again.Patch), sidecars.AppendPatch(nil, res.Patch); string(got) != string(want) {
				t.Errorf("the same input gave another patch:\n%s\n%s", want, got)
			}
			if res.Outcome != sidecars.Injected {
				if len(res.Patch) > 0 {
					t.Errorf("outcome %s has a patch: %v", res.Outcome, res.Patch)
				}
				return
			}
			for _, op := range res.Patch {
				if op.Operation != "add" {
					t.Errorf("operation %q at %s, want only add", op.Operation, op.Path)
				}
			}
			if second, _ := inject(t, catalog, c, after); second.Outcome != sidecars.Unchanged || len(second.Patch) > 0 {
				t.Errorf("the second run is %s, want %s: %s%v", second.Outcome, sidecars.Unchanged, sidecars.AppendPatch(nil, second.Patch), second.Errors)
			}
			if where := golden.Lacks(parsed(t, after), parsed(t, c.Pod), mayDiffer); where != "" {
				t.Errorf("the result lacks what the Pod had: %s", where)
			}
			wantRemovable(t, c, after)
			wantDecodable(t, c.Pod, after)
			wantLevelKept(t, catalog, res, c.Pod, after)
		})
	}
}

// TestGoldenOfEveryRule holds rules and cases together: a rule is a file whose comment names its cases.
func TestGoldenOfEveryRule(t *testing.T) {
	var names []string
	named := map[string]bool{}
	for _, c := range goldenCases(t) {
		names = append(names, c.Name)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	comment := regexp.MustCompile(`\n// Golden: ((?:.|\n//)*?)\.\n`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\n// Rule: ") && !comment.Match(text) {
			t.Errorf("%s: the rule names no golden case", file)
		}
		for _, m := range comment.FindAllSubmatch(text, -1) {
			list := strings.ReplaceAll(string(m[1]), "\n// ", " ")
			if strings.HasPrefix(list, "none, see Test") {
				continue
			}
			for pattern := range strings.SplitSeq(list, ", ") {
				found := slices.DeleteFunc(slices.Clone(names), func(n string) bool { ok, _ := filepath.Match(pattern, n); return !ok })
				if len(found) == 0 {
					t.Errorf("%s: there is no golden case %s", file, pattern)
				}
				for _, n := range found {
					named[n] = true
				}
			}
		}
	}
	for _, n := range names {
		if !named[n] {
			t.Errorf("golden case %s is named by no rule: put it on the line Golden of its rule in sidecars/", n)
		}
	}
}

func TestGoldenCatalogHasNothingUnused(t *testing.T) {
	used := map[string]bool{}
	for _, c := range goldenCases(t) {
		for _, name := range c.Answer.Sidecars {
			used[name] = true
		}
	}
	for _, name := range goldenCatalog(t).Names("") {
		if !used[name] {
			t.Errorf("no golden case asks for catalog entry %s", name)
		}
	}
}

func inject(t *testing.T, catalog *sidecars.Catalog, c *golden.Case, object []byte) (*sidecars.Result, []byte) {
	t.Helper()
	ns := sidecars.Namespace(c.Namespace)
	return injectInto(t, catalog, &ns, object)
}

// injectInto gives the answer and, where there is a patch, what it makes of the Pod.
func injectInto(t *testing.T, catalog *sidecars.Catalog, ns *sidecars.Namespace, object []byte) (*sidecars.Result, []byte) {
	t.Helper()
	pod, err := sidecars.ReadPod(object)
	if err != nil {
		t.Fatal(err)
	}
	res := sidecars.Inject(catalog, pod, ns)
	if res.Outcome != sidecars.Injected {
		return res, nil
	}
	patch, err := jsonpatch.DecodePatch(sidecars.AppendPatch(nil, res.Patch))
	if err != nil {
		t.Fatal(err)
	}
	after, err := patch.Apply(object)
	if err != nil {
		t.Fatalf("patch does not apply: %v\n%s", err, sidecars.AppendPatch(nil, res.Patch))
	}
	return res, after
}

func answer(res *sidecars.Result) golden.Answer {
	a := golden.Answer{Outcome: string(res.Outcome), Reason: string(res.Reason), Sidecars: res.Sidecars}
	for _, w := range res.Warnings {
		a.Warnings = append(a.Warnings, w.String())
	}
	for _, e := range res.Errors {
		a.Errors = append(a.Errors, e.Error())
	}
	return a
}

// mayDiffer names what an injection may change: the values that are extended, and our own annotations.
func mayDiffer(name string) bool {
	return name == "terminationGracePeriodSeconds" || name == v1alpha1.AnnotationSafeToEvict || strings.HasPrefix(name, v1alpha1.Prefix)
}

// wantRemovable checks that what was added can be taken out again: what is left differs from the Pod only in what the API
// server does not tell apart, lists and maps that are empty, the default grace period, and requests of the Pod itself that
// are its limits.
func wantRemovable(t *testing.T, c *golden.Case, after []byte) {
	t.Helper()
	if strings.Contains(string(c.Pod), `"pillion.dev/status"`) || strings.Contains(string(c.Pod), `"pillion.dev/file.`) {
		return
	}
	pod, err := sidecars.ReadPod(after)
	if err != nil {
		t.Fatal(err)
	}
	ops, err := json.Marshal(sidecars.Uninject(pod))
	if err != nil {
		t.Fatal(err)
	}
	patch, err := jsonpatch.DecodePatch(ops)
	if err != nil {
		t.Fatal(err)
	}
	back, err := patch.Apply(after)
	if err != nil {
		t.Fatalf("uninject does not apply: %v\n%s", err, ops)
	}
	if diff := cmp.Diff(withoutDefaults(t, c.Pod), withoutDefaults(t, back)); diff != "" {
		t.Errorf("uninject (-Pod +left):\n%s", diff)
	}
}

func withoutDefaults(t *testing.T, object []byte) any {
	t.Helper()
	pod := parsed(t, object).(map[string]any)
	if resources, ok := pod["spec"].(map[string]any)["resources"].(map[string]any); ok {
		requests, _ := resources["requests"].(map[string]any)
		limits, _ := resources["limits"].(map[string]any)
		maps.DeleteFunc(requests, func(name string, v any) bool { return limits[name] == v })
	}
	return withoutEmpty("", pod)
}

func withoutEmpty(key string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, below := range v {
			if b := withoutEmpty(k, below); b != nil {
				out[k] = b
			}
		}
		if len(out) > 0 {
			return out
		}
		return nil
	case []any:
		var out []any
		for _, below := range v {
			out = append(out, withoutEmpty("", below))
		}
		if len(out) > 0 {
			return out
		}
		return nil
	}
	if key == "terminationGracePeriodSeconds" && v == json.Number("30") {
		return nil
	}
	return v
}

// wantDecodable checks that the result decodes as strictly as the Pod did: what is unknown was the author's.
func wantDecodable(t *testing.T, before, after []byte) {
	t.Helper()
	if diff := cmp.Diff(strictErrors(t, before), strictErrors(t, after)); diff != "" {
		t.Errorf("strict decoding (-before +after):\n%s", diff)
	}
}

var listIndex = regexp.MustCompile(`\[\d+\]`)

func strictErrors(t *testing.T, object []byte) []string {
	t.Helper()
	strict, err := kjson.UnmarshalStrict(object, new(corev1.Pod))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range strict {
		out = append(out, listIndex.ReplaceAllString(e.Error(), "[]"))
	}
	slices.Sort(out)
	return out
}

// wantLevelKept checks that a Pod meets the Pod Security level that it met before, or that of the entries where the
// platform team grants less.
func wantLevelKept(t *testing.T, catalog *sidecars.Catalog, res *sidecars.Result, before, after []byte) {
	t.Helper()
	want := level(t, before)
	for _, name := range res.Sidecars {
		if l := catalog.Entry("", name).Level; api.CompareLevels(l, want) < 0 {
			want = l
		}
	}
	if got := level(t, after); api.CompareLevels(got, want) < 0 {
		t.Errorf("Pod Security level is %s, want %s", got, want)
	}
}

func level(t *testing.T, object []byte) api.Level {
	t.Helper()
	var pod corev1.Pod
	if err := json.Unmarshal(object, &pod); err != nil {
		t.Fatal(err)
	}
	l, err := sidecars.LevelOf(&pod.ObjectMeta, &pod.Spec)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func goldenCases(t *testing.T) []*golden.Case {
	t.Helper()
	cases, err := golden.Cases()
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

var loadGoldenCatalog = sync.OnceValues(func() (*sidecars.Catalog, error) {
	files, err := golden.Catalog()
	if err != nil {
		return nil, err
	}
	return sidecars.Load(files)
})

func goldenCatalog(t *testing.T) *sidecars.Catalog {
	t.Helper()
	catalog, err := loadGoldenCatalog()
	if err != nil {
		t.Fatal(err)
	}
	return catalog
}

func parsed(t *testing.T, text []byte) any {
	t.Helper()
	v, err := golden.Tree(text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
