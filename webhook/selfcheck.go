package webhook

import (
	"bytes"
	"errors"
	"fmt"
	"time"
)

// canned is a review of a Pod that asks for a sidecar of a name that no catalog can have: it takes a request the whole way,
// whatever the catalog, and the one right answer is a refusal.
const canned = `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"readyz",` +
	`"kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},` +
	`"namespace":"readyz.invalid","operation":"CREATE","object":{"metadata":{"name":"readyz",` +
	`"annotations":{"pillion.dev/inject":"-readyz-"}},"spec":{"containers":[{"name":"app","image":"app"}]}}}}`

// Check is readiness of the handler: a canned review gets the right answer. It is neither counted nor logged.
func (h *Handler) Check() Check {
	return Check{"answer", func() (note string, err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("a canned review panics: %s", cut(fmt.Sprint(p), maxLogValue))
			}
		}()
		c := &call{body: []byte(canned), deadline: time.Now().Add(defaultBudget)}
		if bad := h.answer(c); bad != nil {
			return "", errors.New("a canned review is not read: " + bad.text)
		}
		if !bytes.Contains(c.out, []byte(`"uid":"readyz","allowed":false,"status":{"status":"Failure","message":"metadata.annotations[pillion.dev/inject]`)) {
			return "", errors.New("a canned review gets the wrong answer: " + cut(string(c.out), 256))
		}
		return "", nil
	}}
}
