package manifest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

var errBadPointer = errors.New(`a JSON pointer is empty or begins with "/"`)

// parsePointer splits an RFC 6901 pointer into its unescaped tokens.
func parsePointer(pointer string) ([]string, error) {
	if pointer == "" {
		return nil, nil
	}
	if pointer[0] != '/' {
		return nil, errBadPointer
	}
	path := strings.Split(pointer[1:], "/")
	for i, token := range path {
		if strings.Contains(token, "~") {
			path[i] = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
		}
	}
	return path, nil
}

// formatPointer is the inverse of parsePointer.
func formatPointer(path []string) string {
	var b strings.Builder
	for _, token := range path {
		b.WriteByte('/')
		b.WriteString(strings.ReplaceAll(strings.ReplaceAll(token, "~", "~0"), "/", "~1"))
	}
	return b.String()
}

// listIndex reads a list position between 0 and last. "-" stands for end, or
// is refused where end is negative.
func listIndex(token string, last, end int) (int, error) {
	if token == "-" && end >= 0 {
		return end, nil
	}
	i, err := strconv.Atoi(token)
	if err != nil || i < 0 || strconv.Itoa(i) != token {
		return 0, fmt.Errorf("%q is not a list index", token)
	}
	if i > last {
		return 0, fmt.Errorf("index %d is past the end of the list", i)
	}
	return i, nil
}
