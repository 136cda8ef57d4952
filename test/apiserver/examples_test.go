package apiserver

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/cli"
	"github.com/pillion-dev/pillion/sidecars"
)

const examplesDir = "../../examples"

// example is what somebody would apply at once: a file, with the entries that it needs; or a folder that has a README.
type example struct {
	name           string
	files, entries []string
	refused        bool // its Pods are, or one of them, and that is what it shows
}

// examples finds every YAML file in the folder. There is no list of them: one that is new is applied too, or, where nobody knows
// what it is for, fails.
func examples(t *testing.T) (out []*example, entries []string) {
	t.Helper()
	byName := map[string]*example{}
	err := filepath.WalkDir(examplesDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(examplesDir, path)
		if err != nil {
			return err
		}
		folder, name := filepath.Dir(rel), strings.TrimSuffix(filepath.Base(rel), ".yaml")
		switch {
		case strings.HasPrefix(folder, "catalog/tests"), folder == "catalog/refused":
			// What `pillion test` and `pillion lint` read: examples/catalog runs them on these folders.
		case strings.HasSuffix(rel, "_test.go"), filepath.Base(rel) == "README.md":
		case filepath.Ext(rel) != ".yaml":
			return fmt.Errorf("%s is no example that is applied: what shows that it is right?", rel)
		case folder == "catalog/entries":
			entries = append(entries, path)
		case strings.HasSuffix(name, "-catalog"):
			entries = append(entries, path)
			of := strings.TrimSuffix(filepath.Join(folder, name), "-catalog")
			add(byName, of).entries = append(add(byName, of).entries, path)
		default:
			of := filepath.Join(folder, name)
			if _, err := os.Stat(filepath.Join(examplesDir, folder, "README.md")); err == nil {
				of = folder
			}
			e := add(byName, of)
			e.files, e.refused = append(e.files, path), folder == "refused" || strings.HasSuffix(name, "-refused")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range byName {
		if len(e.files) == 0 {
			t.Errorf("%s has entries, and nothing that uses them", e.name)
		}
		out = append(out, e)
	}
	if len(out) < 40 || len(entries) < 9 {
		t.Fatalf("%d examples and %d files of entries are too few", len(out), len(entries))
	}
	slices.SortFunc(out, func(a, b *example) int { return strings.Compare(a.name, b.name) })
	return out, entries
}

func add(to map[string]*example, name string) *example {
	if to[name] == nil {
		to[name] = &example{name: name}
	}
	return to[name]
}

// objectsIn reads the documents of a file.
func objectsIn(t *testing.T, file string) (out []*unstructured.Unstructured) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for dec := utilyaml.NewYAMLOrJSONDecoder(f, 4096); ; {
		u := &unstructured.Unstructured{}
		err := dec.Decode(&u.Object)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if len(u.Object) > 0 {
			out = append(out, u)
		}
	}
}

// TestEveryExampleIsApplied applies each example to a Namespace of its own, with the webhook. Every object is taken, and every
// Pod, those of templates too, gets the sidecars it asks for; those that show a refusal are refused.
func TestEveryExampleIsApplied(t *testing.T) {
	p := useExamples(t)
	all, entries := examples(t)
	pods := 0
	// Those for all Namespaces first: some examples ask for another's.
	for _, file := range entries {
		for _, u := range objectsIn(t, file) {
			if u.GetKind() == v1alpha1.KindClusterSidecar {
				p.mustApply(t, "", u)
			}
		}
	}
	for _, e := range all {
		t.Run(e.name, func(t *testing.T) {
			namespace := strings.ToLower(strings.NewReplacer("/", "-", ".", "-").Replace(e.name))
			if err := p.namespace(t.Context(), namespace, nil, nil); err != nil {
				t.Fatal(err)
			}
			for _, file := range e.entries {
				for _, u := range objectsIn(t, file) {
					if u.GetKind() == v1alpha1.KindSidecar {
						p.mustApply(t, namespace, u)
					}
				}
			}
			refused := 0
			for _, file := range e.files {
				for _, u := range objectsIn(t, file) {
					n, err := p.object(t, namespace, e, u)
					if pods += n; err != nil {
						refused++
						t.Log(err)
					}
				}
			}
			if e.refused != (refused > 0) {
				t.Errorf("%d Pods were refused", refused)
			}
		})
	}
	if pods < 80 {
		t.Errorf("%d Pods were created", pods)
	}
}

// object applies one object and looks at the Pod that it is, or that would be made of it. The error is a refusal.
func (p *examplePlane) object(t *testing.T, namespace string, e *example, u *unstructured.Unstructured) (pods int, err error) {
	t.Helper()
	pod, err := podIn(u)
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case u.GetKind() == "Namespace":
		if err := p.namespace(t.Context(), u.GetName(), u.GetLabels(), u.GetAnnotations()); err != nil {
			t.Error(err)
		}
		return 0, nil
	case u.GetKind() != "Pod":
		p.mustApply(t, namespace, u)
	}
	if pod == nil {
		return 0, nil
	}
	if e.refused {
		_, err := p.apply(t.Context(), namespace, pod.DeepCopy())
		return 1, err
	}
	await(t, u.GetKind()+" "+u.GetName(), func() error { return p.injects(t, namespace, pod.DeepCopy()) })
	return 1, nil
}

