package sidecars

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// Rule: a config file is carried by the Pod itself, as an annotation that a downwardAPI volume shows to the entry's
// containers: no ConfigMap has to exist, and the Pod's history shows what it ran with.
// Reads: nothing.
// Adds: metadata.annotations[pillion.dev/file.<entry>.<file>], spec.volumes.
// Golden: files, files-forged, file-formats.
func (p *plan) addFiles() {
	for _, s := range p.sidecars {
		name := s.entry.filesVolume()
		if !slices.ContainsFunc(s.entry.files, func(f file) bool { return f.when.holds(s.values) }) || !p.wants(s, name) {
			continue
		}
		for i := range s.entry.files {
			f := &s.entry.files[i]
			if !f.when.holds(s.values) {
				continue
			}
			content := p.json(func(dst []byte) []byte {
				return append(f.content.fill(append(dst, '"'), s.values, nil), '"')
			})
			p.annotations = append(p.annotations, addition{f.annotation, content})
			s.now.Files = append(s.now.Files, f.name)
		}
		p.addVolume(s, name, p.json(func(dst []byte) []byte { return filesVolumeJSON(dst, s) }))
	}
}

func filesVolumeJSON(dst []byte, s *sidecar) []byte {
	dst = append(dst, `{"name":"`+s.entry.filesVolume()+`","downwardAPI":{"items":[`...)
	sep := ""
	for i := range s.entry.files {
		f := &s.entry.files[i]
		if !f.when.holds(s.values) {
			continue
		}
		dst = append(dst, sep...)
		dst = append(dst, `{"path":"`+f.name+`","fieldRef":{"apiVersion":"v1","fieldPath":"metadata.annotations['`+f.annotation+`']"}}`...)
		sep = ","
	}
	return append(dst, `]}}`...)
}

// fileMounts lists the mounts of an entry's files in one of its containers.
func (s *sidecar) fileMounts(c *container) []Mount {
	var out []Mount
	for i := range s.entry.files {
		f := &s.entry.files[i]
		if f.when.holds(s.values) && (f.containers == nil || slices.Contains(f.containers, c.name)) {
			out = append(out, Mount{Name: s.entry.filesVolume(), MountPath: f.mountPath, SubPath: f.name, ReadOnly: true})
		}
	}
	return out
}

// jsonString appends s as a JSON string.
func jsonString(dst []byte, s string) []byte {
	out, err := jsontext.AppendQuote(dst, s)
	if err != nil { // not UTF-8, which no value is
		return append(append(append(dst, '"'), escapeJSON(s)...), '"')
	}
	return out
}
