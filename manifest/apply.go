package manifest

import (
	"errors"
	"fmt"

	"gomodules.xyz/jsonpatch/v2"
)

// The operations Patch understands, by their RFC 6902 names.
const (
	opAdd     = "add"
	opRemove  = "remove"
	opReplace = "replace"
)

// change is an Operation ready to be applied.
type change struct {
	op    string
	path  []string
	value *value // nil for remove
}

func parseChange(op jsonpatch.Operation) (change, error) {
	c := change{op: op.Operation}
	switch op.Operation {
	case opAdd, opReplace:
		v, err := valueOf(op.Value)
		if err != nil {
			return c, err
		}
		c.value = v
	case opRemove:
	default:
		return c, errors.New("the operation must be add, remove or replace")
	}
	path, err := parsePointer(op.Path)
	if err != nil {
		return c, err
	}
	if len(path) == 0 && c.op == opRemove {
		return c, errors.New("a whole document cannot be removed")
	}
	c.path = path
	return c, nil
}

// apply returns root with c applied as RFC 6902 says. Maps and lists are
// changed in place.
func apply(root any, c change) (any, error) {
	return applyAt(root, c, c.path)
}

func applyAt(cur any, c change, path []string) (any, error) {
	if len(path) == 0 {
		return c.value.plain(), nil
	}
	switch cur := cur.(type) {
	case map[string]any:
		return applyToMap(cur, c, path)
	case []any:
		return applyToList(cur, c, path)
	case nil:
		return nil, fmt.Errorf("%s is null", describe(c, path))
	}
	return nil, fmt.Errorf("%s is neither a map nor a list", describe(c, path))
}

func applyToMap(m map[string]any, c change, path []string) (any, error) {
	child, ok := m[path[0]]
	if !ok && (len(path) > 1 || c.op != opAdd) {
		return nil, fmt.Errorf("%s has no %q", describe(c, path), path[0])
	}
	if len(path) == 1 && c.op == opRemove {
		delete(m, path[0])
		return m, nil
	}
	child, err := applyAt(child, c, path[1:])
	if err != nil {
		return nil, err
	}
	m[path[0]] = child
	return m, nil
}

func applyToList(l []any, c change, path []string) (any, error) {
	if len(path) == 1 && c.op == opAdd {
		i, err := listIndex(path[0], len(l), len(l))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", describe(c, path), err)
		}
		l = append(l, nil)
		copy(l[i+1:], l[i:])
		l[i] = c.value.plain()
		return l, nil
	}
	i, err := listIndex(path[0], len(l)-1, -1)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", describe(c, path), err)
	}
	if len(path) == 1 && c.op == opRemove {
		return append(l[:i], l[i+1:]...), nil
	}
	child, err := applyAt(l[i], c, path[1:])
	if err != nil {
		return nil, err
	}
	l[i] = child
	return l, nil
}

// describe names the place that was reached with rest of c's path to go.
func describe(c change, rest []string) string {
	if len(rest) == len(c.path) {
		return "the document"
	}
	return formatPointer(c.path[:len(c.path)-len(rest)])
}
