package sidecars

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Rule: a Sidecar cannot have the name of an entry of the cluster, which would win. The other way round is a platform team's
// right: a new ClusterSidecar is told how many Sidecars give way to it.
// Reads: metadata.name, metadata.namespace.
// Golden: none, see TestLint.
func (l *linter) names() {
	at, e := field.NewPath("metadata", "name"), l.entry
	if e.Namespace != "" {
		if l.catalog.clusterHas(e.Name) {
			l.fail(field.Forbidden(at, "the cluster has an entry of the name "+e.Name+", which wins: no Pod would get this one"))
		}
		return
	}
	var namespaces []string
	for _, o := range l.catalog.index().byName[e.Name] {
		if o.Namespace != "" {
			namespaces = append(namespaces, o.Namespace)
		}
	}
	slices.Sort(namespaces)
	const most = 3
	switch n := len(namespaces); {
	case n == 1:
		l.warn(at, CodeShadows, "1 Sidecar of this name gives way to it, in Namespace %s", namespaces[0])
	case n > most:
		l.warn(at, CodeShadows, "%d Sidecars of this name give way to it, in Namespaces %s and %d more", n, strings.Join(namespaces[:most], ", "), n-most)
	case n > 1:
		l.warn(at, CodeShadows, "%d Sidecars of this name give way to it, in Namespaces %s", n, strings.Join(namespaces, ", "))
	}
}
