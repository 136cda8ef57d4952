package sidecars

import (
	"strconv"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Rule: all containers of a Pod share one network namespace, so a port that one of ours declares must not be declared by
// another container.
// Reads: ports of containers.
// Adds: nothing.
// Golden: port-taken, port-free, port-with-condition, port-of-native-sidecar, port-of-two-entries.
func (p *plan) checkPorts() {
	taken := p.declaredPorts()
	for _, s := range p.sidecars {
		for _, c := range s.missing {
			for i := range c.ports {
				if c.ports[i].when.holds(s.values) {
					taken = append(taken, p.checkPort(taken, s, c, &c.ports[i]))
				}
			}
		}
	}
}

// takenPort is a declared port with its owner, and its place in the Pod or the sidecar that brings it.
type takenPort struct {
	number          int32
	protocol, owner string
	at              containerPlace
	index           int
	by              *sidecar
	template        template
}

func (t *takenPort) path(p *plan) *field.Path {
	if t.by != nil {
		return p.settingPath(t.by, t.template)
	}
	return t.at.path().Child("ports").Index(t.index).Child("containerPort")
}

func (p *plan) declaredPorts() []takenPort {
	out := make([]takenPort, 0, 4)
	p.pod.all(func(c containerPlace) {
		if c.list == "initContainers" && c.ctr.RestartPolicy != "Always" {
			return
		}
		for i, port := range c.ctr.Ports {
			if port.Protocol == "" {
				port.Protocol = "TCP"
			}
			out = append(out, takenPort{number: port.ContainerPort, protocol: port.Protocol, owner: c.ctr.Name, at: c, index: i})
		}
	})
	return out
}

func (p *plan) checkPort(taken []takenPort, s *sidecar, c *container, port *port) takenPort {
	n, err := strconv.ParseInt(port.number.text(s.values), 10, 32)
	if err != nil {
		p.fail(BadParameter, field.Invalid(p.settingPath(s, port.number), port.number.text(s.values), "is no port for container "+c.name))
	}
	mine := takenPort{number: int32(n), protocol: port.protocol, owner: c.name, by: s, template: port.number}
	for _, t := range taken {
		if t.number != mine.number || t.protocol != mine.protocol {
			continue
		}
		p.fail(Conflict, duplicate(t.path(p), mine.number, "containers "+t.owner+" and "+c.name+" would listen on one port"))
	}
	return mine
}
