package redirect

import (
	"net/netip"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Ports that are the helper's own in every Pod with a redirect.
const (
	// GatePort is where the gate listens on the loopback, and CanaryPort what it dials there: it gets through to itself if and
	// only if the table is in place. The canary is in every Phase, and needs no proxy and no route.
	GatePort   = 15099
	CanaryPort = 15098
)

// Phase is what the rules do at a time of the Pod's life.
type Phase string

// The phases.
const (
	// Active: traffic goes through the proxy. It is so from before the first container of the Pod on.
	Active Phase = "active"
	// Drain: the proxy has ended for good while others still work, and its profile says that they may go on without it.
	Drain Phase = "drain"
)

// Spec says what of a Pod's traffic goes through its proxy. The zero value of a port means that this traffic is left alone.
type Spec struct {
	// Inbound is the TCP port of the proxy for connections into the Pod.
	Inbound uint16 `json:"inbound,omitempty"`
	// Outbound is the TCP port of the proxy for connections out of the Pod. Those to the Pod itself stay direct.
	Outbound uint16 `json:"outbound,omitempty"`
	// DNS is the port of the proxy for DNS, over UDP and TCP.
	DNS uint16 `json:"dns,omitempty"`
	// InboundExcept and OutboundExcept are TCP ports that stay direct: N or N-M.
	InboundExcept  []Ports `json:"inboundExcept,omitempty"`
	OutboundExcept []Ports `json:"outboundExcept,omitempty"`
	// CIDRExcept are destinations out of the Pod that stay direct.
	CIDRExcept []netip.Prefix `json:"cidrExcept,omitempty"`
}

// Ports is a range of ports, both ends in it.
type Ports struct{ First, Last uint16 }

// String gives N or N-M.
func (p Ports) String() string {
	if p.First == p.Last {
		return strconv.Itoa(int(p.First))
	}
	return strconv.Itoa(int(p.First)) + "-" + strconv.Itoa(int(p.Last))
}

// MarshalText gives N or N-M.
func (p Ports) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads N or N-M.
func (p *Ports) UnmarshalText(text []byte) error {
	first, last, ranged := strings.Cut(string(text), "-")
	if !ranged {
		last = first
	}
	a, errA := strconv.ParseUint(first, 10, 16)
	b, errB := strconv.ParseUint(last, 10, 16)
	if errA != nil || errB != nil || a == 0 || b < a {
		return field.Invalid(nil, string(text), "want a port or a range of ports such as 9000-9010")
	}
	p.First, p.Last = uint16(a), uint16(b)
	return nil
}

// Validate finds all that is wrong with a Spec; path is where it stands.
func (s *Spec) Validate(path *field.Path) (errs field.ErrorList) {
	if s.Inbound == 0 && s.Outbound == 0 && s.DNS == 0 {
		errs = append(errs, field.Required(path, "want inbound, outbound or dns: a port of the proxy"))
	}
	taken := map[uint16]string{GatePort: "the gate", CanaryPort: "the gate"}
	for _, p := range []struct {
		name string
		port uint16
	}{{"inbound", s.Inbound}, {"outbound", s.Outbound}} {
		if who, ok := taken[p.port]; ok {
			errs = append(errs, field.Invalid(path.Child(p.name), int(p.port), "is the port of "+who))
		}
		if p.port != 0 {
			taken[p.port] = p.name
		}
	}
	const most = 64
	for name, n := range map[string]int{"inboundExcept": len(s.InboundExcept), "outboundExcept": len(s.OutboundExcept), "cidrExcept": len(s.CIDRExcept)} {
		if n > most {
			errs = append(errs, field.TooMany(path.Child(name), n, most))
		}
	}
	for i, c := range s.CIDRExcept {
		if !c.IsValid() || c.Masked() != c {
			errs = append(errs, field.Invalid(path.Child("cidrExcept").Index(i), c.String(), "want a network such as 10.0.0.0/8 with no bit set behind the prefix"))
		}
	}
	return errs
}

// Proxy tells the proxy's own traffic, which is never redirected, from all other. With no cgroup and no group there is none
// yet: what it sent would come back to it, so it has to be told before it runs.
type Proxy struct {
	// Cgroups are the ids (inode numbers) of the proxy container's cgroups of version 2, all at one Level below the root of
	// the host's hierarchy. An exec into the container belongs to them too, and nobody else can.
	Cgroups []uint64 `json:"cgroups,omitempty"`
	Level   uint32   `json:"level,omitempty"`
	// GID is the group of the proxy's process within the Pod, where there are no cgroups of version 2; 0 means none. An app
	// that runs with this group gets past the proxy.
	GID uint32 `json:"gid,omitempty"`
}
