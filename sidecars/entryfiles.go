package sidecars

import (
	"path"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

func (c *compiler) files(at *field.Path) {
	for i := range c.entry.Spec.Files {
		f := &c.entry.Spec.Files[i]
		here := at.Index(i)
		if why := labelProblem(f.Name, maxFileName); why != "" {
			c.bad(here.Child("name"), f.Name, "must be a DNS label of at most 20 characters")
		}
		if slices.ContainsFunc(c.entry.files, func(o file) bool { return o.name == f.Name }) {
			c.errs = append(c.errs, field.Duplicate(here.Child("name"), f.Name))
		}
		if !path.IsAbs(f.MountPath) || path.Clean(f.MountPath) != f.MountPath {
			c.bad(here.Child("mountPath"), f.MountPath, "must be a clean absolute path")
		}
		for j, name := range f.Containers {
			if !slices.ContainsFunc(c.entry.containers, func(o container) bool { return o.name == name }) {
				c.errs = append(c.errs, field.NotFound(here.Child("containers").Index(j), name))
			}
		}
		c.entry.files = append(c.entry.files, file{
			name: f.Name, mountPath: f.MountPath, containers: f.Containers,
			annotation: v1alpha1.AnnotationFilePrefix + c.entry.Name + "." + f.Name,
			content:    c.file(here, f),
			when:       c.when(here.Child("when"), f.When),
		})
	}
}

func (c *compiler) appEnv(at *field.Path) {
	for i := range c.entry.Spec.AppEnv {
		e := &c.entry.Spec.AppEnv[i]
		here := at.Index(i)
		if !envName.MatchString(e.Name) {
			c.bad(here.Child("name"), e.Name, "must be a C identifier")
		}
		list := e.Containers
		if len(list) == 0 {
			list = []string{"*"}
		}
		c.entry.env = append(c.entry.env, appEnv{
			name: e.Name, containers: c.targets(here.Child("containers"), list),
			value: c.text(here.Child("value"), e.Value, context{escape: escape{dollars: true}}),
			when:  c.when(here.Child("when"), e.When),
		})
	}
}
