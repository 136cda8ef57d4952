package manifest

import (
	"slices"

	yamlv3 "go.yaml.in/yaml/v3"
)

// indexOf returns where in its Content n has the value a token names, or -1.
// Of a key that is there twice, through a merge, the last one counts.
func indexOf(n *yamlv3.Node, token string) int {
	switch n.Kind {
	case yamlv3.MappingNode:
		for i := len(n.Content) - 2; i >= 0; i -= 2 {
			if key := n.Content[i]; !isMerge(key) && keyName(key) == token {
				return i + 1
			}
		}
	case yamlv3.SequenceNode:
		if i, err := listIndex(token, len(n.Content)-1, -1); err == nil {
			return i
		}
	}
	return -1
}

// open prepares n for a change in it, so that no other place changes: an alias
// becomes a copy, aliases of n become copies of n, and merges are written out.
func (e *nodeEditor) open(n *yamlv3.Node) {
	if n.Kind == yamlv3.AliasNode {
		replaceNode(n, n.Alias)
		return
	}
	if n.Anchor != "" {
		e.copyAliases(n)
	}
	writeOutMerges(n)
}

// release prepares n to be replaced or removed.
func (e *nodeEditor) release(n *yamlv3.Node) {
	if n.Anchor != "" {
		e.copyAliases(n)
	}
	for _, child := range n.Content {
		e.release(child)
	}
}

// copyAliases replaces all aliases of n by copies.
func (e *nodeEditor) copyAliases(n *yamlv3.Node) {
	refers := func(alias *yamlv3.Node) bool { return alias.Kind == yamlv3.AliasNode && alias.Alias == n }
	var walk func(*yamlv3.Node)
	walk = func(parent *yamlv3.Node) {
		for i, child := range parent.Content {
			if parent.Kind == yamlv3.MappingNode && i%2 == 0 && isMerge(child) {
				value := parent.Content[i+1]
				if refers(value) || slices.ContainsFunc(value.Content, refers) {
					writeOutMerges(parent)
					walk(parent)
					return
				}
			}
		}
		for _, child := range parent.Content {
			if refers(child) {
				replaceNode(child, n)
			}
			walk(child)
		}
	}
	walk(&e.doc)
	n.Anchor = ""
}

// replaceNode makes n a copy of from, which keeps the comments of n.
func replaceNode(n, from *yamlv3.Node) {
	fresh := copyNode(from)
	fresh.HeadComment, fresh.LineComment, fresh.FootComment = n.HeadComment, n.LineComment, n.FootComment
	*n = *fresh
}

// copyNode copies n without anchors, aliases and comments.
func copyNode(n *yamlv3.Node) *yamlv3.Node {
	if n.Kind == yamlv3.AliasNode {
		return copyNode(n.Alias)
	}
	fresh := *n
	fresh.Anchor, fresh.HeadComment, fresh.LineComment, fresh.FootComment = "", "", "", ""
	fresh.Content = make([]*yamlv3.Node, len(n.Content))
	for i, child := range n.Content {
		fresh.Content[i] = copyNode(child)
	}
	return &fresh
}

// writeOutMerges replaces the merge keys of a map by what they stand for. As
// in the reader, what comes later overrides what comes earlier.
func writeOutMerges(n *yamlv3.Node) {
	if n.Kind != yamlv3.MappingNode || !slices.ContainsFunc(n.Content, isMerge) {
		return
	}
	from := n.Content
	n.Content = nil
	for i := 0; i+1 < len(from); i += 2 {
		key, value := from[i], from[i+1]
		if !isMerge(key) {
			setKey(n, key, value)
			continue
		}
		for _, source := range mergeSources(value) {
			source = copyNode(source)
			writeOutMerges(source)
			for j := 0; j+1 < len(source.Content); j += 2 {
				setKey(n, source.Content[j], source.Content[j+1])
			}
		}
	}
}

// mergeSources returns the maps that a merge key takes, the strongest last.
func mergeSources(value *yamlv3.Node) []*yamlv3.Node {
	if value.Kind != yamlv3.SequenceNode {
		return []*yamlv3.Node{value}
	}
	sources := slices.Clone(value.Content)
	slices.Reverse(sources)
	return sources
}

func setKey(n, key, value *yamlv3.Node) {
	if i := indexOf(n, keyName(key)); i >= 0 {
		n.Content[i] = value
		return
	}
	n.Content = append(n.Content, key, value)
}

// spellOut changes block scalars and empty nulls below n, which the encoder may
// get wrong, to what is always right.
func spellOut(n *yamlv3.Node) {
	if n.Kind == yamlv3.ScalarNode {
		switch tagged := n.Style & yamlv3.TaggedStyle; {
		case n.Style&(yamlv3.FoldedStyle|yamlv3.LiteralStyle) != 0:
			n.Style = tagged | yamlv3.DoubleQuotedStyle
		case n.Style == 0 && n.Value == "":
			n.Value = "null"
		}
	}
	for _, child := range n.Content {
		spellOut(child)
	}
}

// settleComments moves line comments from keys to values that are now on the
// same line; the encoder would put the value below them.
func settleComments(n *yamlv3.Node) {
	for i, child := range n.Content {
		settleComments(child)
		if n.Kind != yamlv3.MappingNode || i%2 == 0 || len(child.Content) > 0 {
			continue
		}
		if key := n.Content[i-1]; key.LineComment != "" {
			child.LineComment, key.LineComment = key.LineComment, ""
		}
		if child.Kind != yamlv3.ScalarNode && child.Kind != yamlv3.AliasNode {
			child.Style |= yamlv3.FlowStyle
		}
	}
}

// yaml returns a node that is encoded as v.
func (v *value) yaml() *yamlv3.Node {
	n := &yamlv3.Node{Kind: yamlv3.ScalarNode}
	switch v.kind {
	case mapNode:
		n.Kind = yamlv3.MappingNode
		for i, item := range v.items {
			n.Content = append(n.Content, (&value{scalar: v.names[i]}).yaml(), item.yaml())
		}
		return n
	case listNode:
		n.Kind = yamlv3.SequenceNode
		for _, item := range v.items {
			n.Content = append(n.Content, item.yaml())
		}
		return n
	}
	text, ok := v.scalar.(string)
	switch {
	case !ok:
		n.Value = string(appendPlain(nil, v.scalar))
		return n
	case isLiteral(text):
		n.Style = yamlv3.LiteralStyle
	case !isPlain(text, true):
		n.Style = yamlv3.DoubleQuotedStyle
	}
	n.Tag, n.Value = "!!str", text
	return n
}
