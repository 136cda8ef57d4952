package main

import (
	"fmt"
	"strings"

	"github.com/pillion-dev/pillion/doctor"
)

// findingReference documents what `pillion doctor` looks at and may find.
func findingReference() string {
	var b strings.Builder
	b.WriteString(note + "# Findings of `pillion doctor`\n\nA code keeps its meaning for life. How to run it, and how to read what it says: [doctor](../doctor.md).\n")
	group := ""
	for _, c := range doctor.Checks() {
		if c.Group != group {
			group = c.Group
			fmt.Fprintf(&b, "\n## %s\n", group)
		}
		fmt.Fprintf(&b, "\n### `%s`: %s\n\n| code | | what | why it matters |\n|---|---|---|---|\n", c.Name, c.Title)
		for _, code := range c.Codes {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", code.ID, code.Severity, code.Title, code.Why)
		}
	}
	return b.String()
}
