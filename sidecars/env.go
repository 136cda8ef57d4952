package sidecars

import "encoding/json"

// Rule: an entry's appEnv is added to the app containers meant; a variable that a container has already stays, with a
// warning where it says something else. Two entries that set one variable to different values are refused; in a container
// that came after both, the first one's value stands, with a warning.
// Reads: env of app containers.
// Adds: env of app containers.
// Golden: app-env, app-env-kept, app-env-of-two-entries, app-env-no-such-container.
func (p *plan) addEnv() {
	for _, s := range p.sidecars {
		for i := range s.entry.env {
			e := &s.entry.env[i]
			if !e.when.holds(s.values) {
				continue
			}
			value := e.value.text(s.values)
			p.app(func(c containerPlace) {
				if e.meant(c, s.values) {
					p.addVariable(s, c, e.name, value)
				}
			})
			p.checkTargets(s, &e.containers)
		}
	}
}

// meant leaves init containers out unless they are named.
func (e *appEnv) meant(c containerPlace, values []value) bool {
	if c.list == "initContainers" && e.containers.param < 0 && len(e.containers.globs) == 1 && e.containers.globs[0] == "*" {
		return false
	}
	return e.containers.matches(c.ctr.Name, values)
}

func (p *plan) addVariable(s *sidecar, c containerPlace, name, value string) {
	for _, had := range variables(c.ctr) {
		if had.Name != name {
			continue
		}
		if had.Value != value {
			p.warn(CodeEnvKept, "container %s keeps its own %s", c.ctr.Name, name)
		}
		return
	}
	for i := range p.env {
		other := &p.env[i]
		if other.to.ctr != c.ctr || other.name != name {
			continue
		}
		switch before := p.sidecar(other.by); {
		case other.value == value:
		case s.was != nil && before != nil && before.was != nil: // a container that came later denies nothing
			p.warn(CodeEnvKept, "container %s gets %s of sidecar %s, not of %s", c.ctr.Name, name, other.by, s.entry.Name)
		default:
			why := "sidecars " + other.by + " and " + s.entry.Name + " set this variable of container " + c.ctr.Name + " to different values"
			p.fail(Conflict, duplicate(p.req.injectPath(), name, why))
		}
		return
	}
	body := p.json(func(dst []byte) []byte {
		dst = jsonString(append(dst, `{"name":`...), name)
		dst = jsonString(append(dst, `,"value":`...), value)
		return append(dst, '}')
	})
	p.env = append(p.env, envAddition{to: c, addition: addition{name, body}, by: s.entry.Name, value: value})
}

type variable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func variables(c *Container) []variable {
	var list []variable
	if c.Env == nil || json.Unmarshal(c.Env, &list) != nil {
		return nil
	}
	return list
}
