package sidecars

import (
	"bytes"
	"encoding/json"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// Members of a container that depend on the Pod, or on where it goes, and so are not ready text.
const (
	memberResources    = "resources"
	memberSecurity     = "securityContext"
	memberMounts       = "volumeMounts"
	memberRestart      = "restartPolicy"
	memberPorts        = "ports"
	tokenPath          = "/var/run/secrets/kubernetes.io/serviceaccount"
	tokenVolumePrefix  = "kube-api-access-"
	maskVolume         = "pillion-token-mask"
	maskVolumeJSON     = `{"name":"` + maskVolume + `","emptyDir":{"sizeLimit":"1Mi"}}`
	maxFileName        = 20
	placementInitOrder = "an init container runs to completion: its placement is first, or it has none"
)

func (c *compiler) volumes(at *field.Path) {
	for i := range c.entry.Spec.Volumes {
		v := &c.entry.Spec.Volumes[i]
		here := at.Index(i)
		c.partName(here.Child("name"), v.Name, false)
		if v.Name == c.entry.filesVolume() {
			c.bad(here.Child("name"), v.Name, "is the name of the volume of the entry's files")
		}
		if slices.ContainsFunc(c.entry.volumes, func(o volume) bool { return o.name == v.Name }) {
			c.errs = append(c.errs, field.Duplicate(here.Child("name"), v.Name))
		}
		body := c.object(here, v.Name, v.Body)
		c.kubernetes(here, v.Body, newVolume)
		out := volume{name: v.Name, when: c.when(here.Child("when"), v.When), body: append(body, ready("}")).joined()}
		out.evictable = c.emptyDir(here.Child("emptyDir"), v.Body["emptyDir"])
		if v.Share != nil && v.Body["emptyDir"] == nil {
			c.bad(here.Child("share"), v.Name, "only an emptyDir is shared")
		}
		for j := range v.Share {
			out.shares = append(out.shares, c.share(here.Child("share").Index(j), &v.Share[j]))
		}
		c.entry.volumes = append(c.entry.volumes, out)
	}
}

// emptyDir checks that a volume of that kind has a size limit, and reports whether it lies on disk.
func (c *compiler) emptyDir(at *field.Path, raw json.RawMessage) bool {
	if raw == nil {
		return false
	}
	var dir struct {
		Medium    string
		SizeLimit any
	}
	if err := json.Unmarshal(raw, &dir); err != nil {
		return false // kubernetes says what is wrong
	}
	if dir.SizeLimit == nil {
		c.errs = append(c.errs, field.Required(at.Child("sizeLimit"), "an emptyDir without a limit can fill the node"))
	}
	return dir.Medium != "Memory"
}

func (c *compiler) share(at *field.Path, s *v1alpha1.Share) share {
	out := share{sidecars: s.Sidecars, readOnly: s.ReadOnly, when: c.when(at.Child("when"), s.When)}
	out.mountPath = c.text(at.Child("mountPath"), s.MountPath, context{})
	c.literalPath(at.Child("mountPath"), s.MountPath)
	if len(s.Containers) == 0 && len(s.Sidecars) == 0 {
		c.errs = append(c.errs, field.Required(at, "a share names containers or sidecars"))
	}
	out.containers = c.targets(at.Child("containers"), s.Containers)
	return out
}

// targets compiles names and globs, or the one string $(params.NAME) of a list.
func (c *compiler) targets(at *field.Path, list []string) targets {
	if len(list) == 1 && strings.HasPrefix(list[0], "$(") {
		return targets{param: c.each(at, strings.TrimSuffix(strings.TrimPrefix(list[0], "$("), ")"))}
	}
	for i, g := range list {
		if _, err := path.Match(g, ""); err != nil || strings.Contains(g, "$(") {
			c.bad(at.Index(i), g, "want a container name, a glob, or one $(params.NAME) of a list")
		}
	}
	return targets{globs: list, param: -1}
}

// matches reports whether a container's name is meant.
func (t *targets) matches(name string, values []value) bool {
	if t.param < 0 {
		return slices.ContainsFunc(t.globs, func(g string) bool { return globMatches(g, name) })
	}
	return slices.ContainsFunc(values[t.param].items, func(it item) bool { return globMatches(it.text, name) })
}

func globMatches(glob, name string) bool {
	ok, err := path.Match(glob, name)
	return err == nil && ok
}

// object compiles the members of a body after `{"name":"…"`.
func (c *compiler) object(at *field.Path, name string, body v1alpha1.Object) template {
	members := make(map[string]any, len(body))
	for k, raw := range body {
		members[k] = c.tree(at.Child(k), raw)
	}
	t := template{ready(`{"name":` + jsonText(name))}
	for _, n := range c.members(at, members) {
		if !n.always() {
			c.bad(n.at, n.key, "a member cannot have a condition: put it on the items of a list, or on the whole")
		}
		t = append(t, ready(","+jsonText(n.key)+":"))
		t = append(t, c.json(n.at, n.v, podContext().below(n.key))...)
	}
	return t
}

func (c *compiler) containers(at *field.Path) {
	s := c.entry.Spec
	if len(s.Containers)+len(s.InitContainers) == 0 {
		c.errs = append(c.errs, field.Required(at.Child("containers"), "an entry has at least one container"))
	}
	first := true
	for _, list := range []struct {
		name string
		ctrs []v1alpha1.Container
	}{{"containers", s.Containers}, {"initContainers", s.InitContainers}} {
		for i := range list.ctrs {
			ctr := &list.ctrs[i]
			here := at.Child(list.name).Index(i)
			c.partName(here.Child("name"), ctr.Name, first)
			if first && ctr.When != nil {
				c.errs = append(c.errs, field.Forbidden(here.Child("when"), "the first container has no condition"))
			}
			if slices.ContainsFunc(c.entry.containers, func(o container) bool { return o.name == ctr.Name }) {
				c.errs = append(c.errs, field.Duplicate(here.Child("name"), ctr.Name))
			}
			out := c.container(here, ctr, list.name == "initContainers")
			c.entry.containers = append(c.entry.containers, out)
			first = false
		}
	}
}

func (c *compiler) container(at *field.Path, ctr *v1alpha1.Container, toCompletion bool) container {
	out := container{name: ctr.Name, place: ctr.Placement, toCompletion: toCompletion, when: c.when(at.Child("when"), ctr.When)}
	c.placement(at.Child("placement"), &out)
	if _, ok := ctr.Body[memberRestart]; ok {
		c.errs = append(c.errs, field.Forbidden(at.Child(memberRestart), "is set by the placement"))
	}
	body := maps.Clone(ctr.Body)
	for _, k := range []string{memberResources, memberSecurity, memberMounts, memberRestart} {
		delete(body, k)
	}
	out.head = c.object(at, ctr.Name, body)
	if !toCompletion && out.place != v1alpha1.PlacementRegular {
		out.head = append(out.head, ready(`,"restartPolicy":"Always"`))
	}
	out.head = out.head.joined()
	c.resources(at.Child(memberResources), ctr.Body[memberResources], &out)
	c.security(at.Child(memberSecurity), ctr.Body[memberSecurity], &out)
	c.mounts(at.Child(memberMounts), ctr.Body[memberMounts], &out)
	c.ports(at.Child(memberPorts), ctr.Body[memberPorts], &out)
	out.image = c.again(ctr.Body["image"], "image")
	out.command = c.again(ctr.Body["command"], "command")
	out.args = c.again(ctr.Body["args"], "args")
	if ctr.Body["image"] == nil {
		c.errs = append(c.errs, field.Required(at.Child("image"), "a container needs an image"))
	}
	c.kubernetes(at, ctr.Body, newContainer)
	return out
}

// again compiles a member that object has compiled and checked already, on its own.
func (c *compiler) again(raw json.RawMessage, key string) template {
	if raw == nil {
		return nil
	}
	quiet := &compiler{entry: c.entry, used: map[int]bool{}, list: -1}
	return quiet.json(nil, quiet.tree(nil, raw), podContext().below(key)).joined()
}

func (c *compiler) placement(at *field.Path, ctr *container) {
	switch ctr.place {
	case "":
		ctr.place = v1alpha1.PlacementBeforeInit
	case v1alpha1.PlacementFirst:
		if !ctr.toCompletion {
			c.bad(at, ctr.place, "only an init container has placement first")
		}
	case v1alpha1.PlacementBeforeInit, v1alpha1.PlacementAfterInit, v1alpha1.PlacementRegular:
		if ctr.toCompletion {
			c.bad(at, ctr.place, placementInitOrder)
		}
	default:
		c.errs = append(c.errs, field.NotSupported(at, ctr.place, []string{"first", "beforeInit", "afterInit", "regular"}))
	}
}

func (c *compiler) resources(at *field.Path, raw json.RawMessage, out *container) {
	var r struct{ Limits, Requests map[string]json.RawMessage }
	if raw != nil && json.Unmarshal(raw, &r) != nil {
		return // kubernetes says what is wrong
	}
	for _, k := range []string{"cpu", "memory"} {
		if r.Limits[k] == nil {
			c.errs = append(c.errs, field.Required(at.Child("limits", k), "without it a Guaranteed Pod could not stay Guaranteed"))
		}
	}
	if r.Limits == nil {
		return
	}
	out.resources = c.json(at, c.tree(at, raw), podContext().below(memberResources)).joined()
	limits, err := json.Marshal(r.Limits)
	if err != nil {
		c.bad(at.Child("limits"), string(raw), err.Error())
		return
	}
	out.limits = c.again(limits, memberResources)
	out.most = amounts{c.amount(r.Limits["cpu"]), c.amount(r.Limits["memory"])}
	out.requests = out.most // Kubernetes' default
	if r.Requests["cpu"] != nil {
		out.requests.cpu = c.amount(r.Requests["cpu"])
	}
	if r.Requests["memory"] != nil {
		out.requests.memory = c.amount(r.Requests["memory"])
	}
}

// amount compiles a quantity, which may be written as a number.
func (c *compiler) amount(raw json.RawMessage) amount {
	text := string(raw)
	if len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &text) != nil {
		return amount{}
	}
	quiet := &compiler{entry: c.entry, used: map[int]bool{}, list: -1}
	t := quiet.text(nil, text, context{})
	if slices.ContainsFunc(t, func(p part) bool { return !p.ready() }) {
		return amount{text: t}
	}
	q, err := resource.ParseQuantity(text)
	if err != nil {
		return amount{}
	}
	return amount{fixed: q}
}

