package sidecars

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// Rule: what an entry asks of the node helper is written into the status annotation by name: the helper knows the values
// from the catalog, by entry and revision, so that nobody who writes a Pod chooses them. Where the cluster has no helper, an
// entry that cannot do without is refused.
// Reads: metadata.annotations[required-plugins.noderesource.dev…].
// Adds: metadata.annotations[required-plugins.noderesource.dev/pod], where the runtime checks it.
// Golden: node-redirect, node-join, node-cgroup, node-plugins-refused, node-plugins-alone.
func (p *plan) askNode() {
	needed := false
	for _, s := range p.sidecars {
		if len(s.missing) == 0 {
			needed = needed || s.was != nil && s.was.Node != nil
			continue
		}
		asks := v1alpha1.InjectedNode{Redirect: p.redirects(s), Join: p.joins(s), Cgroup: s.entry.Spec.Node != nil && s.entry.Spec.Node.Cgroup != nil && !p.helper().Absent}
		if asks != (v1alpha1.InjectedNode{}) {
			s.now.Node, needed = &asks, true
		}
	}
	if needed {
		p.requirePlugin()
	}
}

// requirePlugin has the runtime check that the helper is there. What a Pod's author says of that would overrule it.
func (p *plan) requirePlugin() {
	want, plugins := `["`+p.helper().RequiredPlugin+`"]`, p.pod.Metadata.Annotations.Plugins
	for _, key := range sortedKeys(plugins) {
		if key != v1alpha1.AnnotationRequiredPlugins || plugins[key] != want || p.helper().RequiredPlugin == "" {
			p.fail(Conflict, field.Forbidden(field.NewPath("metadata", "annotations").Key(shown(key)), "is Pillion's on a Pod that needs the node helper"))
		}
	}
	p.status.RequiredPlugin = p.old.RequiredPlugin
	if p.helper().RequiredPlugin == "" || len(plugins) > 0 || len(p.errs) > 0 {
		return
	}
	p.status.RequiredPlugin = true
	p.annotations = append(p.annotations, addition{v1alpha1.AnnotationRequiredPlugins, p.json(func(dst []byte) []byte { return jsonString(dst, want) })})
}

func (p *plan) helper() Helper { return p.req.helper }

// nodeAsks is what a compiled entry asks of the node helper.
type nodeAsks struct {
	redirect condition
	join     template
}

// The ports of the gate, as in package node/redirect.
const firstGatePort, lastGatePort = 15098, 15099

func (c *compiler) nodeHelper(at *field.Path, n *v1alpha1.Node) {
	if n == nil {
		return
	}
	if n.Redirect != nil {
		c.nodeRedirect(at.Child("redirect"), n.Redirect)
	}
	if n.JoinPIDNamespaceOf != "" {
		c.entry.asks.join = c.text(at.Child("joinPIDNamespaceOf"), n.JoinPIDNamespaceOf, context{})
		if len(c.entry.containers) == 0 || c.entry.containers[0].place != v1alpha1.PlacementRegular {
			c.bad(at.Child("joinPIDNamespaceOf"), n.JoinPIDNamespaceOf, "only a container of placement regular starts after the one that it joins")
		}
	}
	switch n.WithoutHelper {
	case "", v1alpha1.WithoutHelperRefused, v1alpha1.WithoutHelperShare:
	default:
		c.errs = append(c.errs, field.NotSupported(at.Child("withoutHelper"), n.WithoutHelper, []string{"refused", "shareProcessNamespace"}))
	}
	if n.Cgroup != nil {
		c.nodeCgroup(at.Child("cgroup"), n.Cgroup)
	}
}

func (c *compiler) nodeRedirect(at *field.Path, r *v1alpha1.NodeRedirect) {
	c.entry.asks.redirect = c.when(at.Child("when"), r.When)
	if r.Inbound == 0 && r.Outbound == 0 && r.DNS == 0 {
		c.errs = append(c.errs, field.Required(at, "want inbound, outbound or dns: a port of the proxy"))
	}
	for name, port := range map[string]int64{"inbound": r.Inbound, "outbound": r.Outbound, "dns": r.DNS} {
		switch {
		case port < 0 || port > 65535:
			c.bad(at.Child(name), port, "must be between 0 and 65535")
		case port == firstGatePort || port == lastGatePort:
			c.bad(at.Child(name), port, "is the gate's port")
		}
	}
	if r.Inbound != 0 && r.Inbound == r.Outbound {
		c.bad(at.Child("outbound"), r.Outbound, "is the port for inbound connections")
	}
	c.exceptions(at, r)
	c.gated(at)
}

// exceptions checks what stays direct, and what tells the proxy.
func (c *compiler) exceptions(at *field.Path, r *v1alpha1.NodeRedirect) {
	for name, list := range map[string][]string{"inboundExcept": r.InboundExcept, "outboundExcept": r.OutboundExcept} {
		for i, text := range list {
			if !isPortRange(text) {
				c.bad(at.Child(name).Index(i), text, "want a port or a range of ports such as 9000-9010")
			}
		}
	}
	for i, text := range r.CIDRExcept {
		if p, err := netip.ParsePrefix(text); err != nil || p.Masked() != p {
			c.bad(at.Child("cidrExcept").Index(i), text, "want a network such as 10.0.0.0/8, with no bit set behind the prefix")
		}
	}
	if r.GroupID < 0 || r.GroupID > 1<<31-1 {
		c.bad(at.Child("groupID"), r.GroupID, "must be between 0 and 2147483647")
	}
}

// gated checks that the proxy starts before all that it serves, and that something proves the redirect before that.
func (c *compiler) gated(at *field.Path) {
	first, gate := false, false
	for i := range c.entry.containers {
		ctr := &c.entry.containers[i]
		first = first || i == 0 && !ctr.toCompletion && ctr.place == v1alpha1.PlacementBeforeInit
		gate = gate || ctr.place == v1alpha1.PlacementFirst
	}
	if !first {
		c.bad(at, c.entry.Name, "the entry's first container, the proxy, must be a native sidecar before the app's init containers")
	}
	if !gate {
		c.errs = append(c.errs, field.Required(field.NewPath("spec", "initContainers"), "a redirect needs an init container of placement first that ends well only where the redirect is in place: pillion-node gate"))
	}
}

func isPortRange(text string) bool {
	first, last, ranged := strings.Cut(text, "-")
	if !ranged {
		last = first
	}
	a, errA := strconv.ParseUint(first, 10, 16)
	b, errB := strconv.ParseUint(last, 10, 16)
	return errA == nil && errB == nil && a > 0 && b >= a
}

func (c *compiler) nodeCgroup(at *field.Path, g *v1alpha1.NodeCgroup) {
	if *g == (v1alpha1.NodeCgroup{}) {
		c.errs = append(c.errs, field.Required(at, "want at least one value"))
	}
	for _, v := range []struct {
		name            string
		value, min, max int64
	}{{"cpuWeight", g.CPUWeight, 1, 10000}, {"memoryHighPercent", g.MemoryHighPercent, 50, 99}, {"cpuBurstPercent", g.CPUBurstPercent, 1, 100},
		{"ioWeight", g.IOWeight, 1, 10000}, {"oomScoreAdjust", g.OOMScoreAdjust, 1, 1000}} {
		if v.value != 0 && (v.value < v.min || v.value > v.max) {
			c.bad(at.Child(v.name), v.value, fmt.Sprintf("must be between %d and %d, or 0", v.min, v.max))
		}
	}
}
