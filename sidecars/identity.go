package sidecars

import (
	"encoding/json"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// Rule: a container with our name that the status annotation lists is ours, at any revision and however others changed it
// since: it is left alone. Listed but absent: it is added. The annotation is no proof: where the Namespace requires
// sidecars, a listed container whose image repository, command or args are not the entry's is refused, and one that is
// absent is added, listed or not.
// Reads: metadata.annotations[pillion.dev/status], names of containers and volumes.
// Adds: nothing.
// Golden: run-again*, listed-but-absent, forged-status*, status-unreadable.
func (p *plan) identify() {
	p.old = readStatus(p.pod)
	if text, ok := p.pod.Metadata.Annotations.Ours[v1alpha1.AnnotationStatus]; ok && p.old.Version == 0 {
		p.req.warn(CodeBadStatus, "%s cannot be read and is written anew: %s", v1alpha1.AnnotationStatus, quoted(text))
	}
	for _, s := range p.sidecars {
		i := slices.IndexFunc(p.old.Sidecars, func(r v1alpha1.InjectedSidecar) bool { return r.Name == s.entry.Name })
		if i >= 0 {
			s.was = &p.old.Sidecars[i]
		}
		for j := range s.entry.containers {
			p.identifyContainer(s, &s.entry.containers[j])
		}
	}
}

func (p *plan) identifyContainer(s *sidecar, c *container) {
	at, there := p.pod.container(c.name)
	listed := s.was != nil && slices.Contains(s.was.Containers, c.name)
	switch {
	case there && listed && p.req.ns.requires():
		p.proveOurs(s, c, at)
	case !there && (s.was == nil || listed || p.req.ns.requires()) && c.when.holds(s.values):
		s.missing = append(s.missing, c)
	}
}

// proveOurs compares a container that says it is the entry's with the entry.
func (p *plan) proveOurs(s *sidecar, c *container, at containerPlace) {
	var image string
	if err := json.Unmarshal(c.image.fill(nil, s.values, nil), &image); err != nil || repository(image) != repository(at.ctr.Image) {
		p.fail(Conflict, field.Invalid(at.path().Child("image"), at.ctr.Image, "is not the image of sidecar "+s.entry.Name+", which this Namespace requires"))
	}
	for _, l := range []struct {
		name string
		want template
		got  []byte
	}{{"command", c.command, at.ctr.Command}, {"args", c.args, at.ctr.Args}} {
		if !sameStrings(l.want.fill(nil, s.values, nil), l.got) {
			p.fail(Conflict, field.Invalid(at.path().Child(l.name), string(l.got), "is not that of sidecar "+s.entry.Name+", which this Namespace requires"))
		}
	}
}

// repository is an image reference without tag and digest.
func repository(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if i := strings.LastIndex(image, ":"); i > strings.LastIndex(image, "/") {
		return image[:i]
	}
	return image
}

func sameStrings(a, b []byte) bool {
	var x, y []string
	if len(a) > 0 && json.Unmarshal(a, &x) != nil {
		return false
	}
	if len(b) > 0 && json.Unmarshal(b, &y) != nil {
		return false
	}
	return slices.Equal(x, y)
}

// readStatus reads the status annotation; one that is absent, malformed or of another version is the zero value.
func readStatus(pod *Pod) v1alpha1.Status {
	text, ok := pod.Metadata.Annotations.Ours[v1alpha1.AnnotationStatus]
	if !ok {
		return v1alpha1.Status{}
	}
	var st v1alpha1.Status
	if json.Unmarshal([]byte(text), &st) != nil || st.Version != v1alpha1.StatusVersion {
		return v1alpha1.Status{}
	}
	return st
}

func (p *Pod) container(name string) (containerPlace, bool) {
	var found containerPlace
	p.all(func(at containerPlace) {
		if at.ctr.Name == name && found.ctr == nil {
			found = at
		}
	})
	return found, found.ctr != nil
}
