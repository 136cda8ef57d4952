package manifest

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// scanJSON returns the nodes of the JSON value at offset pos. The text must be
// valid JSON from there on.
func scanJSON(text []byte, pos int) *node {
	s := &jsonScanner{text: text, pos: pos}
	return s.value(nil)
}

type jsonScanner struct {
	text []byte
	pos  int
}

func (s *jsonScanner) value(up *node) *node {
	s.space()
	n := &node{flow: true, start: s.pos, props: s.pos, up: up}
	switch s.text[s.pos] {
	case '{':
		n.kind = mapNode
		s.members(n, '}')
	case '[':
		n.kind = listNode
		s.members(n, ']')
	case '"':
		s.pos = endOfDouble(s.text, s.pos)
	default:
		for s.pos < len(s.text) && !bytes.ContainsRune([]byte(",]} \t\r\n"), rune(s.text[s.pos])) {
			s.pos++
		}
	}
	n.end = s.pos
	return n
}

// members reads a map or list from its opening bracket past its closing one.
func (s *jsonScanner) members(n *node, closing byte) {
	s.pos++
	for s.space(); s.text[s.pos] != closing; s.space() {
		m := &member{start: s.pos, colon: s.pos}
		if n.kind == mapNode {
			s.pos = endOfDouble(s.text, s.pos)
			m.name = unquoteJSON(s.text[m.start:s.pos])
			s.space()
			s.pos++
			m.colon = s.pos
		}
		m.node = s.value(n)
		n.members = append(n.members, m)
		s.space()
		if s.text[s.pos] == ',' {
			s.pos++
		}
	}
	s.pos++
}

func (s *jsonScanner) space() {
	for s.pos < len(s.text) {
		switch s.text[s.pos] {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return
		}
	}
}

// endOfDouble returns the offset past the double-quoted string at pos, or -1.
func endOfDouble(text []byte, pos int) int {
	for i := pos + 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

func unquoteJSON(text []byte) string {
	inner := text[1 : len(text)-1]
	if bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return string(inner)
	}
	var s string
	if json.Unmarshal(text, &s) != nil {
		return string(inner)
	}
	return s
}
