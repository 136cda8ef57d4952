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

// spliced returns the text of the tree with its changes made in a style.
func (t *tree) spliced(st style) ([]byte, error) {
	s := &splicer{tree: t, style: st}
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
	if n.changed && slices.Equal(n.orig, n.members) {
		n.changed = false
	}
	if n.fresh != nil {
		s.replace(n, m, n.fresh, inFlow)
		return
	}
	// Members first: what they end with precedes what n inserts after them.
	for _, m := range n.members {
		if !m.added {
			s.node(m.node, m, inFlow || n.flow)
		}
	}
	switch {
	case !n.changed:
	case n.flow && !inFlow && m != nil && len(n.orig) == 0:
		s.replace(n, m, n.fromMembers(), false) // "{}" becomes a block
	case n.flow:
		s.flow(n)
	case len(n.members) == 0:
		s.replace(n, m, n.fromMembers(), false)
	default:
		s.block(n)
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
	case n.isBlock():
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
	first := n.old()[0].start
	s.put(first, first, []byte(v.braces()+s.eol))
	s.removeAll(n.old())
}

func (s *splicer) removeAll(members []*member) {
	for _, m := range members {
		s.put(lineStart(s.text, m.start), nextLine(s.text, m.end()), nil)
	}
}

// render returns v as it follows a key or dash: what stands on the same line,
// with a space before it unless it is nothing, and the lines below.
func (s *splicer) render(n *node, m *member, v *value) (head, lines []byte) {
	column := columnOf(s.text, m.start)
	st := s.near(s.text, n.up)
	st.single = st.single || s.commented(n, m, v, column)
	if n.up.kind == listNode {
		if st.gap = n.props - m.start; st.gap < 2 || n.props >= nextLine(s.text, m.start) {
			st.gap = 2
		}
	}
	text := st.appendAfter(nil, v, column, n.up.kind == listNode)
	i := bytes.Index(text, []byte(s.eol))
	return text[:i], text[i+len(s.eol):]
}

// commented reports whether comments that remain around n when v replaces it
// would become part of a "|" block in v.
func (s *splicer) commented(n *node, m *member, v *value, column int) bool {
	if s.nextComment(nextLine(s.text, max(n.end, m.colon))) > column {
		return true
	}
	if !n.isBlock() {
		return false
	}
	line := nextLine(s.text, m.colon)
	if v.kind == scalarNode && line < lineStart(s.text, n.old()[0].start) {
		return true // even a blank line
	}
	for _, m := range n.old() {
		if s.nextComment(line) > column {
			return true
		}
		line = nextLine(s.text, m.end())
	}
	return false
}

// nextComment returns the indentation of the deepest comment between a line and
// the next content.
func (s *splicer) nextComment(line int) int {
	deepest := -1
	for ; line < len(s.text); line = nextLine(s.text, line) {
		text := s.text[line:nextLine(s.text, line)]
		if !isBlankOrComment(text) {
			break
		}
		if indent := indentOf(text); indent < len(text) {
			deepest = max(deepest, indent)
		}
	}
	return deepest
}

// isBlock reports whether n is a collection in block style.
func (n *node) isBlock() bool {
	return (n.kind == mapNode || n.kind == listNode) && !n.flow && !n.fixed
}

// replaceBlock writes v in the place of a block collection.
func (s *splicer) replaceBlock(n *node, m *member, v *value) {
	head, lines := s.render(n, m, v)
	first := n.old()[0].start
	if s.isCompact(first) {
		s.put(first, s.endOfFirstLine(n.old()[0]), head[1:])
		s.put(nextLine(s.text, first), nextLine(s.text, n.old()[0].end()), lines)
		s.removeAll(n.old()[1:])
		return
	}
	s.put(m.colon, s.endOfProps(n, m), head)
	at := lineStart(s.text, first)
	s.put(at, at, lines)
	s.removeAll(n.old())
}

// endOfFirstLine returns where the first line of a member ends, before its
// comment.
func (s *splicer) endOfFirstLine(m *member) int {
	n := m.node
	switch line := nextLine(s.text, m.start); {
	case n.isBlock() && n.start < line:
		return s.endOfFirstLine(n.old()[0])
	case n.isBlock():
		return s.endOfProps(n, m)
	case n.end < line:
		return max(n.end, m.colon)
	case n.block && n.start < line:
		return n.start + len(bytes.Fields(s.text[n.start:line])[0])
	default:
		return line - len(s.eol)
	}
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
