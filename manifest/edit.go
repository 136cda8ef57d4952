package manifest

import "slices"

// edit records c in the nodes of the tree; the text is spliced later, once all
// changes are known. before is the document as c finds it, which must accept c.
func (t *tree) edit(c change, before any) error {
	if len(c.path) == 0 {
		return errLayout // nothing of the text remains
	}
	n := t.root
	for i, token := range c.path {
		if err := t.open(n, before); err != nil {
			return err
		}
		if n.fresh != nil {
			return n.fresh.apply(c, c.path[i:])
		}
		if i == len(c.path)-1 {
			break
		}
		m := n.find(token)
		if m == nil {
			if m = t.unmerge(n, token, before); m == nil {
				return errLayout
			}
		}
		n = m.node
	}
	return t.editMember(n, c, before)
}

// editMember applies the last step of c's path to a map or list of the text.
func (t *tree) editMember(n *node, c change, before any) error {
	token := c.path[len(c.path)-1]
	if n.kind == listNode && c.op == opAdd {
		at, err := listIndex(token, len(n.members), len(n.members))
		if err != nil {
			return err
		}
		n.insert(at, &member{added: true, node: &node{fresh: c.value, up: n}})
		return nil
	}
	m := n.find(token)
	if m == nil {
		if n.kind != mapNode || c.op != opAdd && n.merged(token, 0) == nil {
			return errLayout
		}
		if c.op == opRemove {
			return errLayout // only the merge could go
		}
		n.insert(len(n.members), &member{name: token, added: true, node: &node{fresh: c.value, up: n}})
		return nil
	}
	if err := t.release(m.node, before); err != nil {
		return err
	}
	if c.op == opRemove {
		n.remove(m)
		return nil
	}
	m.node.fresh = c.value
	return nil
}

// change keeps the members that the text has before others are made of them.
func (n *node) change() {
	if !n.changed {
		n.changed, n.orig = true, n.members
		n.members = slices.Clone(n.members)
	}
}

// insert adds a new member at a position of n.
func (n *node) insert(at int, m *member) {
	n.change()
	n.members = slices.Insert(n.members, at, m)
}

func (n *node) remove(m *member) {
	n.change()
	m.gone = true
	n.members = slices.DeleteFunc(n.members, func(other *member) bool { return other == m })
}

// open prepares n for a change below it: an alias becomes a copy of what it
// refers to, and aliases of n copies of n.
func (t *tree) open(n *node, before any) error {
	if n.fresh != nil {
		return nil
	}
	if n.kind == aliasNode {
		n.fresh = orderedValue(n.valueIn(before), n.target)
		return nil
	}
	if n.anchor {
		if err := t.copyAliases(n, before); err != nil {
			return err
		}
	}
	if n.fixed || n.kind == scalarNode {
		return errLayout
	}
	return nil
}

// release prepares n to be replaced or removed: aliases elsewhere of anything
// in it become copies.
func (t *tree) release(n *node, before any) error {
	if !t.anchors || n.fresh != nil {
		return nil
	}
	if n.anchor {
		if err := t.copyAliases(n, before); err != nil {
			return err
		}
	}
	for _, m := range n.members {
		if err := t.release(m.node, before); err != nil {
			return err
		}
	}
	return nil
}

// copyAliases replaces every alias of n by a copy of n.
func (t *tree) copyAliases(n *node, before any) error {
	for _, alias := range t.aliases {
		if alias.target != n || alias.fresh != nil || alias.detached() {
			continue
		}
		if alias.isMerged() {
			return errLayout
		}
		alias.fresh = orderedValue(alias.valueIn(before), n)
	}
	n.anchor = false
	return nil
}

// unmerge writes out a key that n has from a merge, so that it can change.
func (t *tree) unmerge(n *node, token string, before any) *member {
	from := n.merged(token, 0)
	if from == nil {
		return nil
	}
	in, ok := n.valueIn(before).(map[string]any)
	if !ok {
		return nil
	}
	m := &member{name: token, added: true, node: &node{fresh: orderedValue(in[token], from.node), up: n}}
	n.insert(len(n.members), m)
	return m
}

// isMerged reports whether n is what a merge key takes its keys from.
func (n *node) isMerged() bool {
	for ; n.up != nil; n = n.up {
		for _, m := range n.up.members {
			if m.node == n && m.merge {
				return true
			}
		}
	}
	return false
}

// detached reports whether n is no longer part of the document.
func (n *node) detached() bool {
	for ; n.up != nil; n = n.up {
		if n.up.fresh != nil || !slices.ContainsFunc(n.up.members, func(m *member) bool { return m.node == n }) {
			return true
		}
	}
	return false
}

// valueIn returns what n stands for in the whole document.
func (n *node) valueIn(document any) any {
	if n.up == nil {
		return document
	}
	for i, m := range n.up.members {
		if m.node != n {
			continue
		}
		switch parent := n.up.valueIn(document).(type) {
		case map[string]any:
			return parent[m.name]
		case []any:
			if i < len(parent) {
				return parent[i]
			}
		}
	}
	return nil
}
