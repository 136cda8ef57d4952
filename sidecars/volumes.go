package sidecars

import "slices"

// Rule: an entry's volume is added where no volume of the app is joined in its place.
// Reads: names of volumes.
// Adds: spec.volumes.
// Golden: shared-volume.
func (p *plan) addVolumes() {
	for _, s := range p.sidecars {
		for i := range s.entry.volumes {
			v := &s.entry.volumes[i]
			if !s.joined[i].own || !p.wants(s, v.name) {
				continue
			}
			p.addVolume(s, v.name, p.json(func(dst []byte) []byte { return v.body.fill(dst, s.values, nil) }))
		}
	}
}

// wants reports whether a volume of the entry is to be added: not where it is there, and, for an entry that was injected
// before, only where it was then or something that is added mounts it.
func (p *plan) wants(s *sidecar, name string) bool {
	if p.volumeIndex(name) >= 0 {
		return false
	}
	return len(s.missing) > 0 || s.was == nil || slices.Contains(s.was.Volumes, name) ||
		slices.ContainsFunc(p.mounts, func(m mountAddition) bool { return m.Name == name })
}

func (p *plan) addVolume(s *sidecar, name string, json []byte) {
	p.volumes = append(p.volumes, addition{name, json})
	s.now.Volumes = append(s.now.Volumes, name)
}
