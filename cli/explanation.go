package cli

import (
	"strconv"

	"github.com/pillion-dev/pillion/doctor"
)

// ExplainSchema is the version of what `pillion explain -o json` writes: an Explanation. Members are only ever added to it.
const ExplainSchema = "pillion.dev/explain/v1"

// Explanation is what `pillion explain -o json` writes.
type Explanation struct {
	Schema  string             `json:"schema"`
	Catalog ExplainedCatalog   `json:"catalog"`
	Objects []*ExplainedObject `json:"objects"`
}

// ExplainedCatalog is the catalog in force: its revision and the names in it.
type ExplainedCatalog struct {
	Revision string   `json:"revision"`
	Sidecars []string `json:"sidecars"`
	// Namespaced are the sidecars of single Namespaces, as namespace/name.
	Namespaced []string `json:"namespaced,omitempty"`
}

// ExplainedPlace is a line of a file; the line is 0 where only the file, or a flag in its place, is known.
type ExplainedPlace struct {
	File string `json:"file"`
	Line int    `json:"line,omitempty"`
}

// String gives file:line.
func (p *ExplainedPlace) String() string {
	if p.Line == 0 {
		return p.File
	}
	return p.File + ":" + strconv.Itoa(p.Line)
}

func placeOf(p place) *ExplainedPlace { return &ExplainedPlace{p.file, p.line} }

// ExplainedObject is a Pod, or an object with a pod template.
type ExplainedObject struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"`
	Name       string          `json:"name"`
	Namespace  string          `json:"namespace,omitempty"`
	Place      *ExplainedPlace `json:"place"`
	// PodPath is the field path of the pod template; empty for a Pod.
	PodPath string `json:"podPath,omitempty"`
	// Outcome and Reason are words of package sidecars: injected, unchanged, skipped, denied or ignored.
	Outcome string `json:"outcome"`
	Reason  string `json:"reason,omitempty"`
	// Asks is the annotation that asks; absent where none does.
	Asks     *ExplainedAsk       `json:"asks,omitempty"`
	Sidecars []*ExplainedSidecar `json:"sidecars,omitempty"`
	// Added is what inject would add; absent where it would add nothing.
	Added    *ExplainedAddition `json:"added,omitempty"`
	Warnings []ExplainedWarning `json:"warnings,omitempty"`
	Errors   []ExplainedError   `json:"errors,omitempty"`
	// Fix says how to have sidecars injected where the outcome is skipped.
	Fix *ExplainedFix `json:"fix,omitempty"`

	// Live objects are of a cluster, and have these members too. Way is a Pod's from the API server to the webhook. Lacks
	// are the sidecars that a Pod asks for and has not; its outcome is bare then, and Reason says why. Pods are those of a
	// workload.
	Live  bool           `json:"live,omitempty"`
	Way   []doctor.Step  `json:"way,omitempty"`
	Lacks []string       `json:"lacks,omitempty"`
	Pods  *ExplainedPods `json:"pods,omitempty"`

	object *object
	answer *answer
}

// OutcomeBare is the outcome of a Pod of a cluster that lacks what it asks for.
const OutcomeBare = "bare"

// ExplainedPods counts the Pods of a workload by how they compare with what its template gets today.
type ExplainedPods struct {
	Total    int `json:"total"`
	Current  int `json:"current"`
	Outdated int `json:"outdated"`
	Changed  int `json:"changed"`
	Bare     int `json:"bare"`
	// Names of the Pods that are not current.
	Names []string `json:"names,omitempty"`
	// Refusal has the API server's words where it refuses new Pods.
	Refusal string `json:"refusal,omitempty"`
}

// ExplainedAsk is an annotation that asks for sidecars.
type ExplainedAsk struct {
	Annotation string `json:"annotation"`
	Value      string `json:"value"`
	// Source is pod, namespace or flag.
	Source string          `json:"source"`
	Place  *ExplainedPlace `json:"place,omitempty"`
}

// ExplainedSidecar is an entry that the Pod asks for, or that was injected before.
type ExplainedSidecar struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// Revision is the catalog's; absent where the catalog lacks the entry. InjectedRevision is the one that was injected.
	Revision         string `json:"revision,omitempty"`
	InjectedRevision string `json:"injectedRevision,omitempty"`
	// Placement of the first container: beforeInit, afterInit or regular.
	Placement  string               `json:"placement,omitempty"`
	Parameters []ExplainedParameter `json:"parameters,omitempty"`
	// Containers tells of those that were injected before.
	Containers []ExplainedState `json:"containers,omitempty"`
}

// ExplainedParameter is a parameter in force.
type ExplainedParameter struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	// Source is pod, namespace, default or flag.
	Source string          `json:"source"`
	Place  *ExplainedPlace `json:"place,omitempty"`
}

