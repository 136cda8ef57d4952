package cli

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// states compares each container that the status annotation lists with what would be injected today: into the same Pod,
// with what is Pillion's taken out. The containers are listed by sidecar.
func (e *explainer) states(a *answer) map[string][]ExplainedState {
	st := statusOf(a.pod)
	if st.Version == 0 {
		return nil
	}
	var is podObject
	if json.Unmarshal(a.json, &is) != nil {
		return nil
	}
	anew, why := e.anew(a)
	out := map[string][]ExplainedState{}
	for _, s := range st.Sidecars {
		for _, name := range s.Containers {
			state := ExplainedState{Name: name}
			state.State, state.Detail = e.state(&s, is.container(name), anew.container(name))
			if why != "" && state.State == StateCurrent {
				state.Detail = why
			}
			out[s.Name] = append(out[s.Name], state)
		}
	}
	return out
}

// anew gives the Pod as it would be injected from scratch, or why it would not be.
func (e *explainer) anew(a *answer) (*podObject, string) {
	var out podObject
	clean, err := applied(a.json, sidecars.Uninject(a.pod))
	if err != nil {
		return &out, err.Error()
	}
	pod, err := sidecars.ReadPod(clean)
	if err != nil {
		return &out, err.Error()
	}
	res := sidecars.Inject(e.catalog, pod, &a.ns.Namespace)
	if res.Outcome != sidecars.Injected {
		return &out, "today it would not be injected: " + string(res.Outcome)
	}
	text, err := applied(clean, res.Patch)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		return &podObject{}, err.Error()
	}
	return &out, ""
}

func (p *podObject) container(name string) *podContainer {
	for _, list := range [][]podContainer{p.Spec.InitContainers, p.Spec.Containers} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	return nil
}

// state compares a container with what it would be. One of an older revision is outdated: what it was injected with is not
// known any more, so it cannot be told to be changed.
func (e *explainer) state(s *v1alpha1.InjectedSidecar, is, anew *podContainer) (state, detail string) {
	entry := e.catalog.Entry("", s.Name)
	switch {
	case is == nil:
		return StateAbsent, "inject adds it again"
	case entry == nil:
		return StateOutdated, "the catalog has no sidecar " + s.Name + " any more"
	case entry.Revision != s.Revision:
		return StateOutdated, fmt.Sprintf("revision %s was injected, the catalog has %s", s.Revision, entry.Revision)
	case anew == nil:
		return StateCurrent, ""
	}
	var differs []string
	if is.Image != anew.Image {
		differs = append(differs, fmt.Sprintf("image is %s, the catalog has %s", is.Image, anew.Image))
	}
	if !slices.Equal(is.Command, anew.Command) {
		differs = append(differs, fmt.Sprintf("command is %q, the catalog has %q", is.Command, anew.Command))
	}
	if !slices.Equal(is.Args, anew.Args) {
		differs = append(differs, fmt.Sprintf("args are %q, the catalog has %q", is.Args, anew.Args))
	}
	if len(differs) > 0 {
		return StateChanged, strings.Join(differs, "; ")
	}
	return StateCurrent, ""
}
