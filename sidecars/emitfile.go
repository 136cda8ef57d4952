package sidecars

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// file compiles a file's content to the inside of a JSON string.
func (c *compiler) file(at *field.Path, f *v1alpha1.File) template {
	ctx := fileContext(f)
	var t template
	switch f.Format {
	case v1alpha1.FormatLines:
		t = c.lines(at.Child("lines"), f.Lines, ctx)
	case v1alpha1.FormatYAML, v1alpha1.FormatJSON, v1alpha1.FormatTOML:
		if f.Data == nil {
			c.errs = append(c.errs, field.Required(at.Child("data"), "a "+string(f.Format)+" file needs data"))
			return nil
		}
		t = c.data(at.Child("data"), f, ctx)
	default:
		c.errs = append(c.errs, field.NotSupported(at.Child("format"), f.Format, []string{"yaml", "json", "toml", "lines"}))
	}
	return t.inString().joined()
}

func (c *compiler) data(at *field.Path, f *v1alpha1.File, ctx context) template {
	tree, _ := c.tree(at, []byte(jsonText(f.Data))).(map[string]any)
	nodes := c.members(at, tree)
	switch f.Format {
	case v1alpha1.FormatYAML:
		return c.collection(nodes, group{empty: "{}\n"}, c.yamlMember("", ctx))
	case v1alpha1.FormatTOML:
		return c.toml(nodes, "", ctx)
	}
	return append(c.json(at, tree, ctx), ready("\n"))
}

func (c *compiler) lines(at *field.Path, lines []v1alpha1.Line, ctx context) template {
	var t template
	for i := range lines {
		l := &lines[i]
		n := node{at: at.Index(i), each: -1, when: c.when(at.Index(i).Child("when"), l.When)}
		if l.Each != "" {
			n.each = c.each(at.Index(i).Child("each"), l.Each)
		}
		if strings.ContainsAny(l.Line, "\n\r") {
			c.bad(n.at, l.Line, "a line holds no line break")
		}
		t = append(t, c.collection([]node{n}, group{}, func(n *node) template {
			return append(c.text(n.at.Child("line"), l.Line, ctx), ready("\n"))
		})...)
	}
	if len(lines) == 0 {
		c.errs = append(c.errs, field.Required(at, fmt.Sprintf("a %s file needs lines", v1alpha1.FormatLines)))
	}
	return t
}
