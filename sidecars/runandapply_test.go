package sidecars_test

import (
	"fmt"

	patchv5 "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	patchv4 "gopkg.in/evanphx/json-patch.v4"

	"github.com/pillion-dev/pillion/sidecars"
)

// run injects and applies the patch, by the two libraries that Kubernetes and we use. The Pod is nil where none is
// injected.
func run(catalog *sidecars.Catalog, object []byte, ns *sidecars.Namespace) (*sidecars.Result, []byte, error) {
	pod, err := sidecars.ReadPod(object)
	if err != nil {
		return nil, nil, err
	}
	res := sidecars.Inject(catalog, pod, ns)
	if res.Outcome != sidecars.Injected {
		if len(res.Patch) > 0 {
			return res, nil, fmt.Errorf("outcome %s has a patch", res.Outcome)
		}
		return res, nil, nil
	}
	for _, op := range res.Patch {
		if op.Operation != "add" {
			return res, nil, fmt.Errorf("operation %q at %s, want only add", op.Operation, op.Path)
		}
	}
	after, err := apply(object, sidecars.AppendPatch(nil, res.Patch))
	return res, after, err
}

// apply applies a patch by both libraries, which must agree.
func apply(object, patch []byte) ([]byte, error) {
	five, err := patchv5.DecodePatch(patch)
	if err != nil {
		return nil, fmt.Errorf("decode: %w\n%s", err, patch)
	}
	after, err := five.Apply(object)
	if err != nil {
		return nil, fmt.Errorf("apply by v5: %w\n%s", err, patch)
	}
	four, err := patchv4.DecodePatch(patch)
	if err != nil {
		return nil, fmt.Errorf("decode by v4: %w", err)
	}
	byFour, err := four.Apply(object)
	if err != nil {
		return nil, fmt.Errorf("apply by v4: %w\n%s", err, patch)
	}
	a, err := decoded(after)
	if err != nil {
		return nil, err
	}
	b, err := decoded(byFour)
	if err != nil {
		return nil, err
	}
	if diff := cmp.Diff(a, b); diff != "" {
		return nil, fmt.Errorf("v5 and v4 differ: %s", diff)
	}
	return after, nil
}
