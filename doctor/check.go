package doctor

import (
	"slices"
)

// Check is one question about a cluster.
type Check struct {
	// Name is stable; Group is the heading that it stands under.
	Name, Group string
	// Title says what holds where nothing is found.
	Title string
	// Codes of what it may find.
	Codes []Code
	// needs are the kinds without which it cannot be answered; installed that Pillion must have been found.
	needs     []Kind
	installed bool
	look      func(*Snapshot, *findings)
}

// The groups, in the order of a report.
const (
	groupAccess       = "Access"
	groupCluster      = "Cluster"
	groupInstall      = "Installation"
	groupCertificates = "Certificates"
	groupReach        = "Reach"
	groupOthers       = "Other webhooks"
	groupCold         = "Cold start"
	groupCatalog      = "Catalog"
	groupNamespaces   = "Namespaces"
	groupPods         = "Pods"
)

// Checks lists all checks, in the order of a report.
func Checks() []Check {
	return []Check{
		readable(),
		serverVersion(), kubelets(), versions(),
		registered(), entriesOfWebhook(), validatingWebhook(), policies(), definitions(), deployments(), services(),
		bundles(), chains(), certificates(),
		reached(),
		othersFail(), othersTimeouts(), othersOrder(),
		ownPods(), waiting(), critical(), replicas(),
		catalogEntries(), outdated(),
		namespaceLabels(), namespaceDefaults(), excluded(),
		barePods(), engines(),
	}
}

// Kinds lists every kind that a check needs, once, in the order of need.
func Kinds() []Kind {
	var out []Kind
	for _, c := range Checks() {
		for _, k := range c.needs {
			if !slices.Contains(out, k) {
				out = append(out, k)
			}
		}
	}
	return out
}
