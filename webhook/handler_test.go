package webhook

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gomodules.xyz/jsonpatch/v2"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/sidecars"
)

const (
	head = `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"uid":"u-1",`
	tail = `}}`
)

func TestAnswerIsExactForEveryOutcome(t *testing.T) {
	at := field.NewPath("metadata", "annotations").Key("pillion.dev/inject")
	for _, c := range []struct {
		name string
		res  sidecars.Result
		want string
	}{
		{"injected",
			sidecars.Result{Outcome: sidecars.Injected, Sidecars: []string{"alpha", "beta"},
				Patch:    []jsonpatch.Operation{{Operation: "add", Path: "/spec/volumes", Value: json.RawMessage(`[{"name":"<é>"}]`)}},
				Warnings: []sidecars.Warning{{Code: "P201", Text: "say \"so\""}}},
			`"allowed":true,"patchType":"JSONPatch","patch":"W3sib3AiOiJhZGQiLCJwYXRoIjoiL3NwZWMvdm9sdW1lcyIsInZhbHVlIjpbeyJuYW1lIjoiPMOpPiJ9XX1d",` +
				`"auditAnnotations":{"outcome":"injected","sidecars":"alpha,beta","catalog":"REV"},"warnings":["P201: say \"so\""]`},
		{"unchanged", sidecars.Result{Outcome: sidecars.Unchanged, Sidecars: []string{"alpha"}},
			`"allowed":true,"auditAnnotations":{"outcome":"unchanged","sidecars":"alpha","catalog":"REV"}`},
		{"nothing asked for", sidecars.Result{Outcome: sidecars.Skipped, Reason: sidecars.NotRequested}, `"allowed":true`},
		{"nothing asked for, with a warning",
			sidecars.Result{Outcome: sidecars.Skipped, Reason: sidecars.NotRequested, Warnings: []sidecars.Warning{{Code: "P103", Text: "empty"}}},
			`"allowed":true,"auditAnnotations":{"outcome":"skipped","reason":"notRequested","catalog":"REV"},"warnings":["P103: empty"]`},
		{"opted out", sidecars.Result{Outcome: sidecars.Skipped, Reason: sidecars.OptedOut},
			`"allowed":true,"auditAnnotations":{"outcome":"skipped","reason":"optedOut","catalog":"REV"}`},
		{"denied for one reason",
			sidecars.Result{Outcome: sidecars.Denied, Reason: sidecars.UnknownSidecar, Sidecars: []string{"alhpa"},
				Errors: field.ErrorList{field.Invalid(at, "alhpa", "no such sidecar; did you mean alpha?")}},
			`"allowed":false,"status":{"status":"Failure","message":"metadata.annotations[pillion.dev/inject]: Invalid value: \"alhpa\": no such sidecar; did you mean alpha?",` +
				`"reason":"Forbidden","code":403},"auditAnnotations":{"outcome":"denied","reason":"unknownSidecar","sidecars":"alhpa","catalog":"REV"}`},
		{"denied for two reasons",
			sidecars.Result{Outcome: sidecars.Denied, Reason: sidecars.Conflict, Sidecars: []string{"alpha"},
				Errors: field.ErrorList{field.Required(field.NewPath("a"), "x"), field.Forbidden(field.NewPath("b").Index(1), "y")}},
			`"allowed":false,"status":{"status":"Failure","message":"2 mistakes: (1) a: Required value: x; (2) b[1]: Forbidden: y",` +
				`"reason":"Forbidden","code":403},"auditAnnotations":{"outcome":"denied","reason":"conflict","sidecars":"alpha","catalog":"REV"}`},
		{"ignored",
			sidecars.Result{Outcome: sidecars.Ignored, Reason: sidecars.Conflict, Sidecars: []string{"alpha"},
				Errors:   field.ErrorList{field.Required(field.NewPath("a"), "x")},
				Warnings: []sidecars.Warning{{Code: sidecars.CodeIgnored, Text: "a: Required value: x"}}},
			`"allowed":true,"auditAnnotations":{"outcome":"ignored","reason":"conflict","sidecars":"alpha","catalog":"REV"},"warnings":["P301: a: Required value: x"]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := answering(t, &c.res)
			want := head + strings.Replace(c.want, "REV", h.catalog().Revision(), 1) + tail
			for _, review := range []string{reviewOf("alpha"), reviewOf("alpha", `"dryRun":false`, `"dryRun":true`)} {
				w := post(h, PathMutate, review)
				if diff := cmp.Diff(want, w.Body.String()); diff != "" || w.Code != http.StatusOK {
					t.Errorf("status %d (-want +got):\n%s", w.Code, diff)
				}
				if got := w.Header().Get("Content-Type"); got != "application/json" {
					t.Errorf("Content-Type %q", got)
				}
			}
		})
	}
}

func TestRequestsThatAreNoneOfPillionsBusinessAreAllowedUntouched(t *testing.T) {
	for _, c := range []struct {
		name, reason string
		replace      []string
	}{
		{"update", "otherRequest", []string{`"CREATE"`, `"UPDATE"`}},
		{"connect", "otherRequest", []string{`"CREATE"`, `"CONNECT"`}},
		{"subresource", "otherRequest", []string{`"resource":"pods"}`, `"resource":"pods"},"subResource":"ephemeralcontainers"`}},
		{"eviction", "otherRequest", []string{`"kind":"Pod"},"res`, `"kind":"Eviction"},"res`}},
		{"other resource", "otherRequest", []string{`"resource":"pods"`, `"resource":"services"`}},
		{"other group", "otherRequest", []string{`"resource":{"group":""`, `"resource":{"group":"metrics.k8s.io"`}},
		{"mirror Pod", "mirrorPod", []string{`"system:authenticated"`, `"system:nodes","system:authenticated"`}},
		{"kube-system", "systemNamespace", []string{`"namespace":"shop"`, `"namespace":"kube-system"`}},
		{"own Namespace", "systemNamespace", []string{`"namespace":"shop"`, `"namespace":"pillion-system"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := post(NewHandler(testOptions(t)), PathMutate, reviewOf("alpha", c.replace...))
			want := head + `"allowed":true,"auditAnnotations":{"outcome":"skipped","reason":"` + c.reason + `"}` + tail
			if diff := cmp.Diff(want, w.Body.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestInjectionBeginsInTheCoreAndEndsInThePatch(t *testing.T) {
	h := NewHandler(testOptions(t))
	got := readAnswer(t, post(h, PathMutate, reviewOf("alpha")).Body.Bytes())
	var ops []struct {
		Op, Path string
	}
	if err := json.Unmarshal(got.Patch, &ops); err != nil {
		t.Fatalf("%v in patch %s", err, got.Patch)
	}
	paths := map[string]string{}
	for _, op := range ops {
		paths[op.Path] = op.Op
	}
	if paths["/spec/initContainers"] != "add" {
		t.Errorf("no container is added by %s", got.Patch)
	}
	want := answerTo{UID: "u-1", Allowed: true, PatchType: "JSONPatch", Patch: got.Patch, Warnings: got.Warnings,
		AuditAnnotations: map[string]string{"outcome": "injected", "sidecars": "alpha", "catalog": h.catalog().Revision()}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatIsNoReviewGetsAStatusAndOneSentence(t *testing.T) {
	zipped := new(bytes.Buffer)
	z := gzip.NewWriter(zipped)
	if _, err := z.Write([]byte(reviewOf("alpha"))); err != nil || z.Close() != nil {
		t.Fatal("gzip")
	}
	deep := reviewOf("alpha", `"status":{}`, `"status":`+strings.Repeat("[", 10_001)+strings.Repeat("]", 10_001))
	const noReview = "pillion: the body is no AdmissionReview: "
	const wrongKind = "pillion: want apiVersion admission.k8s.io/v1, kind AdmissionReview; got apiVersion "
	for _, c := range []struct {
		name, body string
		change     func(*http.Request)
		status     int
		want       string
	}{
		{name: "empty body", status: 400, want: "pillion: the request has no body; want an AdmissionReview\n"},
		{name: "no body", status: 400, change: func(r *http.Request) { r.Body = nil }, want: "pillion: the request has no body; want an AdmissionReview\n"},
		{name: "null", body: "null", status: 400, want: wrongKind + `"", kind ""; set admissionReviewVersions: [v1] in the webhook configuration` + "\n"},
		{name: "null request", body: `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":null}`, status: 400,
			want: "pillion: the AdmissionReview holds no request with a uid\n"},
		{name: "other kind", body: reviewOf("", `"AdmissionReview"`, `"ConversionReview"`), status: 400,
			want: wrongKind + `"admission.k8s.io/v1", kind "ConversionReview"; set admissionReviewVersions: [v1] in the webhook configuration` + "\n"},
		{name: "v1beta1", body: reviewOf("", "admission.k8s.io/v1", "admission.k8s.io/v1beta1"), status: 400,
			want: wrongKind + `"admission.k8s.io/v1beta1", kind "AdmissionReview"; set admissionReviewVersions: [v1] in the webhook configuration` + "\n"},
		{name: "list", body: "[]", status: 400, want: noReview + "a JSON [ is out of place at \"\"\n"},
		{name: "wrong type", body: reviewOf("", `"uid":"u-1"`, `"uid":1`), status: 400, want: noReview + "a JSON number is out of place at \"/request/uid\"\n"},
		{name: "truncated", body: reviewOf("alpha")[:300], status: 400, want: noReview + "unexpected EOF"},
		{name: "two documents", body: reviewOf("alpha") + reviewOf("alpha"), status: 400, want: noReview},
		{name: "NUL bytes", body: strings.Repeat("\x00", 100), status: 400, want: noReview + `invalid character '\x00'`},
		{name: "NUL byte in a string", body: reviewOf("al\x00pha"), status: 400, want: noReview},
		{name: "gzip without saying so", body: zipped.String(), status: 400, want: noReview + `invalid character '\x1f'`},
		{name: "gzip", body: zipped.String(), status: 415, change: func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") },
			want: "pillion: want a body without Content-Encoding\n"},
		{name: "deep nesting", body: deep, status: 400, want: noReview + "exceeded max depth"},
		{name: "one byte more than 7 MiB", body: strings.Repeat(" ", MaxBody+1), status: 413, want: "pillion: the body is larger than 7 MiB\n"},
		{name: "one byte more than 7 MiB, of unknown length", body: strings.Repeat(" ", MaxBody+1), status: 413,
			change: func(r *http.Request) { r.ContentLength = -1 }, want: "pillion: the body is larger than 7 MiB\n"},
		{name: "7 MiB of nothing", body: strings.Repeat(" ", MaxBody), status: 400, want: noReview + "unexpected EOF"},
		{name: "no content type", status: 415, change: func(r *http.Request) { r.Header.Del("Content-Type") }, want: "pillion: want Content-Type application/json\n"},
		{name: "other content type", status: 415, change: func(r *http.Request) { r.Header.Set("Content-Type", "application/yaml") },
			want: "pillion: want Content-Type application/json\n"},
		{name: "GET", status: 405, change: func(r *http.Request) { r.Method = http.MethodGet }, want: "pillion: want POST with an AdmissionReview, got GET\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, PathMutate, strings.NewReader(c.body))
			r.Header.Set("Content-Type", "application/json")
			if c.change != nil {
				c.change(r)
			}
			w := httptest.NewRecorder()
			NewHandler(testOptions(t)).ServeHTTP(w, r)
			got := w.Body.String()
			whole := strings.HasSuffix(c.want, "\n")
			if w.Code != c.status || whole && got != c.want || !strings.HasPrefix(got, c.want) {
				t.Errorf("got %d %q, want %d %q", w.Code, got, c.status, c.want)
			}
			if allow := w.Header().Get("Allow"); c.status == 405 && allow != "POST" {
				t.Errorf("Allow: %q", allow)
			}
		})
	}
}

func TestOddButValidReviewsAreAnswered(t *testing.T) {
	for _, c := range []struct {
		name, review string
		want         answerTo
	}{
		{"content type with charset is the same", reviewOf(""), answerTo{UID: "u-1", Allowed: true}},
		{"uid with escapes comes back as it was", reviewOf("", `u-1`, `a\"b\\\u00e9\u0000`), answerTo{UID: "a\"b\\é\x00", Allowed: true}},
		{"fields nobody knows are skipped", reviewOf("", `"status":{}`, `"future":{"a":[1,{"b":null}]}`), answerTo{UID: "u-1", Allowed: true}},
		{"white space anywhere", strings.ReplaceAll(reviewOf(""), ",", " ,\n\t"), answerTo{UID: "u-1", Allowed: true}},
		{"no user", reviewOf("", `"groups":["system:authenticated"]`, `"groups":null`), answerTo{UID: "u-1", Allowed: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, PathMutate, strings.NewReader(c.review))
			r.Header.Set("Content-Type", "application/json; charset=utf-8")
			w := httptest.NewRecorder()
			NewHandler(testOptions(t)).ServeHTTP(w, r)
			if diff := cmp.Diff(c.want, readAnswer(t, w.Body.Bytes())); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzHandler(f *testing.F) {
	h := NewHandler(testOptions(f))
	for _, seed := range []string{"", "null", reviewOf(""), reviewOf("alpha"), reviewOf("alpha, nope"), reviewOf("alpha")[:250]} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		w := post(h, PathMutate, body)
		if w.Code == http.StatusOK {
			readAnswer(t, w.Body.Bytes())
		}
		if n := h.inFlight.Load() + h.bodyBytes.Load(); n != 0 {
			t.Errorf("%d left in hand", n)
		}
	})
}
