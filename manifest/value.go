package manifest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// value is a JSON value whose maps keep the order of their keys: what is going
// to be written into a document.
type value struct {
	kind   nodeKind
	scalar any      // of a scalar: nil, bool, string or json.Number
	names  []string // of a map: its keys
	items  []*value // of a map or list
}

// valueOf takes anything encoding/json can marshal; the key order of a
// json.RawMessage is kept, but apiVersion, kind, metadata and name come first.
func valueOf(v any) (*value, error) {
	text, ok := v.(json.RawMessage)
	if !ok {
		var err error
		if text, err = json.Marshal(v); err != nil {
			return nil, fmt.Errorf("value: %w", err)
		}
	}
	return parseValue(text)
}

func parseValue(text []byte) (*value, error) {
	if !json.Valid(text) {
		return nil, fmt.Errorf("value is not JSON: %.40q", text)
	}
	root := scanJSON(text, 0)
	if dup := findDuplicate(root); dup != nil {
		return nil, fmt.Errorf("value has the key %q twice", dup.second.name)
	}
	v := valueFromJSON(text, root)
	v.sortNames()
	return v, nil
}

// valueFromJSON reads a node that scanJSON found in text.
func valueFromJSON(text []byte, n *node) *value {
	v := &value{kind: n.kind}
	switch n.kind {
	case mapNode:
		v.names = make([]string, len(n.members))
		v.items = make([]*value, len(n.members))
		for i, m := range n.members {
			v.names[i], v.items[i] = m.name, valueFromJSON(text, m.node)
		}
	case listNode:
		v.items = make([]*value, len(n.members))
		for i, m := range n.members {
			v.items[i] = valueFromJSON(text, m.node)
		}
	default:
		v.scalar = scalarFromJSON(text[n.start:n.end])
	}
	return v
}

func scalarFromJSON(text []byte) any {
	switch text[0] {
	case '"':
		return unquoteJSON(text)
	case 't':
		return true
	case 'f':
		return false
	case 'n':
		return nil
	}
	return json.Number(text)
}

// sortNames puts the keys that open a Kubernetes object, and the name of
// anything that has one, before the others.
func (v *value) sortNames() {
	next := 0
	if v.kind == mapNode {
		for _, first := range []string{"apiVersion", "kind", "metadata", "name"} {
			i := slices.Index(v.names, first)
			if i < next {
				continue
			}
			name, item := v.names[i], v.items[i]
			copy(v.names[next+1:], v.names[next:i])
			copy(v.items[next+1:], v.items[next:i])
			v.names[next], v.items[next] = name, item
			next++
		}
	}
	for _, item := range v.items {
		item.sortNames()
	}
}

// plain converts v to maps, slices and scalars as convert returns them.
func (v *value) plain() any {
	switch v.kind {
	case mapNode:
		m := make(map[string]any, len(v.names))
		for i, name := range v.names {
			m[name] = v.items[i].plain()
		}
		return m
	case listNode:
		l := make([]any, len(v.items))
		for i, item := range v.items {
			l[i] = item.plain()
		}
		return l
	}
	if n, ok := v.scalar.(json.Number); ok {
		return plainNumber(string(n))
	}
	return v.scalar
}

// plainNumber prefers int64, then uint64, as the YAML reader does.
func plainNumber(text string) any {
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return i
	}
	if u, err := strconv.ParseUint(text, 10, 64); err == nil {
		return u
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return json.Number(text) // out of range; equal compares the text
	}
	return f
}

// apply changes v as applyAt changes a plain value that is known to accept c.
func (v *value) apply(c change, path []string) error {
	if len(path) == 0 {
		*v = *c.value
		return nil
	}
	i := v.find(path[0])
	last := len(path) == 1
	switch {
	case !last && i >= 0:
		return v.items[i].apply(c, path[1:])
	case !last:
		return errLayout
	case c.op == opRemove && i >= 0:
		v.items = slices.Delete(v.items, i, i+1)
		if v.kind == mapNode {
			v.names = slices.Delete(v.names, i, i+1)
		}
	case v.kind == mapNode && i < 0:
		v.names, v.items = append(v.names, path[0]), append(v.items, c.value)
	case v.kind == listNode && c.op == opAdd:
		at, err := listIndex(path[0], len(v.items), len(v.items))
		if err != nil {
			return err
		}
		v.items = slices.Insert(v.items, at, c.value)
	case i >= 0:
		v.items[i] = c.value
	default:
		return errLayout
	}
	return nil
}

// find returns the position of a key or list index in v, or -1.
func (v *value) find(token string) int {
	switch v.kind {
	case mapNode:
		return slices.Index(v.names, token)
	case listNode:
		if i, err := listIndex(token, len(v.items)-1, -1); err == nil {
			return i
		}
	}
	return -1
}

// orderedValue gives a plain value an order: that of the keys of like where it
// has them, then by name.
func orderedValue(v any, like *node) *value {
	for like != nil && like.kind == aliasNode {
		like = like.target
	}
	switch v := v.(type) {
	case map[string]any:
		out := &value{kind: mapNode}
		seen := make(map[string]bool, len(v))
		put := func(name string, like *node) {
			if item, ok := v[name]; ok && !seen[name] {
				seen[name] = true
				out.names = append(out.names, name)
				out.items = append(out.items, orderedValue(item, like))
			}
		}
		for _, m := range like.keys() {
			put(m.name, m.node)
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			put(name, nil)
		}
		return out
	case []any:
		out := &value{kind: listNode, items: make([]*value, len(v))}
		for i, item := range v {
			var child *node
			if like != nil && like.kind == listNode && i < len(like.members) {
				child = like.members[i].node
			}
			out.items[i] = orderedValue(item, child)
		}
		return out
	}
	return &value{kind: scalarNode, scalar: v}
}

// clone copies the maps and lists of a plain value.
func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(v))
		for name, item := range v {
			m[name] = clone(item)
		}
		return m
	case []any:
		l := make([]any, len(v), len(v)+2)
		for i, item := range v {
			l[i] = clone(item)
		}
		return l
	}
	return v
}
