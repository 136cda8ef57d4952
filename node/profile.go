package node

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/node/redirect"
)

// Profile is what one revision of an entry asks of the node helper, checked.
type Profile struct {
	// Redirect is nil where traffic is left alone.
	Redirect *redirect.Spec
	// GroupID is the proxy's group, on nodes without cgroups of version 2; 0 where the entry names none.
	GroupID uint32
	// DirectAfterProxy lets traffic go direct once the proxy has ended.
	DirectAfterProxy bool
	// Joins: the entry's first container is put into another one's PID namespace.
	Joins bool
	// Cgroup is nil where cgroups are left alone.
	Cgroup *v1alpha1.NodeCgroup
}

// ParseProfile reads a profile: a [v1alpha1.Node] as JSON. It trusts it no more than a Pod, as to what it may ask.
func ParseProfile(text []byte) (*Profile, error) {
	var n v1alpha1.Node
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&n); err != nil {
		return nil, fmt.Errorf("read profile: %w", err)
	}
	p := &Profile{Joins: n.JoinPIDNamespaceOf != "", Cgroup: n.Cgroup}
	if errs := checkCgroup(n.Cgroup, field.NewPath("cgroup")); len(errs) > 0 {
		return nil, errs.ToAggregate()
	}
	if n.Redirect == nil {
		return p, nil
	}
	var errs field.ErrorList
	at := field.NewPath("redirect")
	p.Redirect, errs = specOf(n.Redirect, at)
	if errs = append(errs, p.Redirect.Validate(at)...); len(errs) > 0 {
		return nil, errs.ToAggregate()
	}
	if n.Redirect.GroupID < 0 || n.Redirect.GroupID > 1<<31-1 {
		return nil, field.Invalid(at.Child("groupID"), n.Redirect.GroupID, "must be between 0 and 2147483647")
	}
	p.GroupID, p.DirectAfterProxy = uint32(n.Redirect.GroupID), n.Redirect.DirectAfterProxy
	return p, nil
}

// checkCgroup holds values to their bounds. A larger one could keep a container from starting.
func checkCgroup(c *v1alpha1.NodeCgroup, at *field.Path) (errs field.ErrorList) {
	if c == nil {
		return nil
	}
	for _, f := range []struct {
		name     string
		is, most int64
	}{{"cpuWeight", c.CPUWeight, 10000}, {"memoryHighPercent", c.MemoryHighPercent, 99}, {"cpuBurstPercent", c.CPUBurstPercent, 100},
		{"ioWeight", c.IOWeight, 10000}, {"oomScoreAdjust", c.OOMScoreAdjust, 1000}} {
		if f.is < 0 || f.is > f.most {
			errs = append(errs, field.Invalid(at.Child(f.name), f.is, fmt.Sprintf("must be between 0 and %d", f.most)))
		}
	}
	return errs
}

func specOf(r *v1alpha1.NodeRedirect, at *field.Path) (*redirect.Spec, field.ErrorList) {
	var errs field.ErrorList
	port := func(name string, n int64) uint16 {
		if n < 0 || n > 65535 {
			errs = append(errs, field.Invalid(at.Child(name), n, "must be between 0 and 65535"))
			return 0
		}
		return uint16(n)
	}
	ranges := func(name string, list []string) (out []redirect.Ports) {
		for i, text := range list {
			var p redirect.Ports
			if err := p.UnmarshalText([]byte(text)); err != nil {
				errs = append(errs, field.Invalid(at.Child(name).Index(i), text, "want a port or a range of ports such as 9000-9010"))
			}
			out = append(out, p)
		}
		return out
	}
	s := &redirect.Spec{Inbound: port("inbound", r.Inbound), Outbound: port("outbound", r.Outbound), DNS: port("dns", r.DNS),
		InboundExcept: ranges("inboundExcept", r.InboundExcept), OutboundExcept: ranges("outboundExcept", r.OutboundExcept)}
	for i, text := range r.CIDRExcept {
		c, err := netip.ParsePrefix(text)
		if err != nil {
			errs = append(errs, field.Invalid(at.Child("cidrExcept").Index(i), text, "want a network such as 10.0.0.0/8"))
			continue
		}
		s.CIDRExcept = append(s.CIDRExcept, c)
	}
	return s, errs
}

// ErrNoProfile says that no profile of that name and revision is on the node, at least not yet.
var ErrNoProfile = errors.New("the node does not know the profile yet")
