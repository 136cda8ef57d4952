package controller

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

func TestPlacesInAPodBecomePlacesInTheEntry(t *testing.T) {
	e := &sidecars.Entry{Spec: &v1alpha1.SidecarSpec{
		Containers:     []v1alpha1.Container{{Name: "x"}, {Name: "x-b"}},
		InitContainers: []v1alpha1.Container{{Name: "x-init"}},
		Volumes:        []v1alpha1.Volume{{Name: "x-v"}},
	}}
	pod := &corev1.Pod{Spec: corev1.PodSpec{
		InitContainers: []corev1.Container{{Name: "x"}, {Name: "x-init"}},
		Containers:     []corev1.Container{{Name: "app"}, {Name: "x-b"}},
		Volumes:        []corev1.Volume{{Name: "x-files"}, {Name: "x-v"}},
	}}
	for from, want := range map[string]string{
		"spec.initContainers[0].ports[0].name": "spec.containers[0].ports[0].name",
		"spec.initContainers[1]":               "spec.initContainers[0]",
		"spec.containers[1].image":             "spec.containers[1].image",
		"spec.volumes[1].emptyDir.sizeLimit":   "spec.volumes[0].emptyDir.sizeLimit",
		"spec.volumes[0]":                      "spec",
		"spec.containers[0].env[0].name":       "spec",
		"spec.containers[7]":                   "spec",
		"spec.containers[99999].x":             "spec",
		"metadata.annotations":                 "spec",
		"":                                     "spec",
	} {
		if got, named := entryPath(e, pod, from); got != want || named == (want == "spec") {
			t.Errorf("%s: %s, want %s", from, got, want)
		}
	}
}

// TestOnlyValidationMakesMistakes tells the answers apart that have one status.
func TestOnlyValidationMakesMistakes(t *testing.T) {
	e := tail(t, "", "Tails.")
	pod, err := dryRunPod(e)
	must(t, err)
	kind := schema.GroupKind{Kind: "Pod"}
	invalid := apierrors.NewInvalid(kind, "p", field.ErrorList{field.Invalid(field.NewPath("spec", "initContainers").Index(0).Child("image"), "x", "is bad")})
	policy := apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "p", nil)
	policy.ErrStatus.Reason, policy.ErrStatus.Code = metav1.StatusReasonInvalid, http.StatusUnprocessableEntity
	policy.ErrStatus.Details.Causes = []metav1.StatusCause{{Message: "a ValidatingAdmissionPolicy says so"}}
	for _, c := range []struct {
		name string
		err  error
		want []string
	}{
		{"validation", invalid, []string{`spec.containers[0].image: Invalid value: the API server refuses a Pod with it: Invalid value: "x": is bad`}},
		{"a policy with the status of validation", policy, nil},
		{"a quota", apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "p", nil), nil},
		{"no Namespace", apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "n"), nil},
		{"no answer", http.ErrHandlerTimeout, nil},
	} {
		var got []string
		for _, err := range refusals(e, pod, c.err) {
			got = append(got, err.Error())
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", c.name, diff)
		}
	}
}

func TestDryRunPodAsksForNothing(t *testing.T) {
	for _, e := range append(sidecars.Builtin().All(), tail(t, "shop", "Tails.")) {
		pod, err := dryRunPod(e)
		if err != nil {
			t.Errorf("%s: %v", e.Name, err)
			continue
		}
		if pod.Annotations[v1alpha1.AnnotationInject] != "false" || pod.Name != "" || pod.GenerateName == "" {
			t.Errorf("%s: %+v", e.Name, pod.ObjectMeta)
		}
	}
}

// TestAnAPIServerThatDoesNotAnswerIsNoMistake has a server that keeps every request waiting.
func TestAnAPIServerThatDoesNotAnswerIsNoMistake(t *testing.T) {
	asked, released := make(chan *http.Request, 2), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- r
		<-released
	}))
	defer server.Close()
	defer close(released)
	client, err := corev1client.NewForConfig(&rest.Config{Host: server.URL})
	must(t, err)
	for namespace, e := range map[string]*sidecars.Entry{"/namespaces/shop/": tail(t, "shop", "Tails."), "/namespaces/own/": tail(t, "", "Tails.")} {
		errs, untried := (&DryRun{client: client, namespace: "own"}).Try(t.Context(), e)
		if len(errs) > 0 || untried != "the API server did not answer a dry run in time" {
			t.Errorf("%v %q", errs, untried)
		}
		if r := <-asked; r.URL.Query().Get("dryRun") != "All" || !strings.Contains(r.URL.Path, namespace) {
			t.Errorf("%s %s", r.Method, r.URL)
		}
	}
}
