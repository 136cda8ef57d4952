package manifest

import (
	"bytes"
	"errors"
	"io"
	"strconv"

	yamlv3 "go.yaml.in/yaml/v3"
)

// parseNodes returns the YAML nodes of a text, nil for one without content.
func parseNodes(text []byte) (*yamlv3.Node, error) {
	dec := yamlv3.NewDecoder(bytes.NewReader(text))
	var doc, rest yamlv3.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, yamlProblem(err)
	}
	if err := dec.Decode(&rest); !errors.Is(err, io.EOF) {
		return nil, &problem{text: "more than one document"}
	}
	return &doc, nil
}

// mayReadNodes reports whether nodes tell all that matters about a text. They
// do not show the tag "!", and those of a tree belong to a text that ends with
// a line break. On the way to a comment yaml.v3 skips tabs, also where a tab
// may not stand for the reader of Kubernetes.
func mayReadNodes(text []byte) bool {
	if tab := bytes.IndexByte(text, '\t'); tab >= 0 && bytes.IndexByte(text[tab:], '#') >= 0 {
		return false
	}
	if !bytes.HasSuffix(text, []byte("\n")) || text[0] == '%' || bytes.Contains(text, []byte("\n%")) {
		return false
	}
	for at := 0; ; {
		i := bytes.IndexByte(text[at:], '!')
		if i < 0 {
			return true
		}
		if at += i + 1; !isLetter(text[at]) && text[at] != '!' {
			return false
		}
	}
}

// plainNode returns the value that convert would give where n is, if that is
// certain: the scanners and parsers of yaml.v2 and yaml.v3 differ in comments,
// and tabs before them, only, so it is as long as there are no aliases, merges,
// tags or duplicate keys, and scalars mean the same by the rules of YAML 1.1
// that are here.
func plainNode(n *yamlv3.Node) (v any, ok bool) {
	if n.Anchor != "" || n.Style&yamlv3.TaggedStyle != 0 {
		return nil, false
	}
	switch n.Kind {
	case yamlv3.MappingNode:
		return plainMap(n)
	case yamlv3.SequenceNode:
		l := make([]any, len(n.Content))
		for i, item := range n.Content {
			if l[i], ok = plainNode(item); !ok {
				return nil, false
			}
		}
		return l, true
	case yamlv3.ScalarNode:
		return plainScalar(n)
	}
	return nil, false
}

func plainMap(n *yamlv3.Node) (any, bool) {
	m := make(map[string]any, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yamlv3.ScalarNode || key.Anchor != "" || key.Style&yamlv3.TaggedStyle != 0 {
			return nil, false
		}
		if key.Style == 0 && !plainIsString(key.Value) {
			return nil, false
		}
		if _, twice := m[key.Value]; twice {
			return nil, false
		}
		v, ok := plainNode(n.Content[i+1])
		if !ok {
			return nil, false
		}
		m[key.Value] = v
	}
	return m, true
}

func plainScalar(n *yamlv3.Node) (any, bool) {
	if n.Style != 0 || plainIsString(n.Value) {
		return n.Value, true
	}
	switch n.Value {
	case "", "~", "null":
		return nil, true
	case "true":
		return true, true
	case "false":
		return false, true
	}
	if n.Value[0] == '0' && len(n.Value) > 1 || n.Value[0] < '0' {
		return nil, false
	}
	i, err := strconv.ParseInt(n.Value, 10, 64)
	return i, err == nil
}
