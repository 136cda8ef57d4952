package cli

import "strings"

// The colours of the terminal, as https://www.ecma-international.org/publications-and-standards/standards/ecma-48/ has them.
const (
	bold   = "1"
	faint  = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

// paint colours text, line breaks at its end left out.
func paint(colour bool, code, text string) string {
	if !colour || code == "" {
		return text
	}
	line := strings.TrimRight(text, "\r\n")
	return "\x1b[" + code + "m" + line + "\x1b[0m" + text[len(line):]
}
