package confd

import (
	"fmt"
	"strings"
)

// FunctionReference documents the functions as Markdown.
func FunctionReference() string {
	var b strings.Builder
	b.WriteString("## Functions of templates\n\n" +
		"Templates are Go's [text/template](https://pkg.go.dev/text/template), with these functions besides its own.\n")
	table := func(title, intro string, functions []Function) {
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n| function | call | result |\n|---|---|---|\n", title, intro)
		for _, f := range functions {
			fmt.Fprintf(&b, "| `%s` | `{{ %s }}` | %s |\n", f.Name, strings.ReplaceAll(f.Usage, "|", `\|`), f.Does)
		}
	}
	all, m := Functions(nil, &Machine{}, nil), &Machine{}
	stored, upstream := len(storeFunctions(nil)), len(upstreamFunctions(m))
	table("Keys and values", "They see the keys that the template resource names, without its prefix.", all[:stored])
	table("Texts, numbers and the machine", "Those of kelseyhightower/confd.", all[stored:stored+upstream])
	table("Of later versions", "Those that abtreece/confd added.", all[stored+upstream:])
	fmt.Fprintf(&b, "\n### Not supported\n\n`%s` read values that crypt encrypted. A template that calls one, or a function that is not "+
		"listed, is refused with its file and line.\n", strings.Join(crypt, "`, `"))
	return b.String()
}
