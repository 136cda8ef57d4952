package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// imageOf gives the image of an entry's container, with its holes.
func imageOf(c *v1alpha1.Container) string {
	var image string
	_ = json.Unmarshal(c.Body["image"], &image)
	return image
}

// whenText words a condition, to follow what it is for.
func whenText(when v1alpha1.When) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(when)) {
		var values []string
		for _, v := range when[name] {
			switch v {
			case "*":
				v = "set"
			case "":
				v = "not set"
			}
			values = append(values, v)
		}
		words = append(words, name+" is "+strings.Join(values, " or "))
	}
	if len(words) == 0 {
		return ""
	}
	return ", where " + strings.Join(words, " and ")
}

// amongText words which app containers are meant, to follow "app containers".
func amongText(names v1alpha1.Values) string {
	if len(names) == 0 || slices.Contains(names, "*") {
		return ""
	}
	return " " + strings.Join(names, ", ")
}

// volumeText words a volume and who else mounts it.
func volumeText(v *v1alpha1.Volume) string {
	out := fmt.Sprintf("volume %s, %s", v.Name, viewVolume(v.Body).kind)
	for _, s := range v.Share {
		var whose []string
		if len(s.Containers) > 0 {
			whose = append(whose, "app containers"+amongText(s.Containers))
		}
		if len(s.Sidecars) > 0 {
			whose = append(whose, "sidecars "+strings.Join(s.Sidecars, ", "))
		}
		out += fmt.Sprintf(", shared with %s at %s", strings.Join(whose, " and "), s.MountPath)
		if s.ReadOnly {
			out += " read-only"
		}
		out += whenText(s.When)
	}
	return out + whenText(v.When)
}

// parameter tells what a parameter is and which values it takes.
func (t *sidecarText) parameter(name string, p *v1alpha1.Parameter) {
	t.line("  %s%s.%s\t<%s>%s", v1alpha1.Prefix, t.Name, t.head(name), typeText(p), requiredText(p))
	if p.Description != "" {
		t.line("%s", wrap(printable(p.Description), "    "))
	}
	for _, b := range boundsOf(p) {
		t.line("%s", wrap(printable(b), "    "))
	}
	if p.Items != nil {
		writeFields(t.out, p.Items)
	}
	t.line("")
}

func writeFields(w io.Writer, items *v1alpha1.Items) {
	for _, name := range slices.Sorted(maps.Keys(items.Fields)) {
		f := v1alpha1.Parameter{Bounds: items.Fields[name]}
		words := append([]string{f.Description}, boundsOf(&f)...)
		text := fmt.Sprintf("%s <%s>%s %s", name, typeText(&f), requiredText(&f), strings.Join(words, " "))
		fmt.Fprintln(w, wrap(printable(text), "      "))
	}
}

func requiredText(p *v1alpha1.Parameter) string {
	if p.Required {
		return " -required-"
	}
	return ""
}

func typeText(p *v1alpha1.Parameter) string {
	switch {
	case p.Type != v1alpha1.TypeList:
		return string(p.Type)
	case p.Items == nil:
		return "list of string"
	case len(p.Items.Fields) > 0:
		return "list of field=value,...; items separated by semicolons"
	}
	return "list of " + string(p.Items.Type)
}

// boundsOf words the default and the bounds of a parameter.
func boundsOf(p *v1alpha1.Parameter) []string {
	var out []string
	word := func(name, value string) {
		if value != "" {
			out = append(out, name+": "+value)
		}
	}
	if p.Default != nil {
		word("default", p.Default.Text+strings.Join(p.Default.List, ","))
	}
	if p.Example != nil {
		word("example", p.Example.Text+strings.Join(p.Example.List, ","))
	}
	word("one of", strings.Join(p.Enum, ", "))
	word("minimum", p.Minimum)
	word("maximum", p.Maximum)
	word("pattern", p.Pattern)
	word("schemes", strings.Join(p.Schemes, ", "))
	if p.MaxLength > 0 {
		word("at most", fmt.Sprintf("%d bytes", p.MaxLength))
	}
	return out
}

// wrap breaks a text into lines of at most 80 characters with an indent.
func wrap(text, indent string) string {
	const width = 80
	var out strings.Builder
	n := 0
	for _, word := range strings.Fields(text) {
		switch {
		case n == 0:
			out.WriteString(indent)
			n = len(indent)
		case n+1+len(word) > width:
			out.WriteString("\n" + indent)
			n = len(indent)
		default:
			out.WriteByte(' ')
			n++
		}
		out.WriteString(word)
		n += len(word)
	}
	return out.String()
}
