package view

import (
	"fmt"
	"html"
	"slices"
	"strings"
)

// Measures of the picture, in pixels.
const (
	boxWidth   = 168
	boxHeight  = 92
	gap        = 20
	margin     = 24
	headHeight = 52
)

// SVG draws the Pod: a frame for the namespaces that all its containers share, which pause holds; in it a box for each
// container, and a frame around those that share their processes.
func (p *Pod) SVG() string {
	boxes := p.arranged()
	width := 2*margin + max(1, len(boxes))*(boxWidth+gap) + gap
	height := 3*margin + headHeight + boxHeight + 3*gap + ruleHeight(p)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height, width, height)
	b.WriteString(`<rect width="100%" height="100%" fill="#ffffff"/>` + "\n")
	title := fmt.Sprintf("Pod %s/%s %s", p.Namespace, p.Name, strings.Join(p.IPs, " "))
	text(&b, margin, margin+4, "15", "#1f2933", title)
	frame(&b, margin, margin+14, width-2*margin, headHeight+boxHeight+4*gap, "#3b6ea5", "none", "10")
	text(&b, margin+gap, margin+38, "12", "#3b6ea5", p.shared())
	top := margin + headHeight + gap
	p.drawProcesses(&b, boxes, top)
	for i, c := range boxes {
		c.draw(&b, margin+gap+i*(boxWidth+gap), top)
	}
	p.drawRules(&b, margin, 2*margin+headHeight+boxHeight+4*gap)
	b.WriteString("</svg>\n")
	return b.String()
}

// arranged gives the containers with those that share their processes side by side.
func (p *Pod) arranged() []*Container {
	var out []*Container
	for _, g := range p.Groups("pid") {
		for i := range p.Containers {
			if slices.Contains(g.Members, p.Containers[i].Name) {
				out = append(out, &p.Containers[i])
			}
		}
	}
	for i := range p.Containers {
		if !slices.Contains(out, &p.Containers[i]) {
			out = append(out, &p.Containers[i])
		}
	}
	return out
}

// shared words which namespaces all containers have in common.
func (p *Pod) shared() string {
	var kinds []string
	for _, kind := range Kinds {
		if groups := p.Groups(kind); len(groups) == 1 && len(groups[0].Members) == len(p.Containers) && len(p.Containers) > 1 && kind != "user" {
			kinds = append(kinds, fmt.Sprintf("%s %d", kind, groups[0].Inode))
		}
	}
	if len(kinds) == 0 {
		return "no namespace is shared by all"
	}
	return "shared by all: " + strings.Join(kinds, ", ")
}

// drawProcesses frames the containers that share a PID namespace, where not all do.
func (p *Pod) drawProcesses(b *strings.Builder, boxes []*Container, top int) {
	for _, g := range p.Groups("pid") {
		if len(g.Members) < 2 || len(g.Members) == len(boxes) {
			continue
		}
		first := slices.IndexFunc(boxes, func(c *Container) bool { return slices.Contains(g.Members, c.Name) })
		x := margin + gap + first*(boxWidth+gap) - gap/2
		frame(b, x, top-gap/2, len(g.Members)*(boxWidth+gap), boxHeight+gap+gap, "#b5651d", "none", "8")
		text(b, x+8, top+boxHeight+gap+4, "11", "#b5651d", fmt.Sprintf("one PID namespace, %d", g.Inode))
	}
}

func (c *Container) draw(b *strings.Builder, x, y int) {
	fill := "#e8f0e4"
	switch {
	case c.Name == Pause:
		fill = "#eceff1"
	case c.Sidecar != "":
		fill = "#fdf0dc"
	}
	frame(b, x, y, boxWidth, boxHeight, "#52606d", fill, "6")
	text(b, x+10, y+20, "13", "#1f2933", short(c.Name, 22))
	second := fmt.Sprintf("process %d", c.PID)
	if c.Sidecar != "" {
		second += ", " + short(c.Sidecar+" "+c.Revision, 24)
	}
	text(b, x+10, y+38, "10", "#52606d", second)
	text(b, x+10, y+54, "10", "#52606d", fmt.Sprintf("pid %d  mnt %d", c.Namespaces["pid"], c.Namespaces["mnt"]))
	text(b, x+10, y+70, "10", "#52606d", fmt.Sprintf("%s of memory", size(c.Usage.Memory)))
	if c.Joins != "" {
		text(b, x+10, y+84, "10", "#b5651d", "in the processes of "+short(c.Joins, 18))
	}
}

func ruleHeight(p *Pod) int {
	lines := len(p.Findings)
	if p.Redirect != nil {
		lines += len(p.Redirect.Rules) + 1
	}
	return lines * 16
}

func (p *Pod) drawRules(b *strings.Builder, x, y int) {
	if p.Redirect != nil {
		text(b, x, y, "12", "#3b6ea5", "traffic, "+p.Phase)
		for _, r := range p.Redirect.Rules {
			y += 16
			to := "direct"
			if r.To != 0 {
				to = fmt.Sprintf("to port %d", r.To)
			}
			text(b, x+10, y, "11", "#1f2933", fmt.Sprintf("%s, %s: %s (%d)", r.Chain, r.Name, to, r.Packets))
		}
		y += 16
	}
	for _, f := range p.Findings {
		text(b, x, y, "12", "#c0392b", f)
		y += 16
	}
}

func frame(b *strings.Builder, x, y, w, h int, stroke, fill, radius string) {
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="%d" height="%d" rx="%s" fill="%s" stroke="%s" stroke-width="1.5"/>`+"\n", x, y, w, h, radius, fill, stroke)
}

func text(b *strings.Builder, x, y int, size, colour, s string) {
	fmt.Fprintf(b, `<text x="%d" y="%d" font-size="%s" fill="%s">%s</text>`+"\n", x, y, size, colour, html.EscapeString(s))
}

func short(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}
