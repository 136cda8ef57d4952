package sidecars

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"gomodules.xyz/jsonpatch/v2"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// patch writes the plan as operations. Laws: only "add"; a list or map that is missing is added once, whole; every path
// is made of fixed words, indexes and our own names, never of a string from the Pod; ours go before the volume and mounts
// of the API server's token, which it appends itself where the Pod comes from a file; containers come last, because they
// move the indexes of others.
// Golden: patch-*.
func (p *plan) patch() []jsonpatch.Operation {
	w := &patchWriter{plan: p, ops: make([]jsonpatch.Operation, 0, 8+len(p.annotations)+len(p.volumes)+len(p.mounts)+len(p.containers))}
	w.metadata()
	if p.shareProcessNamespace {
		w.add("/spec/shareProcessNamespace", []byte("true"))
	}
	if p.gracePeriod != nil {
		w.add("/spec/terminationGracePeriodSeconds", strconv.AppendInt(nil, *p.gracePeriod, 10))
	}
	w.members("/spec/resources/requests", p.pod.Spec.Resources.Requests.present, p.requests)
	w.volumes()
	p.pod.all(func(c containerPlace) {
		w.mounts(c)
		w.env(c)
	})
	w.containers()
	return w.ops
}

type patchWriter struct {
	plan *plan
	ops  []jsonpatch.Operation
}

func (w *patchWriter) add(path string, value []byte) {
	w.ops = append(w.ops, jsonpatch.Operation{Operation: "add", Path: path, Value: json.RawMessage(value)})
}

func (w *patchWriter) metadata() {
	meta := &w.plan.pod.Metadata
	injected := []addition{{v1alpha1.LabelInjected, []byte(`"true"`)}}
	if !meta.present {
		annotations, labels := object(w.plan.annotations), object(injected)
		w.add("/metadata", slices.Concat([]byte(`{"labels":`), labels, []byte(`,"annotations":`), annotations, []byte(`}`)))
		return
	}
	if meta.Labels.Ours[v1alpha1.LabelInjected] == "true" {
		injected = nil
	}
	w.members("/metadata/labels", meta.Labels.Present, injected)
	w.members("/metadata/annotations", meta.Annotations.Present, w.plan.annotations)
}

// members adds to a map, or the map where there is none.
func (w *patchWriter) members(path string, present bool, list []addition) {
	switch {
	case len(list) == 0:
	case !present:
		w.add(path, object(list))
	default:
		for _, a := range list {
			w.add(path+"/"+strings.ReplaceAll(strings.ReplaceAll(a.name, "~", "~0"), "/", "~1"), a.json)
		}
	}
}

func object(list []addition) []byte {
	dst := []byte{'{'}
	for i, a := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(jsonString(dst, a.name), ':'), a.json...)
	}
	return append(dst, '}')
}

// list adds to a list before the element at an index (or at its end), or the list where there is none.
func (w *patchWriter) list(path string, present bool, before int, items [][]byte) {
	switch {
	case len(items) == 0:
	case !present:
		w.add(path, w.plan.json(func(dst []byte) []byte {
			dst = append(dst, '[')
			for i, it := range items {
				if i > 0 {
					dst = append(dst, ',')
				}
				dst = append(dst, it...)
			}
			return append(dst, ']')
		}))
	default:
		for i, it := range items {
			at := "-"
			if before >= 0 {
				at = strconv.Itoa(before + i)
			}
			w.add(path+"/"+at, it)
		}
	}
}

func (w *patchWriter) volumes() {
	had := w.plan.pod.Spec.Volumes
	items := make([][]byte, len(w.plan.volumes))
	for i := range items {
		items[i] = w.plan.volumes[i].json
	}
	token := slices.IndexFunc(had, func(v Volume) bool { return bool(v.Projected) && strings.HasPrefix(v.Name, tokenVolumePrefix) })
	w.list("/spec/volumes", had != nil, token, items)
}

func (w *patchWriter) mounts(c containerPlace) {
	var items [][]byte
	for i := range w.plan.mounts {
		if m := &w.plan.mounts[i]; m.to.ctr == c.ctr {
			items = append(items, w.plan.json(m.json))
		}
	}
	if items == nil {
		return
	}
	token := slices.IndexFunc(c.ctr.VolumeMounts, func(m Mount) bool {
		return m.MountPath == tokenPath && strings.HasPrefix(m.Name, tokenVolumePrefix)
	})
	w.list(c.pointer()+"/volumeMounts", c.ctr.VolumeMounts != nil, token, items)
}

func (w *patchWriter) env(c containerPlace) {
	var items [][]byte
	for i := range w.plan.env {
		if e := &w.plan.env[i]; e.to.ctr == c.ctr {
			items = append(items, e.json)
		}
	}
	if items == nil {
		return
	}
	w.list(c.pointer()+"/env", c.ctr.Env != nil && c.ctr.Env.Kind() == '[', -1, items)
}

func (at containerPlace) pointer() string { return "/spec/" + at.list + "/" + strconv.Itoa(at.index) }

func (w *patchWriter) containers() {
	slots := w.plan.slots()
	w.containersOf("initContainers", w.plan.pod.Spec.InitContainers != nil, slots)
	w.containersOf("containers", w.plan.pod.Spec.Containers != nil, slots)
}

func (w *patchWriter) containersOf(list string, present bool, slots []slot) {
	path := "/spec/" + list
	var whole [][]byte
	for i := range slots {
		switch s := &slots[i]; {
		case s.list != list:
		case present:
			w.list(path, true, s.index, [][]byte{s.add.json})
		default:
			whole = append(whole, s.add.json)
		}
	}
	w.list(path, false, -1, whole)
}

// AppendPatch appends the operations as a JSON Patch document. It writes their values as they are, which must be
// json.RawMessage, and their paths unescaped: both hold for the operations that Inject gives.
func AppendPatch(dst []byte, ops []jsonpatch.Operation) []byte {
	dst = append(dst, '[')
	for i := range ops {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, `{"op":"`...), ops[i].Operation...), `","path":"`...)
		dst = append(append(dst, ops[i].Path...), `","value":`...)
		value, _ := ops[i].Value.(json.RawMessage)
		dst = append(append(dst, value...), '}')
	}
	return append(dst, ']')
}
