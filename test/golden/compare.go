package golden

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
)

// Tree decodes JSON with its numbers as they are written.
func Tree(text []byte) (any, error) {
	if text == nil {
		return nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	err := dec.Decode(&v)
	return v, err
}

// Lacks says where a tree is not another with additions, as a JSON pointer, and nothing where it is: every member of an
// object and every item of a list is there, in order. Members with a name that may differ are not looked at.
func Lacks(got, want any, mayDiffer func(name string) bool) string {
	return lacks("", got, want, mayDiffer)
}

func lacks(at string, got, want any, mayDiffer func(name string) bool) string {
	switch want := want.(type) {
	case nil:
	case map[string]any:
		members, _ := got.(map[string]any)
		for k, v := range want {
			if mayDiffer(k) {
				continue
			}
			if where := lacks(at+"/"+k, members[k], v, mayDiffer); where != "" {
				return where
			}
		}
	case []any:
		items, _ := got.([]any)
		for i, v := range want {
			n := slices.IndexFunc(items, func(it any) bool { return lacks("/", it, v, mayDiffer) == "" })
			if n < 0 {
				return at + "/" + strconv.Itoa(i)
			}
			items = items[n+1:]
		}
	default:
		if got != want {
			return at
		}
	}
	return ""
}
