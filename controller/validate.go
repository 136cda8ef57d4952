package controller

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/pillion-dev/pillion/sidecars"
)

// PathValidate is where the API server posts reviews of ClusterSidecars and Sidecars.
const PathValidate = "/validate"

// Bounds of a review.
const (
	// spare is left of the API server's timeout for the way back.
	spare = 200 * time.Millisecond
	// defaultBudget and maxBudget bound the time for an answer where the query says nothing sensible. The port closes
	// connections after ten seconds.
	defaultBudget = 4 * time.Second
	maxBudget     = 8 * time.Second
	// maxInHand bounds the reviews in hand, of at most 7 MiB each, and maxWorking those that are worked on, in time or after
	// it. Others wait.
	maxInHand  = 8
	maxWorking = 4
	// maxWarnings bounds the number of warnings; the API server drops what is beyond 4096 bytes in all.
	maxWarnings = 20
)

// validator answers for entries that are written: a bad one is refused with every mistake, a doubtful one is let in with
// warnings. What cannot be decided is refused; a write of an entry can be tried again.
type validator struct {
	prover  *prover
	working chan struct{}
}

func newValidator(p *prover) *validator { return &validator{p, make(chan struct{}, maxWorking)} }

// handler serves the validator.
func (v *validator) handler() http.Handler { return bounded(&admission.Webhook{Handler: v}) }

// bounded bounds the time for a review, and the number of those in hand.
func bounded(hook http.Handler) http.Handler {
	inHand := make(chan struct{}, maxInHand)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), budget(r.URL.Query().Get("timeout")))
		defer cancel()
		select {
		case inHand <- struct{}{}:
			defer func() { <-inHand }()
			hook.ServeHTTP(w, r.WithContext(ctx))
		case <-ctx.Done():
			http.Error(w, "pillion: too many reviews at once", http.StatusServiceUnavailable)
		}
	})
}

// budget is the time for an answer, from the API server's timeout.
func budget(text string) time.Duration {
	timeout, err := time.ParseDuration(text)
	if err != nil || timeout <= 0 {
		return defaultBudget
	}
	return min(max(timeout-spare, timeout/2), maxBudget)
}

// Handle answers one review in time, whatever happens to the one who works on it.
func (v *validator) Handle(ctx context.Context, req admission.Request) admission.Response {
	answer := make(chan admission.Response, 1)
	tooLate := admission.Errored(http.StatusGatewayTimeout, errors.New("pillion: the entry was not proved in time"))
	select {
	case v.working <- struct{}{}:
	case <-ctx.Done():
		return tooLate
	}
	go func() {
		defer func() {
			<-v.working
			if p := recover(); p != nil {
				answer <- admission.Errored(http.StatusInternalServerError, fmt.Errorf("pillion: %w", panicked(p).ToAggregate()))
			}
		}()
		answer <- v.review(ctx, &req)
	}()
	select {
	case a := <-answer:
		return a
	case <-ctx.Done():
		return tooLate
	}
}

func (v *validator) review(ctx context.Context, req *admission.Request) admission.Response {
	if req.Operation != admissionv1.Create && req.Operation != admissionv1.Update {
		return admission.Allowed("")
	}
	if req.Operation == admissionv1.Update && sameSpec(req.OldObject.Raw, req.Object.Raw) {
		return admission.Allowed("")
	}
	if err := v.prover.entries.Wait(ctx); err != nil {
		return admission.Errored(http.StatusServiceUnavailable, errors.New("pillion: the catalog is not read from the API server yet"))
	}
	entry, errs := parse(req.Object.Raw)
	if len(errs) > 0 {
		return refusal(req, errs, nil)
	}
	// The Namespace of a Sidecar is dry-run in with the rights of the controller, so it is the request's, not the text's.
	if entry.Namespace != req.Namespace {
		at := field.NewPath("metadata", "namespace")
		return refusal(req, field.ErrorList{field.Invalid(at, entry.Namespace, "is not the Namespace of the request")}, nil)
	}
	p := v.prover.prove(ctx, entry, true)
	warnings := p.warnings
	if p.untried != "" {
		warnings = append(warnings, sidecars.Warning{Code: CodeUntried, Text: p.untried})
	}
	if len(p.errs) > 0 {
		return refusal(req, p.errs, warnings)
	}
	return admission.Allowed("").WithWarnings(texts(warnings)...)
}

// sameSpec reports whether two objects have one spec. Then it is status, labels or finalizers that change, and these must
// not wait for a spec to become good.
func sameSpec(old, now []byte) bool {
	a, errA := specOf(old)
	b, errB := specOf(now)
	return errA == nil && errB == nil && reflect.DeepEqual(a, b)
}

func specOf(raw []byte) (any, error) {
	var object struct {
		Spec any `json:"spec"`
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	err := dec.Decode(&object)
	return object.Spec, err
}

// refusal answers as the API server's own validation does, so that clients list the mistakes by field.
func refusal(req *admission.Request, errs field.ErrorList, warnings []sidecars.Warning) admission.Response {
	if more := len(errs) - maxCauses; more > 0 {
		errs = append(errs[:maxCauses:maxCauses], field.TooMany(nil, len(errs), maxCauses))
		errs[maxCauses].Detail = strconv.Itoa(more) + " more mistakes are not shown"
	}
	kind := schema.GroupKind{Group: req.Kind.Group, Kind: req.Kind.Kind}
	status := apierrors.NewInvalid(kind, req.Name, errs).ErrStatus
	status.TypeMeta = metav1.TypeMeta{}
	return admission.Response{AdmissionResponse: admissionv1.AdmissionResponse{Result: &status, Warnings: texts(warnings)}}
}

// texts gives the warnings as they are shown, each of at most sidecars.MaxWarning bytes.
func texts(warnings []sidecars.Warning) []string {
	var out []string
	for i, w := range warnings {
		if left := len(warnings) - i; i == maxWarnings-1 && left > 1 {
			return append(out, sidecars.Warning{Code: CodeMoreWarnings, Text: strconv.Itoa(left) + " more warnings are not shown"}.String())
		}
		out = append(out, w.String())
	}
	return out
}
