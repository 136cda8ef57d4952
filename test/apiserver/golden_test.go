package apiserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/cli"
	"github.com/pillion-dev/pillion/test/golden"
	"github.com/pillion-dev/pillion/test/serving"
)

// TestGolden creates every golden Pod for real. Injected by the webhook, or by the CLI with the webhook called again or not
// called at all, it becomes the same object; a Pod that is not injected is stored as if there were no webhook.
func TestGolden(t *testing.T) {
	useControlPlane(t)
	files := injectFiles(t)
	for _, c := range plane.cases {
		t.Run(c.Name, func(t *testing.T) {
			on := post(t, namespaceOf(c), c.Pod)
			wantWarnings(t, c, on)
			if c.Refused() {
				wantRefused(t, c, on)
				return
			}
			got := stored(t, on)
			plain := stored(t, post(t, nsOff, c.Pod))
			if !c.Injected() {
				wantSame(t, "with the webhook and without", plain, got)
				return
			}
			wantSame(t, "injected by the CLI, and the webhook called", got, stored(t, post(t, namespaceOf(c), files[c.Name])))
			wantSame(t, "injected by the CLI, and no webhook", got, stored(t, post(t, nsOff, files[c.Name])))
			if where := golden.Lacks(got, known(t, c.Want), ofTheServer); where != "" {
				t.Errorf("the stored object lacks %s of want.yaml", where)
			}
			if where := golden.Lacks(comparable(t, got), comparable(t, plain), extended); where != "" {
				t.Errorf("the stored object lacks %s, which it has without the webhook", where)
			}
			wantQoSKept(t, plain, got)
		})
	}
}

func namespaceOf(c *golden.Case) string {
	if c.NamespaceYAML != nil {
		return c.Name
	}
	return nsOn
}

// injectFiles has the CLI inject the Pods of all cases that are injected, in one stream, and gives them as JSON.
func injectFiles(t *testing.T) map[string][]byte {
	t.Helper()
	var namespaces, pods bytes.Buffer
	var names []string
	for _, c := range plane.cases {
		if c.Injected() {
			names = append(names, c.Name)
			fmt.Fprintf(&namespaces, "%s---\n", c.NamespaceYAML)
			fmt.Fprintf(&pods, "%s---\n", c.PodYAML)
		}
	}
	var out, report bytes.Buffer
	code := cli.Run(&cli.Process{Args: []string{"pillion", "inject", "--catalog", plane.catalog, "-"},
		In: io.MultiReader(&namespaces, &pods), Out: &out, Err: &report, Getenv: func(string) string { return "" }})
	if code != cli.ExitOK {
		t.Fatalf("pillion inject ends with %d: %s", code, &report)
	}
	files := map[string][]byte{}
	for text := range bytes.SplitSeq(out.Bytes(), []byte("---\n")) {
		if !bytes.Contains(text, []byte("kind: Pod\n")) {
			continue
		}
		pod, err := yaml.YAMLToJSONStrict(text)
		if err != nil || len(names) == 0 {
			t.Fatalf("Pod %d of the CLI's output: %v\n%s", len(files)+1, err, text)
		}
		files[names[0]], names = pod, names[1:]
	}
	if len(names) > 0 {
		t.Fatalf("the CLI's output lacks the Pods of %q", names)
	}
	return files
}

// post creates a Pod in a Namespace, whatever Namespace it names, and deletes it again.
func post(t *testing.T, namespace string, pod []byte) *serving.Answer {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal(pod, &object); err != nil {
		t.Fatal(err)
	}
	meta := object["metadata"].(map[string]any)
	delete(meta, "namespace")
	body, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	pods := plane.url + "/api/v1/namespaces/" + namespace + "/pods"
	a, err := serving.Post(plane.client, pods, body)
	if err != nil {
		t.Fatal(err)
	}
	if a.Status == http.StatusCreated {
		name := stored(t, a).(map[string]any)["metadata"].(map[string]any)["name"].(string)
		gone, err := serving.Do(plane.client, http.MethodDelete, pods+"/"+name+"?gracePeriodSeconds=0", nil)
		// The garbage collector may have been there first: what a random Pod says of its owner is not so.
		if err != nil || gone.Status != http.StatusOK && gone.Status != http.StatusNotFound {
			t.Fatalf("delete Pod %s: %v %v", name, err, gone)
		}
	}
	return a
}