func (p *examplePlane) mustApply(t *testing.T, namespace string, u *unstructured.Unstructured) {
	t.Helper()
	await(t, u.GetKind()+" "+u.GetName(), func() error {
		if _, err := p.apply(t.Context(), namespace, u); !apierrors.IsAlreadyExists(err) {
			return err // or a definition is not served yet
		}
		return nil
	})
}

// podIn gives the Pod that an object is or has the template of; nil where there is none.
func podIn(u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	at, ok := sidecars.PodPointer(u.GetAPIVersion(), u.GetKind())
	if !ok {
		return nil, nil
	}
	if at == "" || at == "/" {
		return u, nil
	}
	template, ok, err := unstructured.NestedMap(u.Object, strings.Split(strings.Trim(at, "/"), "/")...)
	if err != nil || !ok {
		return nil, fmt.Errorf("%s %s has no template at %s: %w", u.GetKind(), u.GetName(), at, err)
	}
	pod := &unstructured.Unstructured{Object: template}
	pod.SetAPIVersion("v1")
	pod.SetKind("Pod")
	pod.SetName("of-" + strings.ToLower(u.GetKind()) + "-" + u.GetName())
	pod.SetNamespace(u.GetNamespace())
	return pod, claims(u, pod)
}

// claims adds the volumes that a StatefulSet's controller makes of its claims.
func claims(of, pod *unstructured.Unstructured) error {
	templates, _, err := unstructured.NestedSlice(of.Object, "spec", "volumeClaimTemplates")
	if err != nil || len(templates) == 0 {
		return err
	}
	volumes, _, err := unstructured.NestedSlice(pod.Object, "spec", "volumes")
	if err != nil {
		return err
	}
	for _, claim := range templates {
		name, _, err := unstructured.NestedString(claim.(map[string]any), "metadata", "name")
		if err != nil {
			return err
		}
		volumes = append(volumes, map[string]any{"name": name, "persistentVolumeClaim": map[string]any{"claimName": name + "-" + of.GetName() + "-0"}})
	}
	return unstructured.SetNestedSlice(pod.Object, volumes, "spec", "volumes")
}

