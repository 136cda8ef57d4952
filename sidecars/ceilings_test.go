package sidecars_test

import (
	"encoding/json"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/sidecars"
)

// TestAnnotationsAreRefusedWhereKubernetesWould fills a Pod's annotations up to the last byte that Kubernetes takes: with
// one more the Pod is refused here, and not by the API server.
func TestAnnotationsAreRefusedWhereKubernetesWould(t *testing.T) {
	catalog := goldenCatalog(t)
	annotationsWith := func(filler int) (sidecars.Outcome, map[string]string) {
		// Quotes, line breaks and letters of two bytes take more room in JSON than in an annotation, or other room.
		text := strings.Repeat("\"\n\u00e9", filler/4) + strings.Repeat("x", filler%4)
		annotations := map[string]string{"pillion.dev/inject": "texts", "pillion.dev/file.texts.json": "forged", "filler": text}
		pod, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": annotations},
			"spec": map[string]any{"containers": []any{map[string]any{"name": "app", "image": "app:1"}}}})
		if err != nil {
			t.Fatal(err)
		}
		res, after := injectInto(t, catalog, &sidecars.Namespace{}, pod)
		if after == nil {
			return res.Outcome, nil
		}
		var got struct{ Metadata metav1.ObjectMeta }
		if err := json.Unmarshal(after, &got); err != nil {
			t.Fatal(err)
		}
		return res.Outcome, got.Metadata.Annotations
	}
	_, few := annotationsWith(0)
	size := 0
	for k, v := range few {
		size += len(k) + len(v)
	}
	most := sidecars.MaxAnnotations - size
	outcome, annotations := annotationsWith(most)
	if errs := validation.ValidateAnnotations(annotations, field.NewPath("metadata", "annotations")); outcome != sidecars.Injected || len(errs) > 0 {
		t.Errorf("at the limit the Pod is %s, want %s; Kubernetes says %v", outcome, sidecars.Injected, errs)
	}
	if outcome, _ := annotationsWith(most + 1); outcome != sidecars.Denied {
		t.Errorf("one byte beyond the limit the Pod is %s, want %s", outcome, sidecars.Denied)
	}
}
