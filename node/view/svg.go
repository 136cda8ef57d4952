package view

import (
	"fmt"
	"html"
	"strings"
)

// Colours of the picture.
const (
	ink     = "#1a202c"
	grey    = "#4a5568"
	paper   = "#ffffff"
	line    = "#cbd5e0"
	blue    = "#2b6cb0"
	sky     = "#f4f8fd"
	green   = "#2f855a"
	amber   = "#b7651b"
	cream   = "#fff8ec"
	slate   = "#718096"
	red     = "#c53030"
	rose    = "#fff5f5"
	meadow  = "#f0fff4"
	barGrey = "#e2e8f0"
)

// canvas is a picture while it is drawn.
type canvas struct{ b strings.Builder }

// box is a rectangle.
type box struct {
	x, y, w, h, radius int
	fill, stroke       string
	dashed             bool
}

func (c *canvas) box(o box) {
	dash := ""
	if o.dashed {
		dash = ` stroke-dasharray="6 4"`
	}
	fmt.Fprintf(&c.b, `<rect x="%d" y="%d" width="%d" height="%d" rx="%d" fill="%s" stroke="%s" stroke-width="1.5"%s/>`+"\n", o.x, o.y, o.w, o.h, o.radius, o.fill, o.stroke, dash)
}

// lid is a filled rectangle whose upper corners alone are round.
func (c *canvas) lid(x, y, w, h, radius int, fill string) {
	fmt.Fprintf(&c.b, `<path d="M%d %d v-%d q0 -%d %d -%d h%d q%d 0 %d %d v%d z" fill="%s"/>`+"\n",
		x, y+h, h-radius, radius, radius, radius, w-2*radius, radius, radius, radius, h-radius, fill)
}

// arrow points to the right.
func (c *canvas) arrow(x, y int, colour string) {
	fmt.Fprintf(&c.b, `<path d="M%d %d h14 m-5 -4 l5 4 l-5 4" fill="none" stroke="%s" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round"/>`+"\n", x, y-4, colour)
}

// text writes at a base line.
func (c *canvas) text(x, y, size int, colour, s string) { c.words(x, y, size, colour, "", s) }

func (c *canvas) bold(x, y, size int, colour, s string) {
	c.words(x, y, size, colour, ` font-weight="600"`, s)
}

// ending writes so that it ends at x.
func (c *canvas) ending(x, y, size int, colour, s string) {
	c.words(x, y, size, colour, ` text-anchor="end"`, s)
}

func (c *canvas) words(x, y, size int, colour, how, s string) {
	fmt.Fprintf(&c.b, `<text x="%d" y="%d" font-size="%d" fill="%s"%s>%s</text>`+"\n", x, y, size, colour, how, html.EscapeString(s))
}

func short(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}