func stored(t *testing.T, a *serving.Answer) any {
	t.Helper()
	if a.Status != http.StatusCreated {
		t.Fatalf("create: %d %s", a.Status, a.Message())
	}
	v, err := golden.Tree(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// wantWarnings compares the warnings of the webhook; those of the API server itself, of unknown fields, are left out.
func wantWarnings(t *testing.T, c *golden.Case, a *serving.Answer) {
	t.Helper()
	got := slices.DeleteFunc(slices.Clone(a.Warnings), func(w string) bool { return !strings.HasPrefix(w, "P") })
	if diff := cmp.Diff(c.Answer.Warnings, got, cmp.Transformer("nil", func(list []string) []string { return append([]string{}, list...) })); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func wantRefused(t *testing.T, c *golden.Case, a *serving.Answer) {
	t.Helper()
	want := `admission webhook "pods.pillion.dev" denied the request: ` + c.Answer.Message()
	if a.Status != http.StatusForbidden || a.Message() != want {
		t.Errorf("create: %d, want 403; message (-want +got):\n%s", a.Status, cmp.Diff(want, a.Message()))
	}
	var name struct{ Metadata struct{ Name string } }
	if err := json.Unmarshal(c.Pod, &name); err != nil {
		t.Fatal(err)
	}
	there, err := serving.Do(plane.client, http.MethodGet, plane.url+"/api/v1/namespaces/"+namespaceOf(c)+"/pods/"+name.Metadata.Name, nil)
	if err != nil || there.Status != http.StatusNotFound {
		t.Errorf("a refused Pod is stored: %v %v", err, there)
	}
}

// wantSame compares two stored objects, the order of lists too.
func wantSame(t *testing.T, how string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(comparable(t, want), comparable(t, got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", how, diff)
	}
}

var tokenSuffix = regexp.MustCompile(`"kube-api-access-[a-z0-9]{5}"`)

// comparable is an object without what differs from one creation to the next.
func comparable(t *testing.T, object any) any {
	t.Helper()
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	v, err := golden.Tree(tokenSuffix.ReplaceAll(text, []byte(`"kube-api-access-x"`)))
	if err != nil {
		t.Fatal(err)
	}
	meta := v.(map[string]any)["metadata"].(map[string]any)
	if meta["generateName"] != nil {
		delete(meta, "name")
	}
	for _, k := range []string{"uid", "creationTimestamp", "resourceVersion", "managedFields", "namespace"} {
		delete(meta, k)
	}
	conditions, _ := v.(map[string]any)["status"].(map[string]any)["conditions"].([]any)
	for _, c := range conditions {
		delete(c.(map[string]any), "lastTransitionTime")
	}
	return v
}

// known is a Pod as the API's own type has it: without unknown fields, and quantities in their canonical form.
func known(t *testing.T, pod []byte) any {
	t.Helper()
	var typed corev1.Pod
	if err := json.Unmarshal(pod, &typed); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(typed)
	if err != nil {
		t.Fatal(err)
	}
	v, err := golden.Tree(text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// ofTheServer names what the API server sets whatever is given.
func ofTheServer(name string) bool { return name == "namespace" || name == "status" }

// extended names what an injection may change: the class, the values that it extends, and our own annotations.
func extended(name string) bool {
	return name == "qosClass" || name == "terminationGracePeriodSeconds" || name == v1alpha1.AnnotationSafeToEvict || strings.HasPrefix(name, v1alpha1.Prefix)
}

// wantQoSKept compares the classes that the API server computed: none is lowered, and Guaranteed stays.
func wantQoSKept(t *testing.T, before, after any) {
	t.Helper()
	order := []string{string(corev1.PodQOSBestEffort), string(corev1.PodQOSBurstable), string(corev1.PodQOSGuaranteed)}
	was, is := slices.Index(order, qosClass(before)), slices.Index(order, qosClass(after))
	if was < 0 || is < was {
		t.Errorf("QoS class is %q, was %q", qosClass(after), qosClass(before))
	}
}

func qosClass(pod any) string {
	status, _ := pod.(map[string]any)["status"].(map[string]any)
	class, _ := status["qosClass"].(string)
	return class
}

// TestQoSClasses says of which classes the cases of resources.go are, so that they show what they say.
func TestQoSClasses(t *testing.T) {
	useControlPlane(t)
	for name, want := range map[string][2]corev1.PodQOSClass{
		"qos-guaranteed":      {corev1.PodQOSGuaranteed, corev1.PodQOSGuaranteed},
		"qos-burstable":       {corev1.PodQOSBurstable, corev1.PodQOSBurstable},
		"qos-besteffort":      {corev1.PodQOSBestEffort, corev1.PodQOSBurstable},
		"pod-level-resources": {corev1.PodQOSGuaranteed, corev1.PodQOSGuaranteed},
	} {
		c := caseNamed(t, name)
		got := [2]corev1.PodQOSClass{}
		for i, namespace := range []string{nsOff, nsOn} {
			got[i] = corev1.PodQOSClass(qosClass(stored(t, post(t, namespace, c.Pod))))
		}
		if got != want {
			t.Errorf("case %s: the class is %s before and %s after, want %s and %s", name, got[0], got[1], want[0], want[1])
		}
	}
}

// TestTokenIsForTheApp looks for the service-account token that the API server mounts into whatever does not mask it.
func TestTokenIsForTheApp(t *testing.T) {
	useControlPlane(t)
	var pod corev1.Pod
	if err := json.Unmarshal(post(t, nsOn, caseNamed(t, "token-masked").Pod).Body, &pod); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		if slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return strings.HasPrefix(m.Name, "kube-api-access-") }) {
			got = append(got, c.Name)
		}
	}
	if diff := cmp.Diff([]string{"trusted", "app"}, got); diff != "" {
		t.Errorf("containers with the app's token (-want +got):\n%s", diff)
	}
}