// injects creates a Pod and compares the sidecars it has with those it asks for, itself or through its Namespace.
func (p *examplePlane) injects(t *testing.T, namespace string, pod *unstructured.Unstructured) error {
	if pod.GetNamespace() != "" {
		namespace = pod.GetNamespace()
	}
	ns, err := p.client.Resource(namespacesResource).Get(t.Context(), namespace, metav1.GetOptions{})
	if err != nil {
		return err
	}
	is, err := p.apply(t.Context(), namespace, pod)
	if err != nil {
		return err
	}
	asked := pod.GetAnnotations()[v1alpha1.AnnotationInject]
	if asked == "" && ns.GetLabels()[v1alpha1.LabelInjection] == v1alpha1.InjectionEnabled {
		asked = ns.GetAnnotations()[v1alpha1.AnnotationInject]
	}
	var want []string
	if asked != "false" {
		want = strings.FieldsFunc(asked, func(r rune) bool { return r == ',' || r == ' ' })
	}
	names := containersOf(is)
	for _, name := range want {
		if !slices.Contains(names, name) {
			err = errors.Join(err, fmt.Errorf("%s asks for %s and has the containers %q", pod.GetName(), name, names))
		}
	}
	if injected := is.GetLabels()[v1alpha1.LabelInjected] == "true"; injected != (len(want) > 0) {
		err = errors.Join(err, fmt.Errorf("%s is labelled as injected: %v, asks for %q", pod.GetName(), injected, asked))
	}
	if err != nil { // tried again: the webhook may not know the Namespace yet
		return errors.Join(err, p.client.Resource(corev1.SchemeGroupVersion.WithResource("pods")).Namespace(namespace).Delete(t.Context(), pod.GetName(), metav1.DeleteOptions{GracePeriodSeconds: new(int64)}))
	}
	return nil
}

func containersOf(pod *unstructured.Unstructured) (names []string) {
	for _, list := range []string{"initContainers", "containers"} {
		containers, _, _ := unstructured.NestedSlice(pod.Object, "spec", list)
		for _, c := range containers {
			names = append(names, fmt.Sprint(c.(map[string]any)["name"]))
		}
	}
	return names
}

// TestDiffOfEveryExample runs `pillion diff` on each file, as the READMEs say. Its exit code is 1 where there is a sidecar to
// show, or a refusal, and 0 where there is none.
func TestDiffOfEveryExample(t *testing.T) {
	all, entries := examples(t)
	catalog := catalogWith(t, entries)
	for _, e := range all {
		for _, file := range e.files {
			t.Run(file, func(t *testing.T) {
				out, report, code := command("diff", "--catalog", catalog, file)
				asks := false
				for _, u := range objectsIn(t, file) {
					pod, err := podIn(u)
					if err != nil {
						t.Fatal(err)
					}
					if u.GetKind() == "Namespace" {
						pod = u
					}
					if pod != nil && !slices.Contains([]string{"", "false"}, pod.GetAnnotations()[v1alpha1.AnnotationInject]) {
						asks = true
					}
				}
				want := cli.ExitOK
				if asks {
					want = cli.ExitRefused
				}
				if code != want || e.refused != strings.Contains(report, "refused") || !e.refused && asks != strings.Contains(out, "\n+") {
					t.Errorf("exit code %d, want %d\n%s%s", code, want, out, report)
				}
			})
		}
	}
}

// TestLintOfEveryEntry runs `pillion lint` on each file of entries among the examples: each is without a mistake.
func TestLintOfEveryEntry(t *testing.T) {
	_, entries := examples(t)
	for _, file := range entries {
		if out, report, code := command("lint", file); code != cli.ExitOK {
			t.Errorf("pillion lint %s: exit code %d\n%s%s", file, code, out, report)
		}
	}
}

// command runs the command line program.
func command(args ...string) (out, report string, code int) {
	var stdout, stderr bytes.Buffer
	code = cli.Run(&cli.Process{Args: append([]string{"pillion"}, args...), In: strings.NewReader(""), Out: &stdout, Err: &stderr,
		Getenv: func(string) string { return "" }})
	return stdout.String(), stderr.String(), code
}

// catalogWith is a folder with the embedded entries and those of files, in whose place they are; an entry of a Namespace that it does
// not name is that of the Namespace default.
func catalogWith(t *testing.T, files []string) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, object []byte) {
		if err := os.WriteFile(filepath.Join(dir, name+".yaml"), object, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range sidecars.Builtin().All() {
		text, report, code := command("catalog", "export", e.Name)
		if code != cli.ExitOK {
			t.Fatal(report)
		}
		write(e.Name, []byte(text))
	}
	for _, file := range files {
		for _, u := range objectsIn(t, file) {
			if u.GetKind() == v1alpha1.KindSidecar {
				u.SetNamespace("default")
			}
			text, err := u.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			write(u.GetName(), text)
		}
	}
	return dir
}
