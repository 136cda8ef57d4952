package view

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Measures of the picture, in pixels.
const (
	margin     = 28
	pad        = 22
	gap        = 26
	cardWidth  = 224
	cardHeight = 138
	lidHeight  = 28
	podTop     = 74
	cardTop    = podTop + 84
	pauseTop   = cardTop + cardHeight + 34
	pauseSize  = 46
	podBottom  = pauseTop + pauseSize + pad
	rowHeight  = 22
	leastCards = 3
)

// SVG draws the Pod: a frame for the namespaces that all its containers share, with pause below, which holds them; in it a card
// for each container, and a dashed frame around those that share their processes. Below are the rules that its traffic meets,
// and what is not as it should be.
func (p *Pod) SVG() string {
	c := new(canvas)
	cards := p.arranged()
	across := max(leastCards, len(cards))
	width := 2*margin + 2*pad + across*cardWidth + (across-1)*gap
	c.bold(margin, margin+14, 20, ink, short("Pod "+p.Namespace+"/"+p.Name, 60))
	c.text(margin, margin+34, 12, grey, strings.Join(p.IPs, " · "))
	c.box(box{x: margin, y: podTop, w: width - 2*margin, h: podBottom - podTop, radius: 14, fill: sky, stroke: blue})
	c.text(margin+pad, podTop+28, 13, blue, p.shared())
	p.drawProcesses(c, cards)
	for i, ctr := range cards {
		ctr.draw(c, margin+pad+i*(cardWidth+gap))
	}
	p.drawPause(c, margin+pad, width-2*margin-2*pad)
	y := p.drawRules(c, podBottom+gap, width-2*margin)
	height := p.drawVerdict(c, y, width-2*margin) + margin
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" role="img" width="%d" height="%d" viewBox="0 0 %d %d" font-family="Inter, 'Segoe UI', Helvetica, Arial, sans-serif">`+"\n", width, height, width, height) +
		fmt.Sprintf(`<rect width="%d" height="%d" fill="%s"/>`+"\n", width, height, paper) + c.b.String() + "</svg>\n"
}

// arranged gives the containers but pause, with those that share their processes side by side.
func (p *Pod) arranged() []*Container {
	var out []*Container
	add := func(wanted func(*Container) bool) {
		for i := range p.Containers {
			if ctr := &p.Containers[i]; ctr.Name != Pause && wanted(ctr) && !slices.Contains(out, ctr) {
				out = append(out, ctr)
			}
		}
	}
	for _, g := range p.Groups("pid") {
		add(func(ctr *Container) bool { return slices.Contains(g.Members, ctr.Name) })
	}
	add(func(*Container) bool { return true })
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
	return "namespaces shared by all: " + strings.Join(kinds, " · ")
}

// drawProcesses frames the containers that share a PID namespace, where not all do.
func (p *Pod) drawProcesses(c *canvas, cards []*Container) {
	for _, g := range p.Groups("pid") {
		if len(g.Members) < 2 || len(g.Members) == len(p.Containers) {
			continue
		}
		first := slices.IndexFunc(cards, func(ctr *Container) bool { return slices.Contains(g.Members, ctr.Name) })
		const around = 11
		x, w := margin+pad+first*(cardWidth+gap)-around, len(g.Members)*(cardWidth+gap)-gap+2*around
		c.box(box{x: x, y: cardTop - 30, w: w, h: cardHeight + 30 + around, radius: 10, fill: cream, stroke: amber, dashed: true})
		c.text(x+around, cardTop-11, 12, amber, fmt.Sprintf("one PID namespace, %d", g.Inode))
	}
}

// draw draws the card of a container.
func (ctr *Container) draw(c *canvas, x int) {
	colour, who := green, "app"
	if ctr.Sidecar != "" {
		colour, who = amber, fmt.Sprintf("sidecar %s · %.8s", short(ctr.Sidecar, 18), ctr.Revision)
	}
	c.box(box{x: x, y: cardTop, w: cardWidth, h: cardHeight, radius: 7, fill: paper, stroke: colour})
	c.lid(x, cardTop, cardWidth, lidHeight, 7, colour)
	c.bold(x+12, cardTop+19, 14, paper, short(ctr.Name, 22))
	y := cardTop + lidHeight + 18
	c.text(x+12, y, 11, ink, who)
	if ctr.Joins != "" {
		c.text(x+12, y+15, 11, amber, "in the processes of "+short(ctr.Joins, 14))
	}
	ctr.drawMemory(c, x+12, y+33)
	c.text(x+12, y+62, 11, grey, fmt.Sprintf("CPU %s, throttled %s", ctr.Usage.CPU.Round(10*time.Millisecond), ctr.Usage.Throttled.Round(10*time.Millisecond)))
	if n := ctr.Usage.OOMKills; n > 0 {
		c.text(x+12, y+78, 11, red, fmt.Sprintf("%d killed for want of memory", n))
		return
	}
	c.text(x+12, y+78, 10, slate, fmt.Sprintf("process %d · pid %d", ctr.PID, ctr.Namespaces["pid"]))
}

