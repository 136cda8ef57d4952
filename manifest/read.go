package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	yamlv2 "sigs.k8s.io/yaml/goyaml.v2"
)

// problem is what is wrong with a document. Its line counts from the first
// line of the document; 0 is unknown, and path then says where to look.
type problem struct {
	line int
	path []string
	text string
}

func (p *problem) Error() string { return p.text }

// errDuplicateKey stands for a key that a map has twice; the reader of YAML
// notices, the tree of the document knows where.
var errDuplicateKey = errors.New("duplicate key")

// decodeYAML reads a text that holds at most one document as sigs.k8s.io/yaml
// does, before keys become strings. With strict, a key set twice is
// errDuplicateKey; so is one that overrides what was merged in with "<<".
func decodeYAML(text []byte, strict bool) (any, error) {
	dec := yamlv2.NewDecoder(bytes.NewReader(text))
	dec.SetStrict(strict)
	var v any
	if err := dec.Decode(&v); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, yamlProblem(err)
	}
	var rest any
	if err := dec.Decode(&rest); err == nil {
		return nil, &problem{text: "more than one document without a separator the reader knows"}
	} else if !errors.Is(err, io.EOF) {
		return nil, yamlProblem(err)
	}
	return v, nil
}

// checkText refuses a text that is not UTF-8, and one that still has a byte
// order mark: after a second one the reader of Kubernetes loses characters.
func checkText(text []byte) error {
	if bytes.HasPrefix(text, bom) {
		return &problem{line: 1, text: "the text begins with two byte order marks"}
	}
	if utf8.Valid(text) {
		return nil
	}
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return &problem{line: 1 + bytes.Count(text[:i], []byte("\n")), text: "the text is not UTF-8"}
		}
		i += size
	}
	return nil
}

var yamlErrorLine = regexp.MustCompile(`^line (\d+): `)

// parserErrors are errors that the reader of YAML reports with the number of
// the line before.
var parserErrors = map[string]bool{
	"did not find expected key":              true,
	"did not find expected node content":     true,
	"did not find expected '-' indicator":    true,
	"did not find expected ',' or ']'":       true,
	"did not find expected ',' or '}'":       true,
	"did not find expected <document start>": true,
}

// yamlProblem turns an error of the YAML reader into one line without its talk
// of Go types.
func yamlProblem(err error) error {
	var several *yamlv2.TypeError
	if errors.As(err, &several) {
		for _, text := range several.Errors {
			if strings.HasSuffix(text, "already set in map") {
				return errDuplicateKey
			}
		}
		return &problem{text: strings.Join(several.Errors, "; ")}
	}
	p := &problem{text: strings.TrimPrefix(err.Error(), "yaml: ")}
	if m := yamlErrorLine.FindStringSubmatch(p.text); m != nil {
		p.line, _ = strconv.Atoi(m[1])
		p.text = p.text[len(m[0]):]
		if parserErrors[p.text] {
			p.line++
		}
	}
	if strings.HasPrefix(p.text, "invalid map key: ") {
		p.text = "a key must be a scalar, not a map or list"
	}
	if i := strings.IndexByte(p.text, '\n'); i >= 0 {
		p.text = p.text[:i]
	}
	return p
}

// convert changes what decodeYAML returns into JSON's types: map[string]any,
// []any, string, bool, int64, uint64, float64 and nil. Keys become strings by
// the rules of sigs.k8s.io/yaml.
func convert(v any, path []string) (any, error) {
	switch v := v.(type) {
	case map[any]any:
		return convertMap(v, path)
	case []any:
		for i := range v {
			item, err := convert(v[i], append(path, strconv.Itoa(i)))
			if err != nil {
				return nil, err
			}
			v[i] = item
		}
		return v, nil
	case int:
		return int64(v), nil
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return nil, &problem{path: path, text: "infinity and not-a-number do not exist in JSON"}
		}
		return v, nil
	case time.Time:
		return v.Format(time.RFC3339Nano), nil
	}
	return v, nil
}

func convertMap(from map[any]any, path []string) (any, error) {
	to := make(map[string]any, len(from))
	for k, v := range from {
		name, err := keyString(k)
		if err != nil {
			return nil, &problem{path: path, text: err.Error()}
		}
		if _, ok := to[name]; ok {
			return nil, errDuplicateKey
		}
		item, err := convert(v, append(path, name))
		if err != nil {
			return nil, err
		}
		to[name] = item
	}
	return to, nil
}

func keyString(k any) (string, error) {
	switch k := k.(type) {
	case string:
		return k, nil
	case int:
		return strconv.Itoa(k), nil
	case int64:
		return strconv.FormatInt(k, 10), nil
	case bool:
		return strconv.FormatBool(k), nil
	case float64:
		switch s := strconv.FormatFloat(k, 'g', -1, 32); s {
		case "+Inf":
			return ".inf", nil
		case "-Inf":
			return "-.inf", nil
		case "NaN":
			return ".nan", nil
		default:
			return s, nil
		}
	case nil:
		return "", errors.New("null cannot be a key")
	}
	return "", fmt.Errorf("%v cannot be a key", k)
}
