package manifest

import "bytes"

// block writes the changes to the members of a block collection, of which
// some remain.
func (s *splicer) block(n *node) {
	first := n.orig[0]
	compact := s.isCompact(first.start)
	var prev *member
	var run []*member
	for _, m := range n.members {
		if m.added {
			run = append(run, m)
			continue
		}
		s.insertRun(n, prev, run)
		prev, run = m, nil
	}
	s.insertRun(n, prev, run)
	for i, m := range n.orig {
		switch {
		case !m.gone:
		case compact && i == 0 && n.members[0].added: // insertRun wrote over it
		case compact && i == 0:
			if s.removeFirst(n) {
				return
			}
		default:
			s.put(lineStart(s.text, m.start), nextLine(s.text, m.end()), nil)
		}
	}
}

// isCompact reports whether a member follows the dash of a list on its line.
func (s *splicer) isCompact(start int) bool {
	return len(bytes.TrimLeft(s.text[lineStart(s.text, start):start], " ")) > 0
}

// insertRun writes new members after prev, or before all others without it.
func (s *splicer) insertRun(n *node, prev *member, run []*member) {
	if len(run) == 0 {
		return
	}
	first := n.orig[0]
	column := columnOf(s.text, first.start)
	st := s.near(s.text, n)
	var text []byte
	for _, m := range run {
		text = appendSpaces(text, column)
		text = st.appendLabel(text, n.kind, m.name)
		text = st.appendAfter(text, m.node.fresh, column, n.kind == listNode)
	}
	switch compact := s.isCompact(first.start); {
	case prev != nil:
		at := s.after(prev, column)
		s.put(at, at, text)
	case compact && first.gone:
		s.put(first.start, nextLine(s.text, first.end()), text[column:])
	case compact:
		s.put(first.start, first.start, appendSpaces(text[column:], column))
	case first.gone:
		at := lineStart(s.text, first.start)
		s.put(at, at, text)
	default:
		at := s.above(lineStart(s.text, first.start), column)
		s.put(at, at, text)
	}
}

// removeFirst removes the first member of a compact collection, such as "name"
// in "- name: x": the next one takes its place behind the dash. It reports
// whether that took care of all removed members.
func (s *splicer) removeFirst(n *node) bool {
	first, next := n.orig[0], n.members[0]
	bare := true
	for i := 0; n.orig[i] != next; i++ {
		bare = bare && nextLine(s.text, n.orig[i].end()) == lineStart(s.text, n.orig[i+1].start)
	}
	if !bare { // a comment stands between: the dash stays alone
		line := lineStart(s.text, first.start)
		dash := line + len(bytes.TrimRight(s.text[line:first.start], " "))
		s.put(dash, nextLine(s.text, first.end())-len(s.eol), nil)
		return false
	}
	s.put(first.start, next.start, nil)
	after := false
	for _, m := range n.orig {
		after = after || m == next
		if after && m.gone {
			s.put(lineStart(s.text, m.start), nextLine(s.text, m.end()), nil)
		}
	}
	return true
}

// after returns where a member that follows prev is inserted: below the
// comments that are indented as part of the collection, above those that
// belong to what comes next.
func (s *splicer) after(prev *member, column int) int {
	at := nextLine(s.text, prev.end())
	own := at
	next := s.nextIndent(at)
	gap := false
	for line := at; line < len(s.text); line = nextLine(s.text, line) {
		indent := indentOf(s.text[line:nextLine(s.text, line)])
		switch {
		case line+indent == nextLine(s.text, line):
			gap = true
		case s.text[line+indent] != '#':
			return own
		case indent > column || indent == column && indent > next && !gap:
			own = nextLine(s.text, line)
		default:
			return own
		}
	}
	return own
}

// nextIndent returns the indentation of the first content at or below a line,
// 0 at the end of the document.
func (s *splicer) nextIndent(line int) int {
	for ; line < len(s.text); line = nextLine(s.text, line) {
		if text := s.text[line:nextLine(s.text, line)]; !isBlankOrComment(text) {
			return indentOf(text)
		}
	}
	return 0
}

// above returns the start of the comment that stands directly above a line, or
// the line itself.
func (s *splicer) above(line, column int) int {
	for line > 0 {
		prev := lineStart(s.text, line-1)
		if indent := indentOf(s.text[prev:line]); indent != column || s.text[prev+indent] != '#' {
			break
		}
		line = prev
	}
	return line
}
