package manifest

import "bytes"

// flow writes the changes to the members of a collection in braces or
// brackets.
func (s *splicer) flow(n *node) {
	switch {
	case len(n.members) == 0:
		s.put(n.start, n.end, []byte(n.fromMembers().braces()))
		return
	case len(n.orig) == 0:
		s.put(n.start, n.end, s.flowStyle(n).appendFlow(nil, n.fromMembers()))
		return
	}
	st := s.flowStyle(n)
	var prev *member
	var text []byte
	for _, m := range n.members {
		if m.added && prev != nil {
			text = append(text, st.sep...)
			text = st.appendFlowMember(text, n.kind, m.name, m.node.fresh)
		} else if m.added {
			text = st.appendFlowMember(text, n.kind, m.name, m.node.fresh)
			text = append(text, st.sep...)
		} else {
			s.insertFlow(n, prev, text)
			prev, text = m, nil
		}
	}
	if prev == nil { // nothing old remains
		s.put(n.orig[0].start, n.orig[len(n.orig)-1].end(), text[:len(text)-len(st.sep)])
		return
	}
	s.insertFlow(n, prev, text)
	s.removeFlow(n)
}

func (s *splicer) insertFlow(n *node, prev *member, text []byte) {
	if len(text) == 0 {
		return
	}
	at := n.orig[0].start
	if prev != nil {
		at = prev.end()
	}
	s.put(at, at, text)
}

// removeFlow removes the members of n that are gone, each with the comma after
// it, the last ones with the comma before them.
func (s *splicer) removeFlow(n *node) {
	last := len(n.orig) - 1
	for n.orig[last].gone {
		last--
	}
	for i, m := range n.orig[:last] {
		if m.gone {
			s.cut(m.start, m.end(), n.orig[i+1].start, n.orig[i+1].start)
		}
	}
	if end := len(n.orig) - 1; last < end {
		s.cut(n.orig[last].end(), n.orig[last].end(), n.orig[last+1].start, n.orig[end].end())
	}
}

// cut removes the text from start to end, unless there is a comment in the gap
// of it that lies between two members.
func (s *splicer) cut(start, gap, gapEnd, end int) {
	if !s.json && bytes.IndexByte(s.text[gap:gapEnd], '#') >= 0 {
		s.err = errLayout
	}
	s.put(start, end, nil)
}

// replaceInFlow writes v in the place of n within a flow collection.
func (s *splicer) replaceInFlow(n *node, m *member, v *value) {
	if m == nil || n.fixed {
		s.err = errLayout
		return
	}
	st := s.flowStyle(n.up)
	text := st.appendFlow(nil, v)
	switch {
	case m.plain:
		text = append([]byte(": "), text...)
	case n.end == n.start && n.up.kind == mapNode:
		text = append([]byte(" "), text...)
	}
	s.put(n.props, n.end, text)
}

// flowStyle returns how members of n are written.
func (s *splicer) flowStyle(n *node) flowStyle {
	st := flowStyle{style: s.style, quoted: s.json, strict: s.json}
	old := n.old()
	margin := s.marginOf(n.start)
	if len(old) == 0 {
		st.pretty = s.json && s.unit != ""
		st.margin = margin
		return st
	}
	first := old[0].start
	st.quoted = st.quoted || s.text[first] == '"'
	if bytes.IndexByte(s.text[n.start:first], '\n') >= 0 {
		st.margin = s.marginOf(first)
		st.pretty = s.json && s.unit != ""
		st.sep = "," + s.eol + st.margin
		return st
	}
	st.sep = s.commaOf(old)
	return st
}

// commaOf returns what stands between the first two members of a collection
// on one line, or what the document has elsewhere.
func (s *splicer) commaOf(members []*member) string {
	if len(members) > 1 {
		if gap := s.text[members[0].end():members[1].start]; string(gap) == "," || string(gap) == ", " {
			return string(gap)
		}
	}
	return s.comma
}

// marginOf returns the white space that the line of an offset begins with.
func (s *splicer) marginOf(at int) string {
	line := s.text[lineStart(s.text, at):at]
	return string(line[:indentOf(line)])
}
