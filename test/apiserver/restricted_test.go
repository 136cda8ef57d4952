package apiserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/cli"
	"github.com/pillion-dev/pillion/sidecars"
	"github.com/pillion-dev/pillion/test/serving"
)

// notRestricted are the entries that a Namespace with Pod Security restricted has to do without, and of what the API server
// itself says that it forbids.
var notRestricted = map[string]string{"debug": `container "debug" must not include "DAC_READ_SEARCH", "KILL", "NET_RAW", "SYS_PTRACE" in securityContext.capabilities.add`}

// TestEveryEntryIsAcceptedWhereRestrictedIsEnforced creates Pods with each embedded entry, once with as few parameters as it takes
// and once with all, in a Namespace that enforces Pod Security restricted. Where an entry is refused, the API server would
// have refused the Pod.
func TestEveryEntryIsAcceptedWhereRestrictedIsEnforced(t *testing.T) {
	p := useExamples(t)
	const restricted, unseen = "restricted", "restricted-unseen"
	enforce := map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}
	for name, on := range map[string]string{restricted: "on", unseen: "off"} {
		labels := maps.Clone(enforce)
		labels[serving.Label] = on
		if err := p.namespace(t.Context(), name, labels, nil); err != nil {
			t.Fatal(err)
		}
	}
	tried := 0
	for _, e := range sidecars.Builtin().All() {
		for how, parameters := range map[string]map[string]string{"few": few(t, e), "all": all(t, e)} {
			pod := restrictedPod(e.Name, how, parameters)
			tried++
			if why := notRestricted[e.Name]; why != "" {
				p.wantForbidden(t, restricted, unseen, pod, why)
				continue
			}
			await(t, e.Name+" with "+how+" parameters", func() error { return p.accepts(restricted, e.Name, pod) })
		}
	}
	if tried < 16 {
		t.Errorf("%d Pods were tried", tried)
	}
}

// accepts creates a Pod for real, and wants it stored with the sidecar and without a warning of Pod Security.
func (p *examplePlane) accepts(namespace, entry string, pod *corev1.Pod) error {
	text, err := json.Marshal(pod)
	if err != nil {
		return err
	}
	a, err := serving.Post(p.http, p.url+"/api/v1/namespaces/"+namespace+"/pods", text)
	if err != nil || a.Status != http.StatusCreated {
		return fmt.Errorf("%w %v: %s", err, pod.Annotations, a.Message())
	}
	var is corev1.Pod
	if err := json.Unmarshal(a.Body, &is); err != nil {
		return err
	}
	has := slices.ContainsFunc(slices.Concat(is.Spec.InitContainers, is.Spec.Containers), func(c corev1.Container) bool { return c.Name == entry })
	if !has || is.Labels[v1alpha1.LabelInjected] != "true" {
		return errors.New("the Pod is stored without its sidecar")
	}
	return nil
}

// wantForbidden has the webhook refuse a Pod, and the API server itself the same Pod with its sidecar already in it.
func (p *examplePlane) wantForbidden(t *testing.T, namespace, unseen string, pod *corev1.Pod, why string) {
	t.Helper()
	entry := pod.Annotations[v1alpha1.AnnotationInject]
	err := p.accepts(namespace, entry, pod)
	want := "sidecar " + entry + " needs Pod Security level privileged, but Namespace " + namespace + " enforces restricted"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: %v, want %q", entry, err, want)
	}
	err = p.accepts(unseen, entry, injectedByTheCLI(t, pod))
	if err == nil || !strings.Contains(err.Error(), why) {
		t.Errorf("%s, injected before: %v, want %q", entry, err, why)
	}
}

func injectedByTheCLI(t *testing.T, pod *corev1.Pod) *corev1.Pod {
	t.Helper()
	text, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	var out, report strings.Builder
	code := cli.Run(&cli.Process{Args: []string{"pillion", "inject", "-o", "json", "-"}, In: strings.NewReader(string(text)), Out: &out, Err: &report,
		Getenv: func(string) string { return "" }})
	if code != cli.ExitOK {
		t.Fatalf("pillion inject: %d %s", code, report.String())
	}
	is := new(corev1.Pod)
	if err := json.Unmarshal([]byte(out.String()), is); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	return is
}

// few gives the parameters that an entry cannot do without: those that it declares so, and the ones that tell the proxy
// where to.
func few(t *testing.T, e *sidecars.Entry) map[string]string {
	t.Helper()
	out := map[string]string{}
	for name, p := range e.Spec.Parameters {
		if p.Required {
			out[name] = sampleOf(t, name, p)
		}
	}
	return out
}

// all gives a value for each parameter that has no default.
func all(t *testing.T, e *sidecars.Entry) map[string]string {
	t.Helper()
	out := map[string]string{}
	for name, p := range e.Spec.Parameters {
		if p.Default == nil {
			out[name] = sampleOf(t, name, p)
		}
	}
	return out
}

var nextPort = 20000

// sampleOf gives a parameter's value: of a list with fields those that are required, of another list one item.
func sampleOf(t *testing.T, name string, p v1alpha1.Parameter) string {
	t.Helper()
	switch {
	case p.Type != v1alpha1.TypeList:
		return valueOf(t, name, &p.Bounds)
	case len(p.Items.Fields) == 0:
		return valueOf(t, name, &p.Items.Bounds)
	}
	var fields []string
	for _, field := range slices.Sorted(maps.Keys(p.Items.Fields)) {
		if bounds := p.Items.Fields[field]; bounds.Required {
			fields = append(fields, field+"="+valueOf(t, field, &bounds))
		}
	}
	return strings.Join(fields, ",")
}

// valueOf gives the example of a value, or what there is of its type.
func valueOf(t *testing.T, name string, b *v1alpha1.Bounds) string {
	t.Helper()
	switch b.Type {
	case v1alpha1.TypePort:
		nextPort++ // ports differ from one another, or they would meet
		return fmt.Sprint(nextPort)
	case v1alpha1.TypePath:
		return "/var/" + name
	case v1alpha1.TypeURL:
		return "https://example.com"
	case v1alpha1.TypeSecretName, v1alpha1.TypeConfigMapName:
		return name
	}
	if b.Example == nil {
		t.Fatalf("%s has no example", name)
	}
	return b.Example.Text
}

// restrictedPod is a Pod that Pod Security restricted takes, and that asks for an entry.
func restrictedPod(entry, how string, parameters map[string]string) *corev1.Pod {
	yes, no, user := true, false, int64(1000)
	pod := &corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}, ObjectMeta: metav1.ObjectMeta{
		Name: entry + "-" + how, Annotations: map[string]string{v1alpha1.AnnotationInject: entry}}}
	for name, v := range parameters {
		pod.Annotations[v1alpha1.Prefix+entry+"."+name] = v
	}
	pod.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsNonRoot: &yes, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}}
	pod.Spec.Containers = []corev1.Container{{Name: "app", Image: "app:1", SecurityContext: &corev1.SecurityContext{
		RunAsUser: &user, AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}}}}
	return pod
}
