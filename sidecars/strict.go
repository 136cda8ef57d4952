package sidecars

import (
	"errors"

	kjson "sigs.k8s.io/json"
)

// strictDecode decodes as the API server does under fieldValidation=Strict: case-sensitive, unknown and duplicate fields
// are errors.
func strictDecode(raw []byte, into any) error {
	strict, err := kjson.UnmarshalStrict(raw, into)
	if err != nil {
		return err
	}
	return errors.Join(strict...)
}
