package sidecars

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Rule: a container or volume that has the name of one of ours and that the status annotation does not list is the
// user's: nothing is injected and every such name is in one error.
// Reads: names of containers (all three lists) and volumes.
// Adds: nothing.
// Golden: name-taken, volume-name-taken, name-of-two-entries, conflicts-together.
func (p *plan) checkNames() {
	for _, s := range p.sidecars {
		for i := range s.entry.containers {
			c := &s.entry.containers[i]
			at, there := p.pod.container(c.name)
			if there && c.when.holds(s.values) && (s.was == nil || !slices.Contains(s.was.Containers, c.name)) {
				p.fail(Conflict, duplicate(at.path().Child("name"), c.name, "is the name of a container of sidecar "+s.entry.Name))
			}
		}
		for i := range s.entry.volumes {
			if v := &s.entry.volumes[i]; v.when.holds(s.values) {
				p.checkVolumeName(s, v.name)
			}
		}
		if len(s.entry.files) > 0 {
			p.checkVolumeName(s, s.entry.filesVolume())
		}
	}
	p.checkNamesAmongUs()
	if i := p.volumeIndex(maskVolume); i >= 0 && !slices.Contains(p.old.Volumes, maskVolume) {
		p.fail(Conflict, duplicate(field.NewPath("spec", "volumes").Index(i).Child("name"), maskVolume, "is a name of Pillion's"))
	}
}

func (p *plan) checkVolumeName(s *sidecar, name string) {
	i := p.volumeIndex(name)
	if i >= 0 && (s.was == nil || !slices.Contains(s.was.Volumes, name)) {
		at := field.NewPath("spec", "volumes").Index(i).Child("name")
		p.fail(Conflict, duplicate(at, name, "is the name of a volume of sidecar "+s.entry.Name))
	}
}

func (p *plan) volumeIndex(name string) int {
	return slices.IndexFunc(p.pod.Spec.Volumes, func(v Volume) bool { return v.Name == name })
}

// duplicate is a field.Duplicate that says of what.
func duplicate(at *field.Path, v any, of string) *field.Error {
	e := field.Duplicate(at, v)
	e.Detail = of
	return e
}

// checkNamesAmongUs finds parts of two entries that have one name, such as those of entries a and a-b.
func (p *plan) checkNamesAmongUs() {
	for i, s := range p.sidecars {
		for _, other := range p.sidecars[:i] {
			if len(s.entry.Name) != len(other.entry.Name) && sharePrefix(s.entry.Name, other.entry.Name) {
				p.checkNamesOf(other, s)
			}
		}
	}
}

// sharePrefix reports whether one of two names starts with the other, without which no parts can have one name.
func sharePrefix(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) }

func (p *plan) checkNamesOf(a, b *sidecar) {
	both := func(kind, name string) {
		p.fail(Conflict, duplicate(p.req.injectPath(), name, "sidecars "+a.entry.Name+" and "+b.entry.Name+" both have a "+kind+" of this name"))
	}
	for i := range b.entry.containers {
		name := b.entry.containers[i].name
		if slices.ContainsFunc(a.entry.containers, func(c container) bool { return c.name == name }) {
			both("container", name)
		}
	}
	for _, name := range b.entry.volumeNames() {
		if slices.Contains(a.entry.volumeNames(), name) {
			both("volume", name)
		}
	}
}

// volumeNames lists the names of an entry's volumes, with that of its files.
func (e *Entry) volumeNames() []string {
	names := make([]string, 0, len(e.volumes)+1)
	for i := range e.volumes {
		names = append(names, e.volumes[i].name)
	}
	if len(e.files) > 0 {
		names = append(names, e.filesVolume())
	}
	return names
}
