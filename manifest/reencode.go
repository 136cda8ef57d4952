package manifest

import (
	"bytes"
	"fmt"

	yamlv3 "go.yaml.in/yaml/v3"
	"gomodules.xyz/jsonpatch/v2"
)

// reencode applies operations to the YAML nodes of a document and encodes them.
// Comments and the order of keys are kept, as well as separators. What the
// encoder may get wrong is kept only if it need not be safe.
func reencode(text []byte, ops []jsonpatch.Operation, st style, safe bool) ([]byte, error) {
	start, end := contentSpan(text)
	var e nodeEditor
	body := bytes.ReplaceAll(text[start:end], []byte("\r\n"), []byte("\n"))
	if err := yamlv3.Unmarshal(body, &e.doc); err != nil {
		return nil, yamlProblem(err)
	}
	for _, op := range ops {
		c, err := parseChange(op)
		if err == nil {
			err = e.apply(c)
		}
		if err != nil {
			return nil, err
		}
	}
	if safe {
		spellOut(&e.doc)
	}
	settleComments(&e.doc)
	var out bytes.Buffer
	enc := yamlv3.NewEncoder(&out)
	enc.SetIndent(max(st.step, 2))
	if st.dash == 0 {
		enc.CompactSeqIndent()
	}
	if err := enc.Encode(&e.doc); err != nil {
		return nil, yamlProblem(err)
	}
	if err := enc.Close(); err != nil {
		return nil, yamlProblem(err)
	}
	encoded := bytes.ReplaceAll(out.Bytes(), []byte("\n"), []byte(st.eol))
	if start > 0 && text[start-1] != '\n' { // content on the line of "---"
		encoded = append([]byte(st.eol), encoded...)
	}
	return bytes.Join([][]byte{text[:start], encoded, text[end:]}, nil), nil
}

// contentSpan returns what is between the separators of a document.
func contentSpan(text []byte) (start, end int) {
	at := skipSpace(text, 0, len(text))
	for at < len(text) && text[at] == '%' {
		at = skipSpace(text, nextLine(text, at), len(text))
	}
	if at == lineStart(text, at) && isMarker(text[at:], "---") {
		start = at + 3
		if next := nextLine(text, at); isBlankOrComment(text[start:next]) {
			start = next
		}
	}
	end = len(text)
	for line := start; line < len(text); line = nextLine(text, line) {
		if line == lineStart(text, line) && isMarker(text[line:], "...") {
			return start, line
		}
	}
	return start, end
}

// nodeEditor changes the nodes of a document.
type nodeEditor struct{ doc yamlv3.Node }

func (e *nodeEditor) apply(c change) error {
	if len(c.path) == 0 {
		e.doc.Content = []*yamlv3.Node{c.value.yaml()}
		return nil
	}
	if len(e.doc.Content) == 0 {
		return errEmpty
	}
	n := e.doc.Content[0]
	last := len(c.path) - 1
	for _, token := range c.path[:last] {
		e.open(n)
		i := indexOf(n, token)
		if i < 0 {
			return fmt.Errorf("%s has no %q", c.op, token)
		}
		n = n.Content[i]
	}
	e.open(n)
	return e.change(n, c, c.path[last])
}

// change applies the last step of c's path.
func (e *nodeEditor) change(n *yamlv3.Node, c change, token string) error {
	if n.Kind == yamlv3.SequenceNode && c.op == opAdd {
		i, err := listIndex(token, len(n.Content), len(n.Content))
		if err != nil {
			return err
		}
		if len(n.Content) == 0 {
			n.Style &^= yamlv3.FlowStyle
		}
		n.Content = append(n.Content[:i:i], append([]*yamlv3.Node{c.value.yaml()}, n.Content[i:]...)...)
		return nil
	}
	i := indexOf(n, token)
	if i < 0 && c.op == opRemove {
		return fmt.Errorf("remove: no %q", token)
	}
	if i < 0 {
		if len(n.Content) == 0 {
			n.Style &^= yamlv3.FlowStyle
		}
		n.Content = append(n.Content, (&value{scalar: token}).yaml(), c.value.yaml())
		return nil
	}
	e.release(n.Content[i])
	if c.op != opRemove {
		fresh := c.value.yaml()
		fresh.LineComment = n.Content[i].LineComment
		n.Content[i] = fresh
		return nil
	}
	from := i
	if n.Kind == yamlv3.MappingNode {
		from = i - 1
	}
	n.Content = append(n.Content[:from:from], n.Content[i+1:]...)
	return nil
}
