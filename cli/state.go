package cli

import (
	"github.com/pillion-dev/pillion/sidecars"
)

// states compares each container that the status annotation lists with what would be injected today, listed by sidecar.
func (e *explainer) states(a *answer) map[string][]ExplainedState {
	states := e.catalog.States(a.pod, &a.ns.Namespace)
	if states == nil {
		return nil
	}
	why := e.notToday(a)
	out := map[string][]ExplainedState{}
	for _, s := range states {
		for _, c := range s.Containers {
			state := ExplainedState{Name: c.Name, State: string(c.State), Detail: c.Detail}
			if why != "" && c.State == sidecars.StateCurrent {
				state.Detail = why
			}
			out[s.Name] = append(out[s.Name], state)
		}
	}
	return out
}

// notToday says why the Pod, with what is Pillion's taken out, would not be injected; nothing where it would.
func (e *explainer) notToday(a *answer) string {
	clean, err := applied(a.json, sidecars.Uninject(a.pod))
	if err != nil {
		return err.Error()
	}
	pod, err := sidecars.ReadPod(clean)
	if err != nil {
		return err.Error()
	}
	if res := sidecars.Inject(e.catalog, pod, &a.ns.Namespace); res.Outcome != sidecars.Injected {
		return "today it would not be injected: " + string(res.Outcome)
	}
	return ""
}
