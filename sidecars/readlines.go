package sidecars

import (
	"bytes"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	yaml "go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// LoadError is one mistake in a catalog.
type LoadError struct {
	// File is the file's name, or the entry's where the file is not known.
	File string
	// Line of the mistake, 1-based; 0 where it is not known.
	Line int
	// Err says what is wrong; for a mistake in a field it starts with the field's path.
	Err error
}

// Error gives file:line: field: reason.
func (e *LoadError) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Err.Error()
	}
	return e.File + ":" + strconv.Itoa(e.Line) + ": " + e.Err.Error()
}

// Unwrap gives the cause.
func (e *LoadError) Unwrap() error { return e.Err }

// locate gives mistakes their place.
func (d *document) locate(errs field.ErrorList) []error {
	out := make([]error, len(errs))
	for i, e := range errs {
		line, known := d.lines[e]
		if !known {
			line = lineOf(d.root, e.Field)
		}
		out[i] = &LoadError{File: d.file, Line: d.line + line, Err: e}
	}
	return out
}

var (
	syntaxLine = regexp.MustCompile(`\A(?:unmarshal errors:\s*)?line (\d+): `)
	// behind are the errors to which the YAML library gives the line before.
	behind    = regexp.MustCompile(`\Adid not find expected (<document start>|node content|key|'-' indicator|',' or)`)
	namedNode = regexp.MustCompile(`(?:unknown anchor|anchor) '([^']*)'`)
)

// syntaxError gives a text that is no YAML its line and takes the library's own words for it away.
func (d *rawDocument) syntaxError(err error) error {
	why := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "error converting YAML to JSON: "), "yaml: ")
	line := 0
	if m := syntaxLine.FindStringSubmatch(why); m != nil {
		line, _ = strconv.Atoi(m[1])
		why = why[len(m[0]):]
		if behind.MatchString(why) {
			line++
		}
	}
	if m := namedNode.FindStringSubmatch(why); m != nil && line == 0 {
		line = lineAt(d.text, max(bytes.Index(d.text, []byte("*"+m[1])), 0))
	}
	if line == 0 {
		line = lineAt(d.text, max(bytes.IndexFunc(d.text, func(r rune) bool { return r == utf8.RuneError || unicode.IsControl(r) && !unicode.IsSpace(r) }), 0))
	}
	return &LoadError{File: d.file, Line: d.line + line, Err: errors.New(why)}
}

func lineAt(text []byte, offset int) int { return 1 + bytes.Count(text[:offset], []byte("\n")) }

// lineOf finds the line of the field at a path, such as spec.containers[0].image, or of its nearest parent that is there.
func lineOf(n *yaml.Node, path string) int {
	line := n.Line
	for path != "" {
		next, l, rest := below(n, strings.TrimPrefix(path, "."))
		if next == nil {
			return line
		}
		n, line, path = next, l, rest
	}
	return line
}

// below gives the node at the first step of a path, its line and the steps that are left. A key may hold dots.
func below(n *yaml.Node, path string) (at *yaml.Node, line int, rest string) {
	switch n.Kind {
	case yaml.AliasNode:
		return below(n.Alias, path)
	case yaml.SequenceNode:
		for i, item := range n.Content {
			if after, ok := strings.CutPrefix(path, "["+strconv.Itoa(i)+"]"); ok {
				return item, item.Line, after
			}
		}
	case yaml.MappingNode:
		longest := -1
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			after, ok := strings.CutPrefix(path, "["+key.Value+"]")
			if !ok {
				after, ok = strings.CutPrefix(path, key.Value)
				ok = ok && (after == "" || after[0] == '.' || after[0] == '[')
			}
			if ok && len(key.Value) > longest {
				longest, at, line, rest = len(key.Value), n.Content[i+1], key.Line, after
			}
			if key.Tag == "!!merge" && at == nil {
				at, line, rest = below(n.Content[i+1], path)
			}
		}
	}
	return at, line, rest
}
