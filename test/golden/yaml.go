package golden

import (
	"bytes"
	"encoding/json"
	"fmt"

	yaml "go.yaml.in/yaml/v3"
)

// toJSON turns one YAML document into JSON with its members in the order of the document.
func toJSON(text []byte) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	if len(doc.Content) != 1 {
		return nil, fmt.Errorf("want one document")
	}
	return appendJSON(nil, doc.Content[0])
}

func appendJSON(dst []byte, n *yaml.Node) ([]byte, error) {
	var err error
	switch n.Kind {
	case yaml.MappingNode:
		dst = append(dst, '{')
		for i := 0; i+1 < len(n.Content); i += 2 {
			if i > 0 {
				dst = append(dst, ',')
			}
			key, err := json.Marshal(n.Content[i].Value)
			if err != nil {
				return nil, err
			}
			if dst, err = appendJSON(append(append(dst, key...), ':'), n.Content[i+1]); err != nil {
				return nil, err
			}
		}
		return append(dst, '}'), nil
	case yaml.SequenceNode:
		dst = append(dst, '[')
		for i, item := range n.Content {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = appendJSON(dst, item); err != nil {
				return nil, err
			}
		}
		return append(dst, ']'), nil
	case yaml.ScalarNode:
		if (n.Tag == "!!int" || n.Tag == "!!float") && json.Valid([]byte(n.Value)) {
			return append(dst, n.Value...), nil // as it is written: 1.50
		}
		var v any
		if err := n.Decode(&v); err != nil {
			return nil, err
		}
		b, err := json.Marshal(v)
		return append(dst, b...), err
	}
	return nil, fmt.Errorf("line %d: an alias cannot stand in a case", n.Line)
}

// toYAML turns JSON into YAML with its members in the order of the JSON: blocks, and one line for what is short.
func toYAML(text []byte) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	for _, root := range doc.Content {
		root.Style = 0
		for i := range root.Content {
			restyle(root.Content[i])
		}
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(&doc); err != nil {
		return nil, err
	}
	return out.Bytes(), enc.Close()
}

// shortLine is the length in bytes up to which a collection stands in one line.
const shortLine = 90

// restyle takes the style of JSON away and gives the length of n in one line, or more than shortLine where it has none.
func restyle(n *yaml.Node) int {
	if n.Kind == yaml.ScalarNode {
		if n.Tag == "!!str" {
			n.SetString(n.Value)
		}
		n.Style &^= yaml.DoubleQuotedStyle
		if n.Style&yaml.LiteralStyle != 0 {
			return shortLine + 1
		}
		return len(n.Value)
	}
	length := 0
	for _, below := range n.Content {
		length += 2 + restyle(below)
	}
	n.Style = 0
	if length <= shortLine {
		n.Style = yaml.FlowStyle
	}
	return length
}
