package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// words are the plain scalars that YAML 1.1 or 1.2 reads as something other
// than a string, in lower case.
var words = map[string]bool{
	"y": true, "yes": true, "true": true, "on": true,
	"n": true, "no": true, "false": true, "off": true,
	"null": true, "~": true, "": true, ".inf": true, ".nan": true,
}

// plainIsString reports whether the YAML 1.1 reader of Kubernetes certainly
// takes a plain scalar for a string.
func plainIsString(s string) bool {
	if s == "" || strings.IndexByte("0123456789+-.", s[0]) >= 0 {
		return plainStart(s)
	}
	return len(s) > 5 || s != "<<" && !words[strings.ToLower(s)]
}

// isPlain reports whether a string can be written without quotes: no YAML
// reader, of whichever version, takes it for anything else.
func isPlain(s string, flow bool) bool {
	if !plainStart(s) {
		return false
	}
	for i, r := range s {
		switch {
		case r == ' ':
			if i+1 == len(s) || s[i+1] == ' ' || s[i+1] == '#' {
				return false
			}
		case r == ':':
			if flow || i+1 == len(s) || s[i+1] == ' ' {
				return false
			}
		case strings.ContainsRune(`,[]{}?#"'`, r):
			if flow {
				return false
			}
		case !unicode.IsPrint(r) || r == utf8.RuneError:
			return false
		}
	}
	return true
}

// plainStart reports whether s begins like a string and is not a reserved word
// or anything like a number or time.
func plainStart(s string) bool {
	if words[strings.ToLower(s)] {
		return false
	}
	second := byte(0)
	if len(s) > 1 {
		second = s[1]
	}
	switch c := s[0]; c {
	case '_', '/', '$', '(':
		return true
	case '.':
		return second == '/' || isLetter(second)
	case '-':
		return isLetter(second) || second == '-' && len(s) > 2 && isLetter(s[2])
	default:
		return isLetter(c) || c >= utf8.RuneSelf || c >= '0' && c <= '9' && !maybeNumber(s)
	}
}

// maybeNumber reports whether s, which begins with a digit, has only letters
// that numbers and times of YAML have.
func maybeNumber(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r == '/' || r < utf8.RuneSelf && isLetter(byte(r)) && !strings.ContainsRune("abcdefABCDEFxXoOtTzZ", r)
	})
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// isLiteral reports whether a string is written as a "|" block: it has several
// lines, and the block means exactly that string.
func isLiteral(s string) bool {
	i := strings.IndexByte(s, '\n')
	if i < 1 || i == len(s)-1 || s[0] == ' ' || s[0] == '\t' || strings.HasSuffix(s, "\n\n") {
		return false
	}
	for line := range strings.SplitSeq(s, "\n") {
		if line != "" && strings.TrimSpace(line) == "" {
			return false
		}
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r != '\n' && r != '\t' && !unicode.IsPrint(r) || r == utf8.RuneError
	})
}

// appendString writes a string on one line, with quotes if it needs them.
func appendString(dst []byte, s string, flow bool) []byte {
	switch {
	case isPlain(s, flow):
		return append(dst, s...)
	case strings.ContainsAny(s, `"\`) && isPrintable(s):
		return appendSingle(dst, s)
	}
	return appendDouble(dst, s)
}

func isPrintable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError })
}

func appendSingle(dst []byte, s string) []byte {
	return append(append(append(dst, '\''), strings.ReplaceAll(s, "'", "''")...), '\'')
}

// appendDouble writes a double-quoted string with the escapes that YAML and
// JSON share, as far as they go.
func appendDouble(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case unicode.IsPrint(r):
			dst = utf8.AppendRune(dst, r)
		case r <= 0xffff:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		default:
			dst = fmt.Appendf(dst, `\U%08x`, r)
		}
	}
	return append(dst, '"')
}

func appendJSONString(dst []byte, s string) []byte {
	if isPrintable(s) {
		return appendDouble(dst, s)
	}
	text, _ := json.Marshal(s) // a string always can be marshalled
	return append(dst, text...)
}

// appendPlain writes a scalar that is not a string.
func appendPlain(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		return strconv.AppendBool(dst, v)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case uint64:
		return strconv.AppendUint(dst, v, 10)
	case float64:
		return strconv.AppendFloat(dst, v, 'g', -1, 64)
	}
	return fmt.Append(dst, v)
}

func (s flowStyle) appendFlowScalar(dst []byte, v any) []byte {
	text, ok := v.(string)
	switch {
	case !ok:
		return appendPlain(dst, v)
	case s.strict:
		return appendJSONString(dst, text)
	case s.quoted:
		return appendDouble(dst, text)
	}
	return appendString(dst, text, true)
}

// quotedLike returns head, which render made of v, with the kind of quotes that
// the scalar before it had.
func (v *value) quotedLike(quote byte, head []byte) []byte {
	text, ok := v.scalar.(string)
	switch {
	case v.kind != scalarNode || !ok || bytes.HasPrefix(head, []byte(" |")):
		return head
	case quote == '"':
		return appendDouble([]byte(" "), text)
	case quote == '\'' && isPrintable(text):
		return appendSingle([]byte(" "), text)
	}
	return head
}
