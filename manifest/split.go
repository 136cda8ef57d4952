package manifest

import (
	"bytes"
	"encoding/json"
)

// splitter gathers the text of one document.
type splitter struct {
	text    []byte
	line    int  // of the stream at which text begins
	marker  bool // "---" has been seen
	content bool // something other than comments has been seen
	ended   bool // "..." has been seen

	json   jsonState
	object int // offset of the JSON object in text
	depth  int // of brackets that are open
	quoted bool
	escape bool
}

// jsonState is what is known about a document that begins with a brace.
type jsonState uint8

const (
	jsonMaybe jsonState = iota
	jsonOpen            // within the object
	jsonDone            // the object is complete
	jsonNot
)

// take adds to the document what belongs to it of a piece of the stream and
// returns how much that is; bol tells that the piece begins a line. If it is
// not all, the document is complete.
func (s *splitter) take(piece []byte, bol bool) int {
	if (bol || len(s.text) == 0 || s.json == jsonDone) && s.endsBefore(piece, bol) {
		return 0
	}
	if s.json != jsonOpen {
		s.text = append(s.text, piece...)
		return len(piece)
	}
	n := s.closing(piece)
	s.text = append(s.text, piece[:n]...)
	if n == len(piece) && s.depth > 0 {
		return n
	}
	s.json = jsonNot
	if json.Valid(s.text[s.object:]) {
		s.json = jsonDone
		if rest := bytes.TrimLeft(piece[n:], " \t\r\n"); len(rest) > 0 && rest[0] == '{' {
			return n
		}
	}
	s.text = append(s.text, piece[n:]...)
	return len(piece)
}

// endsBefore reports whether a piece that may begin a line begins the next
// document.
func (s *splitter) endsBefore(piece []byte, bol bool) bool {
	line := bytes.TrimPrefix(piece, bom)
	switch {
	case bol && isMarker(line, "---"):
		if s.marker || s.content || s.ended {
			return true
		}
		s.marker = true
		s.content = !isBlankOrComment(line[3:])
		return false
	case bol && isMarker(line, "..."):
		s.ended = true
		return false
	case isBlankOrComment(line):
		return false
	case s.ended:
		return true
	case line[0] == '%' && !s.marker && !s.content:
		return false
	}
	return s.objectEndsBefore(line, len(piece)-len(line))
}

// objectEndsBefore does the same for a line with content. Before the line,
// skipped bytes of its piece belong to the document.
func (s *splitter) objectEndsBefore(line []byte, skipped int) bool {
	first := indentOf(line)
	switch {
	case line[first] == '{' && s.json == jsonDone:
		return true
	case line[first] == '{' && !s.content && s.json == jsonMaybe:
		s.json = jsonOpen
		s.object = len(s.text) + skipped + first
	case s.json != jsonOpen:
		s.json = jsonNot
	}
	s.content = true
	return false
}

// closing returns the length of piece up to and with the bracket that closes
// the JSON object, or all of it.
func (s *splitter) closing(piece []byte) int {
	i := max(s.object-len(s.text), 0)
	for ; i < len(piece); i++ {
		c := piece[i]
		switch {
		case s.escape:
			s.escape = false
		case s.quoted:
			s.escape = c == '\\'
			s.quoted = c != '"'
		case c == '"':
			s.quoted = true
		case c == '{' || c == '[':
			s.depth++
		case c == '}' || c == ']':
			if s.depth--; s.depth == 0 {
				return i + 1
			}
		}
	}
	return len(piece)
}
