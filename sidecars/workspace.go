package sidecars

import "slices"

// Workspace is memory that one injection leaves to the next, for a host that answers many Pods. The zero value is ready.
// It serves one injection at a time, and keeps at most about MaxPatch bytes.
type Workspace struct {
	json   []byte
	values []value
}

// besides is room for what an entry gets beside its own text, in bytes: mounts, values, its part of the status.
const besides = 768

// buffer is empty and has room for what these entries come to.
func (w *Workspace) buffer(entries []*Entry) []byte {
	size := 0
	for _, e := range entries {
		size += e.size + besides
	}
	return slices.Grow(w.json[:0], size)
}

func (w *Workspace) keep(p *plan) {
	if cap(p.buf) <= MaxPatch {
		w.json = p.buf
	}
}

// defaults gives the values of an entry none of whose parameters is set.
func (w *Workspace) defaults(e *Entry) []value {
	start := len(w.values)
	w.values = e.appendDefaults(w.values)
	return w.values[start:len(w.values):len(w.values)]
}
