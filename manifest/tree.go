package manifest

import (
	"bytes"
	"errors"
)

// errLayout reports a text whose lines cannot be edited one by one; the
// document is then encoded anew from its YAML nodes.
var errLayout = errors.New("the layout of the document cannot be kept")

type nodeKind uint8

const (
	scalarNode nodeKind = iota
	mapNode
	listNode
	aliasNode
)

// node is a value of a document and the bytes it is written in.
type node struct {
	kind    nodeKind
	flow    bool  // written in braces or brackets, or within them
	block   bool  // a scalar in block style, "|" or ">"
	fixed   bool  // written in a way that splicing does not know
	props   int   // where its anchor or tag begins; start without them
	start   int   // its first byte
	end     int   // past its last byte, without comments that follow
	anchor  bool  // other places may refer to it
	target  *node // of an alias
	up      *node // the map or list it is in
	members []*member
	changed bool // members differ from those of the text, which are orig
	orig    []*member
	fresh   *value // what the node is to be replaced by
}

// member is a key of a map with its value, or an item of a list.
type member struct {
	name  string // key of a map, read as a string
	start int    // where its key or dash begins
	colon int    // past the colon or dash
	plain bool   // a map key that has neither colon nor value
	merge bool   // a merge key, "<<"
	gone  bool   // removed by an operation
	added bool   // inserted by an operation; its value is node.fresh
	node  *node
}

// tree is a document's text and the nodes in it.
type tree struct {
	text    []byte
	root    *node
	json    bool
	aliases []*node
	anchors bool
	step    habit // columns by which maps are indented under their key
	dash    habit // columns by which lists are indented under their key
	gap     habit // columns from a dash to what follows it
}

// habit counts how often each indentation occurs.
type habit [10]int

func (h *habit) saw(columns int) {
	if columns >= 0 && columns < len(h) {
		h[columns]++
	}
}

// most returns the commonest indentation, or otherwise in an even race.
func (h *habit) most(otherwise int) int {
	best := otherwise
	for columns, n := range h {
		if n > h[best] {
			best = columns
		}
	}
	return best
}

// old returns the members that the text has.
func (n *node) old() []*member {
	if n.changed {
		return n.orig
	}
	return n.members
}

// keys returns the members of a map in the order of the text.
func (n *node) keys() []*member {
	if n == nil || n.kind != mapNode {
		return nil
	}
	return n.members
}

// find returns the member a pointer token names, or nil.
func (n *node) find(token string) *member {
	switch n.kind {
	case mapNode:
		for _, m := range n.members {
			if m.name == token && !m.merge {
				return m
			}
		}
	case listNode:
		if i, err := listIndex(token, len(n.members)-1, -1); err == nil {
			return n.members[i]
		}
	}
	return nil
}

// merged finds a key that a map takes from another one with "<<".
func (n *node) merged(token string, depth int) *member {
	for _, m := range n.keys() {
		if !m.merge || depth > 100 {
			continue
		}
		from := []*node{m.node}
		if m.node.kind == listNode {
			from = from[:0]
			for _, item := range m.node.members {
				from = append(from, item.node)
			}
		}
		for _, source := range from {
			source = source.resolve()
			if found := source.find(token); found != nil {
				return found
			}
			if found := source.merged(token, depth+1); found != nil {
				return found
			}
		}
	}
	return nil
}

func (n *node) resolve() *node {
	if n.kind == aliasNode {
		return n.target
	}
	return n
}

// lookup returns the member at a path of the text, through aliases and merges.
func (t *tree) lookup(path []string) *member {
	m := &member{start: t.root.start, node: t.root}
	for _, token := range path {
		n := m.node.resolve()
		if m = n.find(token); m == nil {
			m = n.merged(token, 0)
		}
		if m == nil {
			return nil
		}
	}
	return m
}

// lineOf returns the line, counted from 0, that holds an offset of the text.
func (t *tree) lineOf(offset int) int {
	return bytes.Count(t.text[:min(offset, len(t.text))], []byte("\n"))
}

// duplicate is a key that a map has twice.
type duplicate struct{ first, second *member }

func findDuplicate(n *node) *duplicate {
	if dup := n.duplicate(); dup != nil {
		return dup
	}
	for _, m := range n.members {
		if dup := findDuplicate(m.node); dup != nil {
			return dup
		}
	}
	return nil
}

// duplicate returns a key that n itself has twice.
func (n *node) duplicate() *duplicate {
	if n.kind != mapNode || len(n.members) < 2 {
		return nil
	}
	seen := make(map[string]*member, len(n.members))
	for _, m := range n.members {
		if first := seen[m.name]; first != nil && !m.merge {
			return &duplicate{first, m}
		}
		if !m.merge {
			seen[m.name] = m
		}
	}
	return nil
}
