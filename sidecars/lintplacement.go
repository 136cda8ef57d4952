package sidecars

import "github.com/pillion-dev/pillion/api/v1alpha1"

// Rule: an ordinary container is one that a Job waits for; whoever places one should know.
// Reads: placement of every container.
// Golden: none, see TestLint.
func (l *linter) placement() {
	for i := range l.entry.containers {
		if c := &l.entry.containers[i]; c.place == v1alpha1.PlacementRegular {
			l.warn(l.entry.containerPath(c.name).Child("placement"), CodeRegularPlacement, "an ordinary container keeps the Pod of a Job from ending")
		}
	}
}
