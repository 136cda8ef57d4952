package sidecars

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Rule: what two entries that can meet on one Pod both claim is told to the author of the later one: names of containers and
// volumes (an error, but not where a Namespace's Sidecar would keep an entry of the cluster out), literal ports, literal
// values of one variable, literal paths of shared volumes. Files cannot meet: their annotations hold the entry's name, which
// has no dot.
// Reads: names, ports, appEnv and shares of every entry; order.conflictsWith.
// Golden: none, see TestLint.
func (l *linter) meetings() {
	index := l.catalog.index()
	for _, mine := range claims(l.entry) {
		var met []claim
		for _, o := range index.claims[mine.key()] {
			if l.meets(o.by) && mine.contradicts(&o) {
				met = append(met, o)
			}
		}
		if len(met) > 0 {
			l.met(&mine, met)
		}
	}
}

// met tells of a claim that others make as well.
func (l *linter) met(mine *claim, others []claim) {
	if mine.kind == claimContainer || mine.kind == claimVolume {
		if i := slices.IndexFunc(others, func(o claim) bool { return o.by.Namespace == "" || l.entry.Namespace != "" }); i >= 0 {
			l.fail(duplicate(mine.at, mine.what, "is the name of a "+string(mine.kind)+" of "+named(others[i].by)+", "+others[i].at.String()))
			return
		}
		l.warn(mine.at, CodeNameMet, "%s %s is also one of %s", mine.kind, mine.what, whose(others))
		return
	}
	switch mine.kind {
	case claimPort:
		l.warn(mine.at, CodePortMet, "port %s is also that of %s", mine.what, whose(others))
	case claimVariable:
		l.warn(mine.at, CodeVariableMet, "variable %s has another value in %s", mine.what, whose(others))
	case claimPath:
		l.warn(mine.at, CodePathMet, "%s is also a path of %s", mine.what, whose(others))
	}
}

// whose names the entries, the first with their fields.
func whose(others []claim) string {
	const most = 3
	var out []string
	for _, o := range others[:min(most, len(others))] {
		out = append(out, named(o.by)+" ("+o.at.String()+")")
	}
	s := strings.Join(out, ", ")
	if n := len(others) - most; n > 0 {
		s += fmt.Sprintf(" and %d more", n)
	}
	return s
}

// claimKind says what a claim is of.
type claimKind string

const (
	claimContainer claimKind = "container"
	claimVolume    claimKind = "volume"
	claimPort      claimKind = "port"
	claimVariable  claimKind = "variable"
	claimPath      claimKind = "path"
)

// claim is something of a Pod that an entry takes for itself.
type claim struct {
	by   *Entry
	at   *field.Path
	kind claimKind
	what string
	// value is that of a variable; to are the app containers that get a variable or a path.
	value string
	to    *targets
}

func (c *claim) key() string { return string(c.kind) + " " + c.what }

// contradicts reports whether two claims to one thing cannot both be met, or are met by one thing.
func (c *claim) contradicts(o *claim) bool {
	switch c.kind {
	case claimVariable:
		return c.value != o.value && c.to.mayMeet(o.to)
	case claimPath:
		return c.to.mayMeet(o.to)
	}
	return true
}

// mayMeet reports whether one container could be meant by both.
func (t *targets) mayMeet(o *targets) bool {
	if t.param >= 0 || o.param >= 0 {
		return true
	}
	return slices.ContainsFunc(t.globs, func(a string) bool {
		return slices.ContainsFunc(o.globs, func(b string) bool {
			bothGlobs := strings.ContainsAny(a, `*?[\`) && strings.ContainsAny(b, `*?[\`)
			return bothGlobs || globMatches(a, b) || globMatches(b, a)
		})
	})
}

// claims lists what an entry takes, whatever its conditions.
func claims(e *Entry) []claim {
	var out []claim
	add := func(at *field.Path, kind claimKind, what string) *claim {
		out = append(out, claim{by: e, at: at, kind: kind, what: what})
		return &out[len(out)-1]
	}
	for i := range e.containers {
		c := &e.containers[i]
		at := e.containerPath(c.name)
		add(at.Child("name"), claimContainer, c.name)
		for j := range c.ports {
			if number, ok := c.ports[j].number.literal(); ok {
				add(at.Child("ports").Index(j).Child("containerPort"), claimPort, number+"/"+c.ports[j].protocol)
			}
		}
	}
	for i := range e.volumes {
		v, at := &e.volumes[i], field.NewPath("spec", "volumes").Index(i)
		add(at.Child("name"), claimVolume, v.name)
		for j := range v.shares {
			s := &v.shares[j]
			if path, ok := s.mountPath.literal(); ok && (s.containers.param >= 0 || len(s.containers.globs) > 0) {
				add(at.Child("share").Index(j).Child("mountPath"), claimPath, path).to = &s.containers
			}
		}
	}
	if len(e.files) > 0 {
		add(field.NewPath("spec", "files"), claimVolume, e.filesVolume())
	}
	for i := range e.env {
		v := &e.env[i]
		if value, ok := v.value.literal(); ok {
			c := add(field.NewPath("spec", "appEnv").Index(i), claimVariable, v.name)
			c.value, c.to = value, &v.containers
		}
	}
	return out
}

// literal gives the text of a template without parameters.
func (t template) literal() (string, bool) {
	for i := range t {
		if !t[i].ready() {
			return "", false
		}
	}
	return t.text(nil), true
}

// lintIndex finds the entries of a catalog by what they claim and by name.
type lintIndex struct {
	claims map[string][]claim
	byName map[string][]*Entry
}

func newLintIndex(c *Catalog) *lintIndex {
	x := &lintIndex{claims: map[string][]claim{}, byName: map[string][]*Entry{}}
	for _, e := range c.All() {
		x.byName[e.Name] = append(x.byName[e.Name], e)
		for _, claim := range claims(e) {
			x.claims[claim.key()] = append(x.claims[claim.key()], claim)
		}
	}
	return x
}
