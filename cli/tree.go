package cli

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// tokenVolume starts the names of the volumes that the API server gives a Pod for its service-account token.
const tokenVolume = "kube-api-access-"

// PrintTree prints a Pod or pod template as a tree of containers, their mounts and environment, and volumes. Before and
// after are its JSON; what only after has is marked with + and, with colour, green. Before may be empty. The token volumes
// of the API server are left out.
func PrintTree(w io.Writer, before, after []byte, colour bool) error {
	return printTree(w, before, after, colour, "  ")
}

func printTree(w io.Writer, before, after []byte, colour bool, indent string) error {
	v, err := viewPod(before, after)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	for _, n := range v.tree() {
		n.print(out, indent, indent, colour)
	}
	return out.Flush()
}

// node is a line of a tree, with the lines below it.
type node struct {
	text string
	// note is less important than text.
	note  string
	added bool
	below []node
}

// tree gives the lines at the top.
func (v *podView) tree() []node {
	var top []node
	for i := range v.containers {
		top = append(top, v.containers[i].node())
	}
	volumes := node{text: "volumes"}
	for _, vol := range v.volumes {
		if !strings.HasPrefix(vol.name, tokenVolume) {
			volumes.below = append(volumes.below, node{text: vol.name, note: vol.kind, added: vol.added})
		}
	}
	if len(volumes.below) > 0 {
		top = append(top, volumes)
	}
	if v.grace != v.graceWas {
		top = append(top, node{text: fmt.Sprintf("grace period %d s", v.grace), note: fmt.Sprintf("was %d s", v.graceWas), added: true})
	}
	if v.shared {
		top = append(top, node{text: "containers share one process namespace", added: true})
	}
	return top
}

func (c *containerView) node() node {
	n := node{text: c.name, note: c.role + ", " + c.image, added: c.added}
	for _, m := range c.mounts {
		if strings.HasPrefix(m.volume, tokenVolume) {
			continue
		}
		text := m.path + " from " + m.volume
		n.below = append(n.below, node{text: "mount " + text, note: m.detail, added: m.added})
	}
	var had []string
	for _, e := range c.env {
		if e.added {
			n.below = append(n.below, node{text: "env " + e.name + "=" + cut(e.value, 60), added: true})
			continue
		}
		had = append(had, e.name)
	}
	if len(had) > 0 {
		n.below = append(n.below, node{text: "env " + cut(strings.Join(had, ", "), 60)})
	}
	return n
}

// cut shortens a text to n characters.
func cut(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

// print writes the line and those below it. First is what stands before this line, rest before those below.
func (n *node) print(w io.Writer, first, rest string, colour bool) {
	mark, code := "  ", ""
	if n.added {
		mark, code = "+ ", green
	}
	text := strings.ReplaceAll(printable(n.text), "\n", " ")
	line := paint(colour, code, mark+text)
	if n.note != "" {
		line += paint(colour, faint, "  "+strings.ReplaceAll(printable(n.note), "\n", " "))
	}
	fmt.Fprintln(w, paint(colour, faint, first)+line)
	for i := range n.below {
		branch, more := "  ├─ ", "  │  "
		if i == len(n.below)-1 {
			branch, more = "  └─ ", "     "
		}
		n.below[i].print(w, rest+branch, rest+more, colour)
	}
}