func (c *compiler) security(at *field.Path, raw json.RawMessage, out *container) {
	if raw == nil {
		return
	}
	if holePattern.Match(raw) {
		c.bad(at, "$(…)", "no parameter may stand in a securityContext")
		return
	}
	if err := strictDecode(raw, &out.security); err != nil {
		return // kubernetes says what is wrong
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		c.bad(at, string(raw), err.Error())
	}
	out.securityJSON = compact.Bytes()
}

func (c *compiler) mounts(at *field.Path, raw json.RawMessage, out *container) {
	if raw == nil {
		return
	}
	list, ok := c.tree(at, raw).([]any)
	if !ok {
		return // kubernetes says what is wrong
	}
	for i, v := range list {
		here := at.Index(i)
		left, ok, errs := mountShape().check(here, v)
		c.errs = append(c.errs, errs...)
		if m, _ := left.(map[string]any); ok && len(errs) == 0 {
			c.mount(here, m, out)
		}
	}
}

// mountShape is what a mount in an entry may say: no more than can be joined to another volume.
var mountShape = sync.OnceValue(func() *shape {
	return anObject(map[string]*shape{
		"name": aText(), "mountPath": aText(), "subPath": aText(), "readOnly": aBool(), keyWhen: mapOf(aScalar().either(listOf(aScalar())))})
})

