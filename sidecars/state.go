package sidecars

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// State says how a part of Pillion's on a Pod compares with what the catalog would inject today.
type State string

// The states.
const (
	// StateCurrent: it is as the catalog has it.
	StateCurrent State = "current"
	// StateOutdated: the entry's revision is another by now, or the catalog has no such entry. What it was injected with is
	// not known any more, so it cannot be told to be changed.
	StateOutdated State = "outdated"
	// StateChanged: image, command or args are not what the entry has at today's values.
	StateChanged State = "changed"
	// StateAbsent: it is listed and not there.
	StateAbsent State = "absent"
)

// SidecarState is the state of a sidecar that the status annotation lists.
type SidecarState struct {
	// Name of the entry and the Revision that was injected.
	Name, Revision string
	// State of the whole: current, changed (a container is changed or absent) or outdated.
	State State
	// Containers are those that the annotation lists.
	Containers []ContainerState
}

// ContainerState is the state of one container.
type ContainerState struct {
	Name  string
	State State
	// Detail says in words what differs; empty where nothing does.
	Detail string
}

// States compares each sidecar that a Pod's status annotation lists with the entry that the Pod's Namespace gets today, at
// the values that annotations give today. It reads the Pod's annotations below pillion.dev/ and, of its containers, name,
// image, command and args; nothing else need be there. It is nil where the annotation is absent or cannot be read.
func (c *Catalog) States(pod *Pod, ns *Namespace) []SidecarState {
	st := readStatus(pod)
	if st.Version == 0 {
		return nil
	}
	out := make([]SidecarState, len(st.Sidecars))
	for i := range st.Sidecars {
		out[i] = c.state(&st.Sidecars[i], pod, ns)
	}
	return out
}

func (c *Catalog) state(s *v1alpha1.InjectedSidecar, pod *Pod, ns *Namespace) SidecarState {
	out := SidecarState{Name: s.Name, Revision: s.Revision, State: StateCurrent}
	entry := c.Entry(ns.Name, s.Name)
	old := ""
	switch {
	case entry == nil && c.LeftOut(ns.Name, s.Name) != "":
		old = "the catalog's sidecar " + s.Name + " has a mistake"
	case entry == nil:
		old = "the catalog has no sidecar " + s.Name + " any more"
	case entry.Revision != s.Revision:
		old = fmt.Sprintf("revision %s was injected, the catalog has %s", s.Revision, entry.Revision)
	}
	var today comparison
	if old == "" {
		today = newComparison(entry, pod, ns)
	}
	for _, name := range s.Containers {
		ctr := ContainerState{Name: name}
		at, there := pod.container(name)
		switch {
		case !there:
			ctr.State, ctr.Detail = StateAbsent, "inject adds it again"
		case old != "":
			ctr.State, ctr.Detail = StateOutdated, old
		default:
			ctr.State, ctr.Detail = today.container(at.ctr)
		}
		if ctr.State != StateCurrent {
			out.State = StateChanged
		}
		out.Containers = append(out.Containers, ctr)
	}
	if old != "" {
		out.State = StateOutdated
	}
	return out
}

// comparison holds an entry and the values that it has on a Pod today.
type comparison struct {
	entry  *Entry
	values []value
	// unfit: some value is missing or bad, so that it cannot be told what the entry would be.
	unfit string
}

func newComparison(e *Entry, pod *Pod, ns *Namespace) comparison {
	r := &request{pod: pod, ns: ns}
	c := comparison{entry: e, values: r.readValues(e, e.defaults())}
	if len(r.errs) > 0 {
		c.unfit = "today it would not be injected: " + r.errs[0].Error()
	}
	return c
}

// container compares a container with the entry's of its name.
func (c *comparison) container(is *Container) (State, string) {
	i := slices.IndexFunc(c.entry.containers, func(o container) bool { return o.name == is.Name })
	if c.unfit != "" || i < 0 || !c.entry.containers[i].when.holds(c.values) {
		return StateCurrent, c.unfit
	}
	has := &c.entry.containers[i]
	var differs []string
	var image string
	if err := json.Unmarshal(has.image.fill(nil, c.values, nil), &image); err != nil || image != is.Image {
		differs = append(differs, fmt.Sprintf("image is %s, the catalog has %s", is.Image, image))
	}
	if want := has.command.fill(nil, c.values, nil); !sameStrings(want, is.Command) {
		differs = append(differs, fmt.Sprintf("command is %q, the catalog has %q", stringsOf(is.Command), stringsOf(want)))
	}
	if want := has.args.fill(nil, c.values, nil); !sameStrings(want, is.Args) {
		differs = append(differs, fmt.Sprintf("args are %q, the catalog has %q", stringsOf(is.Args), stringsOf(want)))
	}
	if len(differs) > 0 {
		return StateChanged, strings.Join(differs, "; ")
	}
	return StateCurrent, ""
}

func stringsOf(list []byte) []string {
	var out []string
	if len(list) == 0 || json.Unmarshal(list, &out) != nil {
		return nil
	}
	return out
}

// ProofPod gives a Pod, as JSON, into which the entry is injected alone: at its defaults, with required parameters at their
// first sample. It is what an API server can be asked about. Its name and Namespace are "proof"; the error says why there
// is no such Pod, which Prove says better.
func (e *Entry) ProofPod() ([]byte, error) {
	pr := newProof(e)
	var errs error
	for _, values := range [][]value{pr.base, pr.full} {
		object := e.proofPod(values)
		pod, err := ReadPod(object)
		if err != nil {
			return nil, err
		}
		p := e.planOn(pod, &Namespace{}, values)
		if errs = sortErrors(p.errs).ToAggregate(); errs != nil {
			continue
		}
		patch, err := jsonpatch.DecodePatch(AppendPatch(nil, p.patch()))
		if err != nil {
			return nil, err
		}
		return patch.Apply(object)
	}
	return nil, errs
}
