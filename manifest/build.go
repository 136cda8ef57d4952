package manifest

import (
	"bytes"
	"unicode/utf8"

	yamlv3 "go.yaml.in/yaml/v3"
)

// builder makes a tree from the nodes of yaml.v3, which know where a value
// begins but not where it ends.
type builder struct {
	*tree
	lines  []int // offset of each line
	ascii  bool
	limit  int // where the document ends
	last   position
	byNode map[*yamlv3.Node]*node
}

// buildTree returns the tree of a YAML text with these nodes.
func buildTree(text []byte, doc *yamlv3.Node) *tree {
	b := &builder{tree: &tree{text: text}, byNode: map[*yamlv3.Node]*node{}}
	exotic := b.scanLines()
	root := doc.Content[0]
	b.limit = b.endOfDocument(b.offset(root))
	b.root = b.node(root, place{from: b.offset(root), column: -1, limit: b.limit})
	b.root.fixed = b.root.fixed || exotic
	return b.tree
}

// scanLines fills in lines. It reports line breaks that editors do not count
// but YAML 1.1 does: a lone CR, NEL, LS and PS.
func (b *builder) scanLines() (exotic bool) {
	b.lines = append(make([]int, 0, 2+len(b.text)/24), 0)
	b.ascii = true
	for i := 0; i < len(b.text); i++ {
		c := b.text[i]
		switch {
		case c == '\n':
			b.lines = append(b.lines, i+1)
		case c == '\r' && (i+1 == len(b.text) || b.text[i+1] != '\n'):
			b.lines = append(b.lines, i+1)
			exotic = true
		case c >= utf8.RuneSelf:
			b.ascii = false
			if width := wideBreak(b.text[i:]); width > 0 {
				i += width - 1
				b.lines = append(b.lines, i+1)
				exotic = true
			}
		}
	}
	return exotic
}

// wideBreak returns the width of the NEL, LS or PS that text begins with, or 0.
func wideBreak(text []byte) int {
	switch r, width := utf8.DecodeRune(text); r {
	case '\u0085', '\u2028', '\u2029':
		return width
	}
	return 0
}

// offset returns where a node begins. Its column counts characters.
func (b *builder) offset(n *yamlv3.Node) int {
	if n.Line < 1 || n.Line > len(b.lines) {
		return len(b.text)
	}
	if b.ascii {
		return min(b.lines[n.Line-1]+n.Column-1, len(b.text))
	}
	p := b.last
	if p.line != n.Line || p.column > n.Column {
		p = position{n.Line, 1, b.lines[n.Line-1]}
	}
	for ; p.column < n.Column; p.column++ {
		_, width := utf8.DecodeRune(b.text[p.offset:])
		p.offset += width
	}
	b.last = p
	return p.offset
}

// position is a place in the text that is known; the next is often behind it.
type position struct{ line, column, offset int }

// endOfDocument returns the offset of the first "..." line after from.
func (b *builder) endOfDocument(from int) int {
	for at := from; ; {
		i := bytes.Index(b.text[at:], []byte("\n..."))
		if i < 0 {
			return len(b.text)
		}
		at += i + 1
		if isMarker(b.text[at:], "...") {
			return at
		}
	}
}

// place says where a value is expected.
type place struct {
	from   int // just past its colon or dash
	column int // of the key or dash it belongs to, -1 for the root
	limit  int // where the next thing begins
	up     *node
	flow   bool
}

// node returns the tree's node for a value.
func (b *builder) node(from *yamlv3.Node, p place) *node {
	outer := p
	n := &node{flow: p.flow, up: p.up}
	b.start(n, from, p)
	if from.Anchor != "" {
		n.anchor, b.anchors = true, true
		b.byNode[from] = n
	}
	p.up, p.from = n, n.start
	switch from.Kind {
	case yamlv3.MappingNode:
		n.kind = mapNode
		b.collection(n, from, p)
	case yamlv3.SequenceNode:
		n.kind = listNode
		b.collection(n, from, p)
	case yamlv3.AliasNode:
		n.kind = aliasNode
		n.end = endOfWord(b.text, n.start)
		if n.target = b.byNode[from.Alias]; n.target == nil {
			n.target = &node{fixed: true} // contains itself, which readers refuse
		}
		b.aliases = append(b.aliases, n)
	default:
		b.scalar(n, from, p)
	}
	if n.fixed && !outer.flow {
		n.end = lastContent(b.text, n.start, outer.limit)
	}
	return n
}