// The states of a container that was injected before.
const (
	// StateCurrent: it is as the catalog has it.
	StateCurrent = "current"
	// StateOutdated: the entry's revision is another by now.
	StateOutdated = "outdated"
	// StateChanged: image, command or args are not what was injected.
	StateChanged = "changed"
	// StateAbsent: it is listed and not there.
	StateAbsent = "absent"
)

// ExplainedState is the state of a container that was injected before.
type ExplainedState struct {
	Name  string `json:"name"`
	State string `json:"state"`
	// Detail says in words what differs.
	Detail string `json:"detail,omitempty"`
}

// ExplainedAddition is what inject would add to a Pod.
type ExplainedAddition struct {
	Containers []AddedContainer `json:"containers,omitempty"`
	Volumes    []AddedVolume    `json:"volumes,omitempty"`
	// Mounts and Env are those of containers that are there already.
	Mounts []AddedMount `json:"mounts,omitempty"`
	Env    []AddedEnv   `json:"env,omitempty"`
	// GracePeriodSeconds is the grace period, where it grows.
	GracePeriodSeconds int64 `json:"gracePeriodSeconds,omitempty"`
	// ShareProcessNamespace says that the containers will share their processes.
	ShareProcessNamespace bool `json:"shareProcessNamespace,omitempty"`
}

// AddedContainer is a container that is added; its role is container, init container or native sidecar.
type AddedContainer struct {
	Name  string `json:"name"`
	Image string `json:"image"`
	Role  string `json:"role"`
}

// AddedVolume is a volume that is added, and in which containers it is mounted where.
type AddedVolume struct {
	Name   string       `json:"name"`
	Kind   string       `json:"kind"`
	Mounts []AddedMount `json:"mounts,omitempty"`
}

// AddedMount is a mount that is added.
type AddedMount struct {
	Container string `json:"container"`
	Volume    string `json:"volume"`
	Path      string `json:"path"`
}

// AddedEnv is an environment variable that is added.
type AddedEnv struct {
	Container string `json:"container"`
	Name      string `json:"name"`
	Value     string `json:"value"`
}

// ExplainedWarning is worth knowing; the codes are in docs/reference/warnings.md, the CLI's own warnings have none.
type ExplainedWarning struct {
	Code string `json:"code,omitempty"`
	Text string `json:"text"`
}

// ExplainedError is a mistake for which an object is refused.
type ExplainedError struct {
	Place *ExplainedPlace `json:"place"`
	// Path is the field's, in the object or its Namespace.
	Path    string `json:"path,omitempty"`
	Message string `json:"message"`
	// Line is the text of the line that Place names.
	Line string        `json:"line,omitempty"`
	Fix  *ExplainedFix `json:"fix,omitempty"`
}

// ExplainedFix is what to do.
type ExplainedFix struct {
	Text string `json:"text"`
	// Place and Lines are the lines to add after that place or, with Replace, to put in its stead; absent where the text
	// says it all.
	Place   *ExplainedPlace `json:"place,omitempty"`
	Lines   []string        `json:"lines,omitempty"`
	Replace bool            `json:"replace,omitempty"`
	// Commands do it to an object of a cluster, and Field is the path of the field that they change.
	Commands []string `json:"commands,omitempty"`
	Field    string   `json:"field,omitempty"`
}

// added lists what inject would add; nil where it would add nothing.
func added(a *answer) *ExplainedAddition {
	v, _, err := a.view()
	if err != nil || v == nil {
		return nil
	}
	out := &ExplainedAddition{ShareProcessNamespace: v.shared}
	if v.grace != v.graceWas {
		out.GracePeriodSeconds = v.grace
	}
	mounts := map[string][]AddedMount{}
	for i := range v.containers {
		c := &v.containers[i]
		if c.added {
			out.Containers = append(out.Containers, AddedContainer{c.name, c.image, c.role})
		}
		for _, m := range c.mounts {
			mount := AddedMount{c.name, m.volume, m.path}
			mounts[m.volume] = append(mounts[m.volume], mount)
			if m.added && !c.added {
				out.Mounts = append(out.Mounts, mount)
			}
		}
		for _, env := range c.env {
			if env.added && !c.added {
				out.Env = append(out.Env, AddedEnv{c.name, env.name, env.value})
			}
		}
	}
	for _, vol := range v.volumes {
		if vol.added {
			out.Volumes = append(out.Volumes, AddedVolume{vol.name, vol.kind, mounts[vol.name]})
		}
	}
	return out
}

// view compares the Pod with what it would be; nil where it would not change.
func (a *answer) view() (*podView, []byte, error) {
	if a.res == nil || len(a.res.Patch) == 0 {
		return nil, nil, nil
	}
	after, err := applied(a.json, a.res.Patch)
	if err != nil {
		return nil, nil, err
	}
	v, err := viewPod(a.json, after)
	return v, after, err
}
