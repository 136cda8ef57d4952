package cli

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// podView is what people want to see of a Pod, with what was added marked.
type podView struct {
	containers []containerView
	volumes    []volumeView
	// grace is the grace period before and after; shared says that the PID namespace was not and is shared.
	graceWas, grace int64
	shared          bool
}

type containerView struct {
	name, image string
	// role is container, init container or native sidecar.
	role   string
	mounts []mountView
	env    []envView
	added  bool
}

type mountView struct {
	volume, path, detail string
	added                bool
}

type envView struct {
	name, value string
	added       bool
}

type volumeView struct {
	name, kind string
	added      bool
}

// defaultGrace is the grace period in seconds of a Pod that states none.
const defaultGrace = 30

// podObject is what is read of a Pod's JSON.
type podObject struct {
	Metadata struct {
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		InitContainers                []podContainer               `json:"initContainers"`
		Containers                    []podContainer               `json:"containers"`
		Volumes                       []map[string]json.RawMessage `json:"volumes"`
		TerminationGracePeriodSeconds *int64                       `json:"terminationGracePeriodSeconds"`
		ShareProcessNamespace         bool                         `json:"shareProcessNamespace"`
	} `json:"spec"`
}

type podContainer struct {
	Name          string `json:"name"`
	Image         string `json:"image"`
	RestartPolicy string `json:"restartPolicy"`
	Command, Args []string
	VolumeMounts  []struct {
		Name, MountPath, SubPath, SubPathExpr string
		ReadOnly                              bool
	} `json:"volumeMounts"`
	Env []struct {
		Name, Value string
		ValueFrom   map[string]json.RawMessage
	} `json:"env"`
}

// viewPod compares a Pod before and after.
func viewPod(before, after []byte) (*podView, error) {
	var was, is podObject
	for _, side := range []struct {
		text []byte
		into *podObject
	}{{before, &was}, {after, &is}} {
		if len(side.text) == 0 {
			continue
		}
		if err := json.Unmarshal(side.text, side.into); err != nil {
			return nil, fmt.Errorf("read Pod: %w", err)
		}
	}
	v := &podView{graceWas: was.grace(), grace: is.grace(), shared: is.Spec.ShareProcessNamespace && !was.Spec.ShareProcessNamespace}
	v.add("init container", was.Spec.InitContainers, is.Spec.InitContainers)
	v.add("container", was.Spec.Containers, is.Spec.Containers)
	for _, vol := range is.Spec.Volumes {
		view := viewVolume(vol)
		view.added = !slices.ContainsFunc(was.Spec.Volumes, func(w map[string]json.RawMessage) bool { return viewVolume(w).name == view.name })
		v.volumes = append(v.volumes, view)
	}
	return v, nil
}

func (p *podObject) grace() int64 {
	if p.Spec.TerminationGracePeriodSeconds == nil {
		return defaultGrace
	}
	return *p.Spec.TerminationGracePeriodSeconds
}

func (v *podView) add(role string, was, is []podContainer) {
	for i := range is {
		c := &is[i]
		view := containerView{name: c.Name, image: c.Image, role: role, added: true}
		if role == "init container" && c.RestartPolicy == "Always" {
			view.role = "native sidecar"
		}
		var old podContainer
		if n := slices.IndexFunc(was, func(w podContainer) bool { return w.Name == c.Name }); n >= 0 {
			old, view.added = was[n], false
		}
		view.mounts, view.env = c.viewMounts(&old), c.viewEnv(&old)
		v.containers = append(v.containers, view)
	}
}

func (c *podContainer) viewMounts(old *podContainer) []mountView {
	var out []mountView
	for _, m := range c.VolumeMounts {
		view := mountView{volume: m.Name, path: m.MountPath, added: true}
		for _, o := range old.VolumeMounts {
			if o.MountPath == m.MountPath {
				view.added = false
			}
		}
		var details []string
		if sub := m.SubPath + m.SubPathExpr; sub != "" {
			details = append(details, "subPath "+sub)
		}
		if m.ReadOnly {
			details = append(details, "read-only")
		}
		view.detail = strings.Join(details, ", ")
		out = append(out, view)
	}
	return out
}

func (c *podContainer) viewEnv(old *podContainer) []envView {
	var out []envView
	for _, e := range c.Env {
		view := envView{name: e.Name, value: e.Value, added: true}
		for from := range e.ValueFrom {
			view.value = "(" + from + ")"
		}
		for _, o := range old.Env {
			if o.Name == e.Name {
				view.added = false
			}
		}
		out = append(out, view)
	}
	return out
}

// viewVolume words a volume's kind, with the word that matters of it.
func viewVolume(vol map[string]json.RawMessage) volumeView {
	var view volumeView
	for kind, raw := range vol {
		if kind == "name" {
			_ = json.Unmarshal(raw, &view.name)
			continue
		}
		view.kind = kind
		var body struct{ Name, SecretName, ClaimName, Path, Driver, SizeLimit, Medium string }
		_ = json.Unmarshal(raw, &body)
		for _, word := range []string{body.Name, body.SecretName, body.ClaimName, body.Path, body.Driver, body.Medium, body.SizeLimit} {
			if word != "" {
				view.kind += " " + word
			}
		}
	}
	return view
}
