package manifest

import "encoding/json"

// equal compares two plain values; numbers are equal by what they count.
func equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && equalMaps(a, b)
	case []any:
		b, ok := b.([]any)
		return ok && equalLists(a, b)
	}
	if a == b {
		return true
	}
	x, ok := float(a)
	y, ok2 := float(b)
	return ok && ok2 && x == y && (isFloat(a) || isFloat(b))
}

func equalMaps(a, b map[string]any) bool {
	if len(a) != len(b) {
		return false
	}
	for name, item := range a {
		other, ok := b[name]
		if !ok || !equal(item, other) {
			return false
		}
	}
	return true
}

func equalLists(a, b []any) bool {
	if len(a) != len(b) {
		return false
	}
	for i, item := range a {
		if !equal(item, b[i]) {
			return false
		}
	}
	return true
}

func float(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case uint64:
		return float64(v), true
	case float64:
		return v, true
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	}
	return 0, false
}

// isFloat tells numbers that were read as floating point from integers, whose
// readings are exact: two different integers are never equal.
func isFloat(v any) bool {
	_, ok := v.(float64)
	return ok
}
