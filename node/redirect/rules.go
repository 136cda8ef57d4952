package redirect

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"github.com/google/nftables/expr"
)

// chain is where rules stand: the nat hook of what comes in or goes out.
type chain string

// The chains.
const (
	inbound  chain = "inbound"
	outbound chain = "outbound"
)

// rule is one rule. Its name is shown as its comment.
type rule struct {
	chain chain
	name  string
	match []expr.Any
	// to is the port to redirect to; 0 leaves what matches alone.
	to uint16
}

// Table is all rules of one Pod.
type Table struct {
	rules []rule
	// Hash names the content: two tables with one hash are the same.
	Hash string
}

// NewTable makes the table of a Spec. The order of rules is their meaning: the first that matches decides.
//
// Connections are redirected by their first packet alone. Those that are there already when the rules come, which the kernel
// would otherwise take for new ones, go on as they are.
func NewTable(s *Spec, p *Proxy, phase Phase) *Table {
	rules := canary()
	if phase == Active {
		rules = append(rules, s.in()...)
		rules = append(rules, s.out(p)...)
	}
	return &Table{rules: rules, Hash: hash(s, p, phase)}
}

// canary proves to the gate that the table is there.
func canary() []rule {
	return []rule{
		{outbound, "canary", slices.Concat(daddr(loopback4), tcp(), dport(Ports{CanaryPort, CanaryPort})), GatePort},
		{outbound, "canary", slices.Concat(daddr(loopback6), tcp(), dport(Ports{CanaryPort, CanaryPort})), GatePort},
	}
}

func (s *Spec) in() (out []rule) {
	if s.Inbound == 0 {
		return nil
	}
	for _, p := range s.InboundExcept {
		out = append(out, rule{inbound, "except " + p.String(), slices.Concat(tcp(), dport(p)), 0})
	}
	return append(out, rule{inbound, "to the proxy", slices.Concat(tcp(), first()), s.Inbound})
}

func (s *Spec) out(p *Proxy) (out []rule) {
	if s.Outbound == 0 && s.DNS == 0 {
		return nil
	}
	for _, id := range p.Cgroups {
		out = append(out, rule{outbound, "by the proxy", cgroup(id, p.Level), 0})
	}
	if p.GID != 0 {
		out = append(out, rule{outbound, "by the proxy's group", gid(p.GID), 0})
	}
	name, dns, to := "to the proxy", s.DNS, s.Outbound
	if len(p.Cgroups) == 0 && p.GID == 0 {
		// As long as the proxy's own connections cannot be told they would come back to it, again and again. Nobody listens here.
		name, dns, to = "the proxy is not known yet", GatePort, GatePort
	}
	if s.DNS != 0 {
		// Before what is local: a resolver of the node may have an address of the Pod's own loopback.
		out = append(out, rule{outbound, "DNS", slices.Concat(udp(), dport(Ports{53, 53})), dns},
			rule{outbound, "DNS", slices.Concat(tcp(), dport(Ports{53, 53}), first()), dns})
	}
	out = append(out, rule{outbound, "to the Pod itself", local(), 0})
	if s.Outbound == 0 {
		return out
	}
	for _, p := range s.OutboundExcept {
		out = append(out, rule{outbound, "except " + p.String(), slices.Concat(tcp(), dport(p)), 0})
	}
	for _, c := range s.CIDRExcept {
		out = append(out, rule{outbound, "except " + c.String(), daddr(c), 0})
	}
	return append(out, rule{outbound, name, slices.Concat(tcp(), first()), to})
}

// version is part of every hash: raise it where the rules of one Spec become others.
const version = 2

func hash(s *Spec, p *Proxy, phase Phase) string {
	text, err := json.Marshal([]any{version, s, p, phase})
	if err != nil {
		panic(err) // plain data
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}