func (c *compiler) mount(at *field.Path, m map[string]any, out *container) {
	name, _ := m["name"].(string)
	mountPath, _ := m["mountPath"].(string)
	subPath, _ := m["subPath"].(string)
	readOnly, _ := m["readOnly"].(bool)
	var when condition
	if w, ok := m[keyWhen]; ok {
		when = c.when(at.Child(keyWhen), c.whenOf(at.Child(keyWhen), w))
	}
	v := slices.IndexFunc(c.entry.volumes, func(v volume) bool { return v.name == name })
	if v < 0 {
		c.errs = append(c.errs, field.NotSupported(at.Child("name"), name, c.volumeNames()))
		return
	}
	c.entry.volumes[v].written = c.entry.volumes[v].written || !readOnly
	c.literalPath(at.Child("mountPath"), mountPath)
	out.mounts = append(out.mounts, mount{
		volume: name, readOnly: readOnly, when: when,
		mountPath: c.text(at.Child("mountPath"), mountPath, context{}),
		subPath:   c.text(at.Child("subPath"), subPath, context{}),
	})
}

// literalPath checks a path to mount at that no parameter makes.
func (c *compiler) literalPath(at *field.Path, s string) {
	switch {
	case s == "":
		c.errs = append(c.errs, field.Required(at, "where it is mounted"))
	case !holePattern.MatchString(s) && !mountable(s):
		c.bad(at, s, "want a clean absolute path without a colon")
	}
}

// mountable reports whether a volume can be mounted at a path.
func mountable(at string) bool {
	return path.IsAbs(at) && path.Clean(at) == at && at != "/" && !strings.Contains(at, ":")
}

func (c *compiler) volumeNames() []string {
	names := make([]string, len(c.entry.volumes))
	for i := range c.entry.volumes {
		names[i] = c.entry.volumes[i].name
	}
	return names
}

func (c *compiler) ports(at *field.Path, raw json.RawMessage, out *container) {
	if raw == nil {
		return
	}
	list, _ := c.tree(at, raw).([]any)
	for i, p := range list {
		m, _ := p.(map[string]any)
		quiet := &compiler{entry: c.entry, used: c.used, list: -1}
		protocol, _ := m["protocol"].(string)
		if protocol == "" {
			protocol = "TCP"
		}
		number := quiet.json(at.Index(i), m["containerPort"], podContext()).joined()
		out.ports = append(out.ports, port{number: number, protocol: protocol, when: quiet.node(at.Index(i), "", p).when})
	}
}
