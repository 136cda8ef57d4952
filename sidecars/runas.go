package sidecars

import (
	"encoding/json"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Rule: an entry that signals the app runs as the app's user: its containers take the runAsUser and runAsGroup that are in
// force for the container it names. Where none is stated the image decides, which nobody here can read: refused.
// Reads: securityContext of the named container and of the Pod.
// Adds: securityContext of our own containers.
// Golden: run-as-user-of, run-as-root, run-as-user-unknown, run-as-user-of-nobody.
func (p *plan) securityJSON(s *sidecar, c *container) []byte {
	if s.entry.runAsOf == nil {
		return c.securityJSON
	}
	name := s.entry.runAsOf.text(s.values)
	if name == "" {
		return c.securityJSON
	}
	at, there := p.pod.container(name)
	if !there {
		p.fail(BadParameter, field.Invalid(p.settingPath(s, s.entry.runAsOf), quotedIfLong(name), "sidecar "+s.entry.Name+" is to run as this container's user, but there is no such container"+hint(name, p.appNames(), "the Pod has")))
		return nil
	}
	user, group := p.effectiveUser(at.ctr)
	if user == nil {
		p.fail(Conflict, field.Required(at.path().Child("securityContext", "runAsUser"), "sidecar "+s.entry.Name+" runs as this container's user"))
		return nil
	}
	security := c.security.DeepCopy()
	security.RunAsUser = user
	if group != nil {
		security.RunAsGroup = group
	}
	if *user == 0 {
		root := false
		security.RunAsNonRoot = &root
	}
	b, err := json.Marshal(security)
	if err != nil {
		return c.securityJSON
	}
	return b
}

// effectiveUser gives the user and group in force for a container, nil where nothing states them.
func (p *plan) effectiveUser(c *Container) (user, group *int64) {
	user, group = p.pod.Spec.SecurityContext.RunAsUser, p.pod.Spec.SecurityContext.RunAsGroup
	if own := c.SecurityContext.RunAsUser; own != nil {
		user = own
	}
	if own := c.SecurityContext.RunAsGroup; own != nil {
		group = own
	}
	return user, group
}

func (p *plan) appNames() []string {
	var names []string
	p.app(func(c containerPlace) { names = append(names, c.ctr.Name) })
	return names
}
