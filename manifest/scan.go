package manifest

import (
	"bytes"
)

// isMarker reports whether text begins with the document marker "---" or "...".
func isMarker(text []byte, marker string) bool {
	return bytes.HasPrefix(text, []byte(marker)) && isBlankAt(text, len(marker))
}

// isBlankAt reports white space or the end of the text at offset i.
func isBlankAt(text []byte, i int) bool {
	return i >= len(text) || text[i] == ' ' || text[i] == '\t' || text[i] == '\r' || text[i] == '\n'
}

func isBlankOrComment(line []byte) bool {
	i := indentOf(line)
	return i == len(line) || line[i] == '#' && !breaksWithin(line[i:])
}

// breaksWithin reports whether YAML sees more than one line in a line: it ends a comment also at a carriage return alone and
// at three characters of Unicode.
func breaksWithin(line []byte) bool {
	return bytes.ContainsAny(bytes.TrimRight(line, "\r\n"), "\r\u0085\u2028\u2029")
}

// indentOf returns the offset of the first byte of line that is not white
// space, or its length.
func indentOf(line []byte) int {
	i := 0
	for i < len(line) && isBlankAt(line, i) {
		i++
	}
	return i
}

func lineStart(text []byte, at int) int {
	return bytes.LastIndexByte(text[:min(at, len(text))], '\n') + 1
}

// nextLine returns the start of the line after the one that holds at.
func nextLine(text []byte, at int) int {
	if at >= len(text) {
		return len(text)
	}
	if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
		return at + i + 1
	}
	return len(text)
}

func columnOf(text []byte, at int) int { return at - lineStart(text, at) }

// endOfWord returns the end of an alias, anchor or tag.
func endOfWord(text []byte, at int) int {
	for at < len(text) && !isBlankAt(text, at) && !isFlowIndicator(text[at]) {
		at++
	}
	return at
}

func isFlowIndicator(c byte) bool {
	return c == ',' || c == '[' || c == ']' || c == '{' || c == '}'
}

// skipSpace skips white space, line breaks and comments.
func skipSpace(text []byte, at, limit int) int {
	for at < limit {
		switch {
		case isBlankAt(text, at):
			at++
		case text[at] == '#' && (at == 0 || isBlankAt(text, at-1)):
			at = nextLine(text, at)
		default:
			return at
		}
	}
	return min(at, limit)
}

// endOfSingle returns the offset past the single-quoted string at pos, or -1.
func endOfSingle(text []byte, pos int) int {
	for i := pos + 1; i < len(text); i++ {
		if text[i] != '\'' {
			continue
		}
		if i+1 == len(text) || text[i+1] != '\'' {
			return i + 1
		}
		i++
	}
	return -1
}

// endOfPlainLine returns the end of a plain scalar on the line it is at: before
// a comment and trailing white space. In flow style it also ends at an
// indicator.
func endOfPlainLine(text []byte, at, limit int, flow bool) (end int, comment bool) {
	end = at
	for i := at; i < limit && text[i] != '\n'; i++ {
		c := text[i]
		switch {
		case c == '#' && i > at && isBlankAt(text, i-1):
			return end, true
		case flow && isFlowIndicator(c):
			return end, false
		case flow && c == ':' && (isBlankAt(text, i+1) || isFlowIndicator(text[i+1])):
			return end, false
		case !isBlankAt(text, i):
			end = i + 1
		}
	}
	return end, false
}

// endOfPlainBlock returns the end of a plain scalar in block style, which may
// go on for several lines before limit.
func endOfPlainBlock(text []byte, at, limit int) int {
	end, comment := endOfPlainLine(text, at, limit, false)
	for line := nextLine(text, at); line < limit && !comment; line = nextLine(text, line) {
		first := line + indentOf(text[line:nextLine(text, line)])
		if first >= nextLine(text, line) || first >= limit {
			continue
		}
		if text[first] == '#' {
			break
		}
		end, comment = endOfPlainLine(text, first, limit, false)
	}
	return end
}

// endOfBlockScalar returns the end of a "|" or ">" scalar whose header is at
// start and whose key or dash is in the given column.
func endOfBlockScalar(text []byte, start, column, limit int) int {
	header := text[start:nextLine(text, start)]
	keep := false
	indent := 0
	for _, c := range header[1:] {
		if c == '+' {
			keep = true
		} else if c >= '1' && c <= '9' {
			indent = max(column, 0) + int(c-'0')
		} else if c != '-' {
			break
		}
	}
	end := start + len(bytes.TrimRight(header, " \t\r\n"))
	for line := nextLine(text, start); line < limit; line = nextLine(text, line) {
		next := min(nextLine(text, line), limit)
		spaces := len(text[line:next]) - len(bytes.TrimLeft(text[line:next], " "))
		blank := indentOf(text[line:next]) == next-line
		if indent == 0 && !blank {
			indent = max(spaces, column+1)
		}
		if !blank && spaces < indent {
			break
		}
		if keep || !blank || (indent > 0 && spaces > indent) {
			end = line + len(bytes.TrimRight(text[line:next], "\r\n"))
		}
	}
	return end
}

// lastContent returns the end of the last line between from and limit that is
// neither blank nor a comment.
func lastContent(text []byte, from, limit int) int {
	end := from
	for line := from; line < limit; line = nextLine(text, line) {
		next := min(nextLine(text, line), limit)
		if !isBlankOrComment(text[line:next]) {
			end = line + len(bytes.TrimRight(text[line:next], " \t\r\n"))
		}
	}
	return end
}
