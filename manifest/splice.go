package manifest

import (
	"bytes"
	"slices"
)

// splice is a stretch of text to be replaced.
type splice struct {
	start, end int
	text       []byte
}

// splicer turns the changes recorded in a tree into splices.
type splicer struct {
	*tree
	style
	splices []splice
	err     error
}

// spliced returns the text of the tree with its changes made.
func (t *tree) spliced() ([]byte, error) {
	s := &splicer{tree: t, style: t.habits()}
	s.node(t.root, nil, t.json)
	if s.err != nil {
		return nil, s.err
	}
	slices.SortStableFunc(s.splices, func(a, b splice) int {
		if a.start != b.start {
			return a.start - b.start
		}
		return a.end - b.end // what is inserted at a place precedes what was there
	})
	size := len(t.text)
	for _, e := range s.splices {
		size += len(e.text)
	}
	out := make([]byte, 0, size)
	at := 0
	for _, e := range s.splices {
		if e.start < at || e.end < e.start {
			return nil, errLayout
		}
		out = append(out, t.text[at:e.start]...)
		out = append(out, e.text...)
		at = e.end
	}
	return append(out, t.text[at:]...), nil
}

func (s *splicer) put(start, end int, text []byte) {
	s.splices = append(s.splices, splice{start, end, text})
}

// node writes the changes in n, the value of m; the root has no m. Within a
// flow collection everything is written in flow style.
func (s *splicer) node(n *node, m *member, inFlow bool) {
	if n.orig != nil && slices.Equal(n.orig, n.members) {
		n.orig = nil
	}
	switch {
	case n.fresh != nil:
		s.replace(n, m, n.fresh, inFlow)
		return
	case n.orig == nil:
	case n.flow && !inFlow && m != nil && len(n.orig) == 0:
		s.replace(n, m, n.fromMembers(), false) // "{}" becomes a block
		return
	case n.flow:
		s.flow(n)
	case len(n.members) == 0:
		s.replace(n, m, n.fromMembers(), false)
		return
	default:
		s.block(n)
	}
	for _, m := range n.members {
		if !m.added {
			s.node(m.node, m, inFlow || n.flow)
		}
	}
}

// fromMembers builds the value of a collection that has no old members.
func (n *node) fromMembers() *value {
	v := &value{kind: n.kind}
	for _, m := range n.members {
		v.items = append(v.items, m.node.fresh)
		if n.kind == mapNode {
			v.names = append(v.names, m.name)
		}
	}
	return v
}

// replace writes v where n is.
func (s *splicer) replace(n *node, m *member, v *value, inFlow bool) {
	switch {
	case inFlow:
		s.replaceInFlow(n, m, v)
	case m == nil:
		s.emptyRoot(n, v)
	case n.kind <= listNode && n.kind != scalarNode && !n.flow && !n.fixed:
		s.replaceBlock(n, m, v)
	default:
		s.replaceInline(n, m, v)
	}
}

// emptyRoot writes the empty v in the place of all members of the document.
func (s *splicer) emptyRoot(n *node, v *value) {
	if len(v.items) > 0 || n.flow || n.fixed {
		s.err = errLayout
		return
	}
	first := n.first().start
	s.put(first, first, []byte(v.braces()+s.eol))
	s.removeAll(n)
}

// first returns the member of n that the text has first.
func (n *node) first() *member {
	if n.orig != nil {
		return n.orig[0]
	}
	return n.members[0]
}

func (s *splicer) removeAll(n *node) {
	all := n.orig
	if all == nil {
		all = n.members
	}
	for _, m := range all {
		s.put(lineStart(s.text, m.start), nextLine(s.text, m.end()), nil)
	}
}

// render returns v as it follows a key or dash: what stands on the same line,
// with a space before it unless it is nothing, and the lines below.
func (s *splicer) render(n *node, m *member, v *value) (head, lines []byte) {
	column := columnOf(s.text, m.start)
	st := s.style.near(s.text, n.up)
	text := st.appendAfter(nil, v, column, n.up.kind == listNode)
	i := bytes.Index(text, []byte(s.eol))
	return text[:i], text[i+len(s.eol):]
}

// replaceBlock writes v in the place of a block collection.
func (s *splicer) replaceBlock(n *node, m *member, v *value) {
	head, lines := s.render(n, m, v)
	first := n.first().start
	if s.isCompact(first) {
		text := append(head[1:], s.eol...)
		text = append(text, lines...)
		s.put(first, n.end, text[:len(text)-len(s.eol)])
		return
	}
	s.put(m.colon, s.endOfProps(n, m), head)
	at := lineStart(s.text, first)
	s.put(at, at, lines)
	s.removeAll(n)
}

// endOfProps returns where the anchor and tag of a block collection end, or
// the end of m's colon if it has none.
func (s *splicer) endOfProps(n *node, m *member) int {
	end := m.colon
	for at := n.props; at < n.start && (s.text[at] == '&' || s.text[at] == '!'); {
		end = endOfWord(s.text, at)
		at = end + indentOf(s.text[end:nextLine(s.text, end)])
	}
	return end
}

// replaceInline writes v in the place of anything else in a block collection.
func (s *splicer) replaceInline(n *node, m *member, v *value) {
	head, lines := s.render(n, m, v)
	if q := s.text[n.start:]; n.kind == scalarNode && len(q) > 0 && n.end > n.start {
		head = v.quotedLike(q[0], head)
	}
	between := s.text[m.colon:n.props]
	switch {
	case bytes.IndexByte(between, '#') >= 0:
		s.err = errLayout
	case len(head) == 0 || n.end == n.start || bytes.IndexByte(between, '\n') >= 0:
		s.put(m.colon, n.end, head)
	default:
		s.put(n.props, n.end, head[1:])
	}
	if len(lines) > 0 {
		at := nextLine(s.text, n.end)
		s.put(at, at, lines)
	}
}
