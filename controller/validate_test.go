package controller

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/pillion-dev/pillion/sidecars"
)

// entriesOf are the entries of an API server that has none, or that was not heard yet.
func entriesOf(t *testing.T, heard bool) *Entries {
	t.Helper()
	e := NewEntries(nil, slog.New(slog.DiscardHandler))
	if heard {
		must(t, e.cluster.Replace(nil, ""))
		must(t, e.spaces.Replace(nil, ""))
	}
	return e
}

func reviewOf(op admissionv1.Operation, namespace string, object, old string) []byte {
	b, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{UID: "u-1", Operation: op, Namespace: namespace, Name: "tail",
			Kind:   metav1.GroupVersionKind{Group: "pillion.dev", Version: "v1alpha1", Kind: "Sidecar"},
			Object: runtime.RawExtension{Raw: []byte(object)}, OldObject: runtime.RawExtension{Raw: []byte(old)}},
	})
	if err != nil {
		panic(err) // a constant shape
	}
	return b
}

// postReview gives the answer of the whole handler.
func postReview(t *testing.T, v *validator, timeout string, review []byte) *admissionv1.AdmissionResponse {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, PathValidate+"?timeout="+timeout, bytes.NewReader(review))
	req.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	v.handler().ServeHTTP(w, req)
	var out admissionv1.AdmissionReview
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || out.Response == nil {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return out.Response
}

func TestValidate(t *testing.T) {
	good := fmt.Sprintf(tailEntry, "Sidecar", "shop", "Tails.")
	bad := strings.Replace(good, `"args"`, `"argh"`, 1)
	create, update := admissionv1.Create, admissionv1.Update
	for _, c := range []struct {
		name   string
		review []byte
		// fields are those of the mistakes; none where it is allowed.
		fields []string
		code   int32
	}{
		{"a good one", reviewOf(create, "shop", good, "null"), nil, 200},
		{"a bad one", reviewOf(create, "shop", bad, "null"), []string{"spec.containers[0].argh"}, 422},
		{"a bad one becomes good", reviewOf(update, "shop", good, bad), nil, 200},
		{"a good one becomes bad", reviewOf(update, "shop", bad, good), []string{"spec.containers[0].argh"}, 422},
		{"a bad one gets a label", reviewOf(update, "shop", strings.Replace(bad, `"name":"tail",`, `"name":"tail","labels":{"a":"b"},`, 1), bad), nil, 200},
		{"one of another Namespace", reviewOf(create, "blog", good, "null"), []string{"metadata.namespace"}, 422},
		{"one that the cluster has", reviewOf(create, "shop", strings.ReplaceAll(good, `"tail"`, `"proxy"`), "null"), []string{"metadata.name"}, 422},
		{"no entry", reviewOf(create, "shop", `{"kind":"Pod"}`, "null"), []string{"kind"}, 422},
		{"no operation that concerns it", reviewOf(admissionv1.Delete, "shop", "null", bad), nil, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := postReview(t, newValidator(&prover{entries: entriesOf(t, true)}), "5s", c.review)
			if got.UID != "u-1" || got.Allowed != (c.fields == nil) || got.Result.Code != c.code {
				t.Fatalf("%+v", got)
			}
			if c.fields == nil {
				return
			}
			if got.Result.Reason != metav1.StatusReasonInvalid || got.Result.Details.Name != "tail" || got.Result.Details.Kind != "Sidecar" {
				t.Errorf("%+v", got.Result)
			}
			var fields []string
			for _, cause := range got.Result.Details.Causes {
				fields = append(fields, cause.Field)
			}
			if diff := cmp.Diff(c.fields, fields); diff != "" {
				t.Errorf("(-want +got)\n%s\n%s", diff, got.Result.Message)
			}
		})
	}
}

func TestWhatCannotBeDecidedIsRefused(t *testing.T) {
	good := reviewOf(admissionv1.Create, "shop", fmt.Sprintf(tailEntry, "Sidecar", "shop", "Tails."), "null")
	for _, c := range []struct {
		name      string
		validator *validator
		review    []byte
		code      int32
		want      string
	}{
		{"a panic", newValidator(&prover{}), good, 500, "pillion: spec: Internal error: panic: "},
		{"a catalog that was not read yet", newValidator(&prover{entries: entriesOf(t, false)}), good, 503, ""},
		{"no review", newValidator(&prover{entries: entriesOf(t, true)}), []byte("{"), 400, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := postReview(t, c.validator, "1ms", c.review)
			// Time may run out before anything else is found.
			if got.Allowed || got.Result.Code != c.code && got.Result.Code != http.StatusGatewayTimeout || c.want != "" && got.Result.Code == c.code && !strings.Contains(got.Result.Message, c.want) {
				t.Errorf("%+v", got.Result)
			}
		})
	}
	t.Run("one that takes too long", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		req := admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{Operation: admissionv1.Create}}
		if got := newValidator(&prover{entries: entriesOf(t, false)}).Handle(ctx, req); got.Allowed {
			t.Errorf("%+v", got)
		}
	})
}

func TestAPanicOfTheCoreIsAMistakeOfThatEntry(t *testing.T) {
	errs, _ := lint(nil, tail(t, "", "Tails."))
	if len(errs) != 1 || errs[0].Type != field.ErrorTypeInternal || strings.Contains(errs[0].Error(), "goroutine") {
		t.Errorf("%v", errs)
	}
}

func TestBudget(t *testing.T) {
	for text, want := range map[string]time.Duration{"": 4 * time.Second, "x": 4 * time.Second, "-1s": 4 * time.Second,
		"5s": 4800 * time.Millisecond, "100ms": 50 * time.Millisecond, "30s": 8 * time.Second} {
		if got := budget(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestRefusalsAndWarningsAreBounded(t *testing.T) {
	var errs field.ErrorList
	var warnings []sidecars.Warning
	for i := range 500 {
		errs = append(errs, field.Invalid(field.NewPath("spec").Index(i), strings.Repeat("x", 200), "is wrong"))
		warnings = append(warnings, sidecars.Warning{Code: "L101", Text: strings.Repeat("y", 200)})
	}
	got := refusal(&admission.Request{}, errs, warnings)
	if n := len(got.Result.Details.Causes); n != maxCauses+1 || !strings.Contains(got.Result.Message, "450 more mistakes are not shown") {
		t.Errorf("%d causes: %s", n, got.Result.Message)
	}
	if n := len(got.Warnings); n != maxWarnings || got.Warnings[n-1] != "L902: 481 more warnings are not shown" || len(got.Warnings[0]) > sidecars.MaxWarning {
		t.Errorf("%q", got.Warnings)
	}
	if s := summary(errs); len(s) > maxMessage || !strings.Contains(s, "; and ") || strings.Contains(s, "\n") {
		t.Errorf("%d: %s", len(s), s)
	}
	if s := summary(field.ErrorList{field.Invalid(nil, strings.Repeat("é", 5000), "is\nwrong")}); len(s) > maxMessage {
		t.Errorf("%d: %s", len(s), s)
	}
}

func TestCodesAreNotThoseOfTheCore(t *testing.T) {
	for code, text := range Codes() {
		if sidecars.LintCodes()[code] != "" || !strings.HasPrefix(code, "L9") || !strings.HasSuffix(text, ".") {
			t.Errorf("%s: %q", code, text)
		}
	}
}
