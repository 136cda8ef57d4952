package manifest

import "encoding/json"

// equal compares a plain value with one that may be as decodeYAML returns it;
// numbers are equal by what they count.
func equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		switch b := b.(type) {
		case map[string]any:
			return equalMaps(a, b)
		case map[any]any:
			return equalDecoded(a, b)
		}
		return false
	case []any:
		b, ok := b.([]any)
		return ok && equalLists(a, b)
	}
	if i, ok := b.(int); ok {
		b = int64(i)
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

func equalDecoded(a map[string]any, b map[any]any) bool {
	if len(a) != len(b) {
		return false
	}
	for k, item := range b {
		name, isString := k.(string)
		if !isString { // other keys may mean the same
			converted, err := convert(b, nil)
			return err == nil && equal(a, converted)
		}
		other, ok := a[name]
		if !ok || !equal(other, item) {
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
