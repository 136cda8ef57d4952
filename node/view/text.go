package view

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Text gives a page for people.
func (p *Pod) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Pod %s/%s  %s\n", p.Namespace, p.Name, strings.Join(p.IPs, " "))
	fmt.Fprintf(&b, "uid %s, sandbox %.12s\n\n", p.UID, p.Sandbox)
	p.textNamespaces(&b)
	p.textContainers(&b)
	p.textRules(&b)
	if len(p.Findings) == 0 {
		b.WriteString("\nAll is as the catalog asks for.\n")
		return b.String()
	}
	b.WriteString("\nNot as the catalog asks for:\n")
	for _, f := range p.Findings {
		fmt.Fprintf(&b, "  - %s\n", f)
	}
	return b.String()
}

func (p *Pod) textNamespaces(b *strings.Builder) {
	b.WriteString("Namespaces\n")
	for _, kind := range Kinds {
		groups := p.Groups(kind)
		for i, g := range groups {
			lead, branch := "", "├─"
			if i == 0 {
				lead = kind
			}
			if i == len(groups)-1 {
				branch = "└─"
			}
			fmt.Fprintf(b, "  %-7s%s %d  %s\n", lead, branch, g.Inode, strings.Join(g.Members, ", "))
		}
	}
}

func (p *Pod) textContainers(b *strings.Builder) {
	b.WriteString("\nContainers\n")
	for i := range p.Containers {
		c := &p.Containers[i]
		who := "the app's"
		switch {
		case c.Sidecar != "":
			who = "sidecar " + c.Sidecar + " " + c.Revision
		case c.Name == Pause:
			who = "holds the Pod's namespaces"
		}
		fmt.Fprintf(b, "  %s  process %d, %s\n", c.Name, c.PID, who)
		for _, path := range slices.Compact(slices.Sorted(maps.Values(c.Cgroups))) {
			fmt.Fprintf(b, "    cgroup  %s\n", path)
		}
		if len(c.Limits) > 0 {
			var limits []string
			for _, name := range slices.Sorted(maps.Keys(c.Limits)) {
				limits = append(limits, name+" "+c.Limits[name])
			}
			fmt.Fprintf(b, "    limits  %s\n", strings.Join(limits, ", "))
		}
		fmt.Fprintf(b, "    used    CPU %s (throttled %s), memory %s (%s anonymous), %d killed for want of memory\n",
			c.Usage.CPU.Round(time.Millisecond), c.Usage.Throttled.Round(time.Millisecond), size(c.Usage.Memory), size(c.Usage.Anonymous), c.Usage.OOMKills)
	}
}

func (p *Pod) textRules(b *strings.Builder) {
	if p.Redirect == nil {
		return
	}
	fmt.Fprintf(b, "\nTraffic  (rules %s, %s)\n", p.Redirect.Hash, p.Phase)
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, r := range p.Redirect.Rules {
		to := "direct"
		if r.To != 0 {
			to = fmt.Sprintf("to port %d", r.To)
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%d connections\n", r.Chain, r.Name, to, r.Packets)
	}
	_ = w.Flush()
}

// size words a number of bytes.
func size(n uint64) string {
	const unit = 1024
	if n < unit*unit {
		return fmt.Sprintf("%d KiB", n/unit)
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/unit/unit)
}