// start finds out where n begins, and its anchor and tag before it.
func (b *builder) start(n *node, from *yamlv3.Node, p place) {
	n.start = b.offset(from)
	if from.Kind == yamlv3.ScalarNode && from.Value == "" && from.Style == 0 && from.Anchor == "" {
		n.start = p.from // nothing is written at all
	}
	n.props = n.start
	for n.start < p.limit && (b.text[n.start] == '&' || b.text[n.start] == '!') {
		n.start = skipSpace(b.text, endOfWord(b.text, n.start), p.limit)
	}
	if n.start > n.props && from.Kind == yamlv3.ScalarNode && from.Value == "" && from.Style&^yamlv3.TaggedStyle == 0 {
		n.fixed = true // an anchor or tag on nothing
	}
}

func (b *builder) collection(n *node, from *yamlv3.Node, p place) {
	flow := from.Style&yamlv3.FlowStyle != 0
	n.flow = n.flow || flow
	switch {
	case flow:
		b.flow(n, from, p)
	case len(from.Content) == 0:
		n.fixed = true
	case n.kind == mapNode:
		b.blockMap(n, from, p)
	default:
		b.blockList(n, from, p)
	}
	if !n.fixed && !flow {
		n.end = n.members[len(n.members)-1].end()
	}
}

func (m *member) end() int { return max(m.node.end, m.colon) }

func (b *builder) blockMap(n *node, from *yamlv3.Node, p place) {
	first := b.offset(from.Content[0])
	column := columnOf(b.text, first)
	n.start = first
	b.indented(&b.step, first, p)
	n.members = make([]*member, 0, len(from.Content)/2)
	for i := 0; i+1 < len(from.Content); i += 2 {
		key, val := from.Content[i], from.Content[i+1]
		m := &member{start: b.offset(key), name: keyName(key), merge: isMerge(key)}
		limit := p.limit
		if i+2 < len(from.Content) {
			limit = lineStart(b.text, b.offset(from.Content[i+2]))
		}
		m.colon = b.colon(key, m.start)
		if m.colon < 0 || columnOf(b.text, m.start) != column {
			n.fixed = true
			m.colon = m.start
		}
		m.node = b.node(val, place{from: m.colon, column: column, limit: limit, up: n})
		n.members = append(n.members, m)
	}
}

func (b *builder) blockList(n *node, from *yamlv3.Node, p place) {
	column := columnOf(b.text, n.start)
	b.indented(&b.dash, n.start, p)
	n.members = make([]*member, len(from.Content))
	for i, item := range from.Content {
		m := &member{start: b.dashOf(item, column)}
		if m.start < 0 {
			n.fixed = true
			m.start = b.offset(item)
		}
		m.colon = m.start + 1
		n.members[i] = m
	}
	for i, m := range n.members {
		limit := p.limit
		if i+1 < len(n.members) {
			limit = lineStart(b.text, n.members[i+1].start)
		}
		m.node = b.node(from.Content[i], place{from: m.colon, column: column, limit: limit, up: n})
		if m.node.start > m.colon && m.node.start < nextLine(b.text, m.start) {
			b.gap.saw(m.node.start - m.start)
		}
	}
}

// indented counts the indentation of a block collection that hangs below the
// key of a map.
func (b *builder) indented(h *habit, first int, p place) {
	if p.up == nil || p.up.up == nil || p.up.up.kind != mapNode {
		return
	}
	h.saw(columnOf(b.text, first) - p.column)
}
