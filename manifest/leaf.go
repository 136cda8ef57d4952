package manifest

import (
	"bytes"

	yamlv3 "go.yaml.in/yaml/v3"
	yamlv2 "sigs.k8s.io/yaml/goyaml.v2"
)

// flow finds the members of a collection in braces or brackets.
func (b *builder) flow(n *node, from *yamlv3.Node, p place) {
	opening, closing := byte('{'), byte('}')
	if n.kind == listNode {
		opening, closing = '[', ']'
	}
	if n.start >= p.limit || b.text[n.start] != opening {
		n.fixed = true // a lone "key: value" in a list
	}
	pos := n.start + 1
	p.flow = true
	for i := 0; i < len(from.Content); i++ {
		m := &member{start: b.offset(from.Content[i])}
		m.colon = m.start
		if n.kind == mapNode {
			b.flowKey(n, m, from.Content[i])
			i++
		}
		p.from = m.colon
		m.node = b.node(from.Content[i], p)
		n.members = append(n.members, m)
		n.fixed = n.fixed || m.node.fixed
		pos = max(pos, m.end())
	}
	pos = skipSpace(b.text, pos, p.limit)
	if pos < p.limit && b.text[pos] == ',' {
		pos = skipSpace(b.text, pos+1, p.limit)
	}
	if pos >= p.limit || b.text[pos] != closing {
		n.fixed = true
	}
	n.end = pos + 1
}

func (b *builder) flowKey(n *node, m *member, key *yamlv3.Node) {
	m.name, m.merge = keyName(key), isMerge(key)
	if m.colon = b.colon(key, m.start); m.colon >= 0 {
		return
	}
	m.plain = true
	if m.colon = b.endOfKey(key, m.start); m.colon < 0 {
		n.fixed = true
		m.colon = m.start
	}
}

// scalar finds the end of a scalar.
func (b *builder) scalar(n *node, from *yamlv3.Node, p place) {
	first := byte(0)
	if n.start < p.limit {
		first = b.text[n.start]
	}
	switch style := from.Style &^ yamlv3.TaggedStyle; {
	case style == yamlv3.DoubleQuotedStyle && first == '"':
		n.end = endOfDouble(b.text, n.start)
	case style == yamlv3.SingleQuotedStyle && first == '\'':
		n.end = endOfSingle(b.text, n.start)
	case style&(yamlv3.LiteralStyle|yamlv3.FoldedStyle) != 0 && (first == '|' || first == '>'):
		n.block = true
		n.end = endOfBlockScalar(b.text, n.start, p.column, p.limit)
	case style == 0:
		b.plain(n, from.Value, p)
	default:
		n.fixed = true
	}
	if n.end < n.start || n.end > p.limit {
		n.fixed = true
	}
}

// plain finds the end of a plain scalar. That of one line must be its value.
func (b *builder) plain(n *node, value string, p place) {
	if value == "" {
		n.end = n.start
		return
	}
	if p.flow {
		n.end, _ = endOfPlainLine(b.text, n.start, p.limit, true)
	} else {
		n.end = endOfPlainBlock(b.text, n.start, p.limit)
	}
	written := b.text[n.start:n.end]
	n.fixed = (p.flow || bytes.IndexByte(written, '\n') < 0) && string(written) != value
}

// keyName returns the key a YAML 1.1 reader sees.
func keyName(key *yamlv3.Node) string {
	if key.Kind == yamlv3.AliasNode {
		key = key.Alias
	}
	if key.Style != 0 || plainIsString(key.Value) {
		return key.Value
	}
	var v any
	if yamlv2.Unmarshal([]byte(key.Value), &v) == nil {
		if name, err := keyString(v); err == nil {
			return name
		}
	}
	return key.Value
}

func isMerge(key *yamlv3.Node) bool {
	return key.Kind == yamlv3.ScalarNode && key.Value == "<<" && key.Style == 0
}

// dashOf looks for the dash of a list item, upwards from its value.
func (b *builder) dashOf(item *yamlv3.Node, column int) int {
	for line := min(item.Line, len(b.lines)) - 1; line >= 0; line-- {
		at := b.lines[line] + column
		if at >= len(b.text) {
			continue
		}
		before := b.text[b.lines[line]:at]
		if b.text[at] == '-' && isBlankAt(b.text, at+1) && len(bytes.Trim(before, " -?:&!")) == 0 {
			return at
		}
		if line+1 < item.Line && !isBlankOrComment(b.text[b.lines[line]:b.lines[line+1]]) {
			return -1
		}
	}
	return -1
}

// colon returns the offset past the colon of a map key, or -1.
func (b *builder) colon(key *yamlv3.Node, start int) int {
	end := b.endOfKey(key, start)
	if end < 0 {
		return -1
	}
	for end < len(b.text) && (b.text[end] == ' ' || b.text[end] == '\t') {
		end++
	}
	if end >= len(b.text) || b.text[end] != ':' {
		return -1
	}
	return end + 1
}

func (b *builder) endOfKey(key *yamlv3.Node, start int) int {
	if key.Kind != yamlv3.ScalarNode || key.Anchor != "" {
		return -1
	}
	switch key.Style {
	case yamlv3.DoubleQuotedStyle:
		return endOfDouble(b.text, start)
	case yamlv3.SingleQuotedStyle:
		return endOfSingle(b.text, start)
	case 0:
		if bytes.HasPrefix(b.text[start:], []byte(key.Value)) {
			return start + len(key.Value)
		}
	}
	return -1
}
