package manifest

import "bytes"

// style is how new YAML lines are written: as a careful human would who copies
// the habits of the document.
type style struct {
	eol   string // "\n" or "\r\n"
	step  int    // indentation of a map under its key
	dash  int    // indentation of a list under its key
	gap   int    // columns from a dash to what follows it
	unit  string // indentation of pretty-printed JSON, "" for compact JSON
	colon string // between key and value in flow style
	comma string // between members on one line in flow style

	// open tells that the last line has no line break, so that a "|" block
	// there could not end with one.
	open bool
	// single tells to write no "|" blocks, since they would take in a comment
	// that follows.
	single bool
}

// defaultStyle is the style of kubectl.
var defaultStyle = style{eol: "\n", step: 2, gap: 2, colon: ": ", comma: ", "}

// habits returns the style of a tree.
func (t *tree) habits() style {
	s := defaultStyle
	if i := bytes.IndexByte(t.text, '\n'); i > 0 && t.text[i-1] == '\r' {
		s.eol = "\r\n"
	}
	s.step = max(t.step.most(s.step), 1)
	s.dash = t.dash.most(s.dash)
	s.gap = max(t.gap.most(s.gap), 2)
	if t.json {
		s.copyJSON(t)
	}
	return s
}

// copyJSON copies spacing and indentation of a JSON document.
func (s *style) copyJSON(t *tree) {
	if len(t.root.members) == 0 {
		return
	}
	first := t.root.members[0]
	if indent := t.text[t.root.start+1 : first.start]; bytes.IndexByte(indent, '\n') >= 0 {
		s.unit = string(t.text[lineStart(t.text, first.start):first.start])
	}
	if t.root.kind != mapNode {
		return
	}
	if first.node.start == first.colon {
		s.colon, s.comma = ":", ","
	}
	if s.unit == "" && len(t.root.members) > 1 {
		if gap := t.text[first.end():t.root.members[1].start]; len(gap) <= 2 {
			s.comma = string(gap)
		}
	}
}

// near copies how lists are indented among the members of a map, where it has
// any, instead of the document's habit.
func (s style) near(text []byte, n *node) style {
	for _, m := range n.old() {
		if n.kind == mapNode && m.node.kind == listNode && !m.node.flow && !m.node.fixed {
			s.dash = columnOf(text, m.node.start) - columnOf(text, m.start)
			break
		}
	}
	return s
}

// appendLabel writes what begins a member of a block collection.
func (s *style) appendLabel(dst []byte, kind nodeKind, name string) []byte {
	if kind == listNode {
		return appendSpaces(append(dst, '-'), s.gap-2)
	}
	return append(appendString(dst, name, false), ':')
}

// appendAfter writes v as it follows the key of a map, or the dash of a list
// item, that stands in the given column.
func (s *style) appendAfter(dst []byte, v *value, column int, item bool) []byte {
	switch {
	case v.kind == scalarNode:
		inner := column + s.step
		if item {
			inner = column + s.gap
		}
		return s.appendScalarAfter(dst, v, inner)
	case len(v.items) == 0:
		return append(append(append(dst, ' '), v.braces()...), s.eol...)
	case item:
		return s.appendMembers(append(dst, ' '), v, column+s.gap, false)
	case v.kind == listNode:
		return s.appendMembers(append(dst, s.eol...), v, column+s.dash, true)
	}
	return s.appendMembers(append(dst, s.eol...), v, column+s.step, true)
}

// appendMembers writes the members of a map or list that is not empty. Without
// indentFirst the first one continues a line.
func (s *style) appendMembers(dst []byte, v *value, column int, indentFirst bool) []byte {
	for i, item := range v.items {
		if i > 0 || indentFirst {
			dst = appendSpaces(dst, column)
		}
		name := ""
		if v.kind == mapNode {
			name = v.names[i]
		}
		dst = s.appendLabel(dst, v.kind, name)
		dst = s.appendAfter(dst, item, column, v.kind == listNode)
	}
	return dst
}

func (s *style) appendScalarAfter(dst []byte, v *value, column int) []byte {
	text, ok := v.scalar.(string)
	if ok && s.isLiteral(text) {
		return s.appendLiteral(dst, text, column)
	}
	dst = append(dst, ' ')
	if ok {
		dst = appendString(dst, text, false)
	} else {
		dst = appendPlain(dst, v.scalar)
	}
	return append(dst, s.eol...)
}

func (s *style) isLiteral(text string) bool {
	return !s.single && isLiteral(text) && (!s.open || text[len(text)-1] != '\n')
}

// appendLiteral writes a string with several lines as a "|" block.
func (s *style) appendLiteral(dst []byte, text string, column int) []byte {
	dst = append(dst, " |"...)
	rest, trailing := []byte(text), false
	if rest, trailing = bytes.CutSuffix(rest, []byte("\n")); !trailing {
		dst = append(dst, '-')
	}
	dst = append(dst, s.eol...)
	for line := range bytes.SplitSeq(rest, []byte("\n")) {
		if len(line) > 0 {
			dst = append(appendSpaces(dst, column), line...)
		}
		dst = append(dst, s.eol...)
	}
	return dst
}

func appendSpaces(dst []byte, n int) []byte {
	for range n {
		dst = append(dst, ' ')
	}
	return dst
}

// braces returns how v is written if it has no members.
func (v *value) braces() string {
	if v.kind == listNode {
		return "[]"
	}
	return "{}"
}

// flowStyle is how members of a collection in braces or brackets are written.
type flowStyle struct {
	style
	sep    string // between members of the collection at hand
	quoted bool   // strings and keys are always quoted
	strict bool   // the document is JSON
	pretty bool   // nested collections get a line for each member
	margin string // indentation of the line that a member is on
}

// appendFlow writes v in flow style.
func (s flowStyle) appendFlow(dst []byte, v *value) []byte {
	switch {
	case v.kind == scalarNode:
		return s.appendFlowScalar(dst, v.scalar)
	case len(v.items) == 0:
		return append(dst, v.braces()...)
	}
	inner := s
	inner.sep = s.comma
	open, end := "", ""
	if s.pretty {
		inner.margin += s.unit
		open, end = s.eol+inner.margin, s.eol+s.margin
		inner.sep = "," + open
	}
	dst = append(append(dst, v.braces()[0]), open...)
	for i, item := range v.items {
		if i > 0 {
			dst = append(dst, inner.sep...)
		}
		name := ""
		if v.kind == mapNode {
			name = v.names[i]
		}
		dst = inner.appendFlowMember(dst, v.kind, name, item)
	}
	return append(append(dst, end...), v.braces()[1])
}

// appendFlowMember writes a member of a collection in flow style.
func (s flowStyle) appendFlowMember(dst []byte, kind nodeKind, name string, v *value) []byte {
	if kind == mapNode {
		dst = append(s.appendFlowScalar(dst, name), s.colon...)
	}
	return s.appendFlow(dst, v)
}
