package sidecars

import (
	"encoding/json"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// Rule: the status annotation lists what is ours, so that a later run, or `pillion uninject`, knows it; the label says
// that the Pod is injected. What an earlier run added stays listed.
// Reads: metadata.annotations[pillion.dev/status].
// Adds: metadata.annotations[pillion.dev/status], metadata.labels[pillion.dev/injected].
// Golden: run-again-another-entry, run-again-new-container, listed-but-absent.
func (p *plan) setStatus() {
	st := &p.status
	st.Version = v1alpha1.StatusVersion
	for _, s := range p.sidecars {
		st.Sidecars = append(st.Sidecars, s.record())
	}
	for _, was := range p.old.Sidecars {
		if p.sidecar(was.Name) == nil {
			st.Sidecars = append(st.Sidecars, was)
		}
	}
	st.Volumes = union(p.old.Volumes, st.Volumes)
	st.SafeToEvict = union(p.old.SafeToEvict, st.SafeToEvict)
	st.ShareProcessNamespace = p.old.ShareProcessNamespace || p.shareProcessNamespace
	if p.old.GracePeriodWas != nil {
		st.GracePeriodWas = p.old.GracePeriodWas
	}
	p.recordApp()
	if p.empty() {
		return
	}
	p.annotations = append(p.annotations, addition{v1alpha1.AnnotationStatus, p.json(func(dst []byte) []byte {
		b, err := json.Marshal(st)
		if err != nil {
			return append(dst, `""`...)
		}
		dst, _ = jsontext.AppendQuote(dst, b) // fails on bad UTF-8 only, which Marshal does not write
		return dst
	})})
}

// record joins what was and what is now; the revision is that of the first injection, unless everything is added anew.
func (s *sidecar) record() v1alpha1.InjectedSidecar {
	if s.was == nil {
		return s.now
	}
	now := *s.was
	now.Containers = union(s.was.Containers, s.now.Containers)
	now.Volumes = union(s.was.Volumes, s.now.Volumes)
	now.Files = union(s.was.Files, s.now.Files)
	if len(s.now.Containers) == len(now.Containers) {
		now.Revision = s.entry.Revision
	}
	return now
}

func union(a, b []string) []string {
	out := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func (p *plan) recordApp() {
	app := slices.Clone(p.old.App)
	record := func(name string) *v1alpha1.InjectedInto {
		i := slices.IndexFunc(app, func(in v1alpha1.InjectedInto) bool { return in.Container == name })
		if i < 0 {
			app = append(app, v1alpha1.InjectedInto{Container: name})
			i = len(app) - 1
		}
		return &app[i]
	}
	for i := range p.mounts {
		in := record(p.mounts[i].to.ctr.Name)
		in.Mounts = union(in.Mounts, []string{p.mounts[i].MountPath})
	}
	for i := range p.env {
		in := record(p.env[i].to.ctr.Name)
		in.Env = union(in.Env, []string{p.env[i].name})
	}
	p.status.App = app
}
