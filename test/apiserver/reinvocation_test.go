package apiserver

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/pillion-dev/pillion/test/serving"
)

// foreignPatch is what another webhook does after ours: a container of its own behind the app's, a native sidecar before
// ours, and images from a mirror.
const foreignPatch = `[
	{"op":"add","path":"/spec/containers/-","value":{"name":"foreign","image":"registry.example/foreign:1"}},
	{"op":"replace","path":"/spec/initContainers/0/image","value":"mirror.example/shipper:1.2.3"},
	{"op":"add","path":"/spec/initContainers/0","value":{"name":"mesh","image":"registry.example/mesh:1","restartPolicy":"Always"}}]`

// TestReinvocation has the API server call our webhook again after another one: it adds to the other's containers what they
// lack, and nothing else.
func TestReinvocation(t *testing.T) {
	useControlPlane(t)
	const ns = "reinvocation"
	foreign := httptest.NewTLSServer(http.HandlerFunc(answerForeign))
	t.Cleanup(foreign.Close)
	register(t, foreign, ns)
	if err := plane.namespace(ns, map[string]string{serving.Label: "on", "test": ns}, nil); err != nil {
		t.Fatal(err)
	}
	var pod corev1.Pod
	await(t, "the other webhook is called", func() error {
		a, err := plane.create("/api/v1/namespaces/"+ns+"/pods?dryRun=All", caseNamed(t, "grace").Pod)
		if err != nil {
			return err
		}
		pod = corev1.Pod{}
		if err := json.Unmarshal(a.Body, &pod); err != nil {
			return err
		}
		if len(pod.Spec.Containers) == 1 {
			return errors.New("it is not")
		}
		return nil
	})
	wantFixedPoint(t, &pod)
}

func wantFixedPoint(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	got := map[string][]string{}
	var order []string
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		order = append(order, c.Name)
		for _, m := range c.VolumeMounts {
			if strings.HasPrefix(m.Name, "kube-api-access-") {
				m.Name = "token"
			}
			got[c.Name] = append(got[c.Name], m.Name+" "+m.MountPath)
		}
	}
	const (
		logs  = "shipper-logs /var/log/app"
		token = "token /var/run/secrets/kubernetes.io/serviceaccount"
		mask  = "pillion-token-mask /var/run/secrets/kubernetes.io/serviceaccount"
	)
	want := map[string][]string{
		"app":     {logs, token},
		"foreign": {logs, token},
		"mesh":    {logs, token},
		"shipper": {logs, "shipper-queue /queue", "shipper-files /etc/shipper/config.yaml", mask},
		"front":   {"shipper-logs /logs", mask},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mounts (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"mesh", "shipper", "front", "app", "foreign"}, order); diff != "" {
		t.Errorf("containers (-want +got):\n%s", diff)
	}
	if image := pod.Spec.InitContainers[1].Image; image != "mirror.example/shipper:1.2.3" {
		t.Errorf("image of shipper is %s, want that of the mirror", image)
	}
	if grace := *pod.Spec.TerminationGracePeriodSeconds; grace != 45 {
		t.Errorf("grace period is %d, want 45: flush times count once", grace)
	}
}

// register has the API server call the other webhook, after ours by its name, for the Pods of one Namespace.
func register(t *testing.T, server *httptest.Server, namespace string) {
	t.Helper()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	const configurations = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
	config, err := json.Marshal(map[string]any{"metadata": map[string]any{"name": "zz-foreign"}, "webhooks": []any{map[string]any{
		"name": "foreign.example.com", "admissionReviewVersions": []string{"v1"}, "sideEffects": "None",
		"clientConfig":      map[string]any{"url": server.URL, "caBundle": base64.StdEncoding.EncodeToString(ca)},
		"namespaceSelector": map[string]any{"matchLabels": map[string]string{"test": namespace}},
		"rules":             []any{map[string]any{"apiGroups": []string{""}, "apiVersions": []string{"v1"}, "operations": []string{"CREATE"}, "resources": []string{"pods"}}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plane.create(configurations, config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if gone, err := serving.Do(plane.client, http.MethodDelete, plane.url+configurations+"/zz-foreign", nil); err != nil || gone.Status != http.StatusOK {
			t.Errorf("delete zz-foreign: %v %v", err, gone)
		}
	})
}

// answerForeign patches a Pod that Pillion has injected.
func answerForeign(w http.ResponseWriter, r *http.Request) {
	var review admissionv1.AdmissionReview
	if err := json.NewDecoder(r.Body).Decode(&review); err != nil || review.Request == nil {
		http.Error(w, "no review", http.StatusBadRequest)
		return
	}
	patchType := admissionv1.PatchTypeJSONPatch
	review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true, PatchType: &patchType, Patch: []byte(foreignPatch)}
	review.Request = nil
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(review)
}