// drawMemory shows how much of its memory limit a container uses.
func (ctr *Container) drawMemory(c *canvas, x, y int) {
	const whole = cardWidth - 24
	limit, err := strconv.ParseUint(cmp.Or(ctr.Limits["memory.max"], ctr.Limits["memory.limit_in_bytes"]), 10, 64)
	if err != nil || limit == 0 {
		c.text(x, y, 11, grey, size(ctr.Usage.Memory)+" of memory, no limit")
		return
	}
	c.text(x, y, 11, grey, size(ctr.Usage.Memory)+" of "+size(limit)+" of memory")
	part := int(float64(whole) * min(1, float64(ctr.Usage.Memory)/float64(limit)))
	colour := blue
	if part > whole*9/10 {
		colour = red
	}
	c.box(box{x: x, y: y + 6, w: whole, h: 6, radius: 3, fill: barGrey, stroke: "none"})
	c.box(box{x: x, y: y + 6, w: max(part, 3), h: 6, radius: 3, fill: colour, stroke: "none"})
}

// drawPause draws what holds the namespaces, below all containers.
func (p *Pod) drawPause(c *canvas, x, w int) {
	at := slices.IndexFunc(p.Containers, func(ctr Container) bool { return ctr.Name == Pause })
	if at < 0 {
		c.box(box{x: x, y: pauseTop, w: w, h: pauseSize, radius: 7, fill: paper, stroke: line, dashed: true})
		c.text(x+14, pauseTop+28, 12, grey, "the runtime holds the namespaces, with no process of its own")
		return
	}
	pause := &p.Containers[at]
	c.box(box{x: x, y: pauseTop, w: w, h: pauseSize, radius: 7, fill: slate, stroke: slate})
	c.bold(x+14, pauseTop+28, 14, paper, Pause)
	c.text(x+76, pauseTop+28, 12, paper, fmt.Sprintf("process %d holds the namespaces that all share", pause.PID))
}

// drawRules lists what becomes of the Pod's traffic, and gives where it ends.
func (p *Pod) drawRules(c *canvas, y, w int) int {
	if p.Redirect == nil {
		return y
	}
	height := 40 + len(p.Redirect.Rules)*rowHeight
	c.box(box{x: margin, y: y, w: w, h: height, radius: 10, fill: paper, stroke: line})
	c.bold(margin+pad, y+24, 13, blue, "Traffic")
	c.text(margin+pad+60, y+24, 12, grey, "rules "+p.Redirect.Hash+", "+p.Phase)
	for i, r := range p.Redirect.Rules {
		at := y + 24 + (i+1)*rowHeight
		to, colour := "direct", slate
		if r.To != 0 {
			to, colour = fmt.Sprintf("to port %d", r.To), amber
		}
		c.text(margin+pad, at, 12, grey, r.Chain)
		c.text(margin+pad+80, at, 12, ink, r.Name)
		c.arrow(margin+pad+300, at, colour)
		c.text(margin+pad+326, at, 12, colour, to)
		c.ending(margin+w-pad, at, 12, grey, fmt.Sprintf("%d connections", r.Packets))
	}
	return y + height + gap/2
}

// drawVerdict says what is not as it should be, and gives where it ends.
func (p *Pod) drawVerdict(c *canvas, y, w int) int {
	lines, colour, fill := p.Findings, red, rose
	if len(lines) == 0 {
		lines, colour, fill = []string{"All is as the catalog asks for."}, green, meadow
	}
	height := 16 + len(lines)*rowHeight
	c.box(box{x: margin, y: y, w: w, h: height, radius: 10, fill: fill, stroke: colour})
	for i, text := range lines {
		c.text(margin+pad, y+23+i*rowHeight, 12, colour, short(text, (w-2*pad)/7))
	}
	return y + height
}
