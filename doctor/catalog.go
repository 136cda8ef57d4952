package doctor

import (
	"encoding/json"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// storedEntry is what is read of an entry.
type storedEntry struct {
	metav1.TypeMeta
	metav1.ObjectMeta `json:"metadata"`

	Status v1alpha1.SidecarStatus `json:"status"`
}

func (e *storedEntry) object() string {
	s := strings.ToLower(e.Kind) + "/" + e.Name
	if e.Namespace != "" {
		s += " -n " + e.Namespace
	}
	return s
}

func (s *Snapshot) storedEntries() []storedEntry {
	var out []storedEntry
	for _, text := range s.Entries {
		var e storedEntry
		if json.Unmarshal(text, &e) == nil && e.DeletionTimestamp == nil {
			out = append(out, e)
		}
	}
	return out
}

// Check: every entry of the catalog is Ready.
func catalogEntries() Check {
	return Check{
		Name: "entries", Group: groupCatalog, Title: "every entry of the catalog is Ready", needs: []Kind{ClusterSidecars, Sidecars},
		Codes: []Code{
			{"D701", Error, "An entry is not Ready.", "Pods that ask for it are refused, or get an earlier revision."},
			{"D702", Warning, "An entry has no status, or one of an earlier spec.", "The controller, which writes it, does not look: it may be down, or have no rights."},
			{"D703", Warning, "A Namespace's Sidecar is hidden by an entry of the cluster.", "Pods that ask for it get the cluster's."},
		},
		look: func(s *Snapshot, f *findings) {
			all := s.storedEntries()
			for i := range all {
				e := &all[i]
				command := "kubectl describe " + strings.ToLower(e.Kind) + " " + e.Name
				if e.Namespace != "" {
					command += " -n " + e.Namespace
				}
				switch c := readyOf(e); {
				case c == nil || c.ObservedGeneration != e.Generation:
					f.add("D702", e.object(), "generation "+fmt.Sprint(e.Generation)+" is not judged yet", s.fixController())
				case c.Status == metav1.ConditionTrue:
				case c.Reason == v1alpha1.ReasonShadowed:
					f.add("D703", e.object(), oneLine(c.Message), todo("rename one of the two, or remove the Sidecar"))
				default:
					f.add("D701", e.object(), c.Reason+": "+oneLine(c.Message), do("mend the entry; pillion lint finds all its mistakes with their fields", command, "pillion lint --from-cluster FILE"))
				}
			}
		},
	}
}

func readyOf(e *storedEntry) *metav1.Condition {
	for i := range e.Status.Conditions {
		if e.Status.Conditions[i].Type == v1alpha1.ConditionReady {
			return &e.Status.Conditions[i]
		}
	}
	return nil
}

func (s *Snapshot) fixController() Fix {
	if s.Install == nil || s.Install.Namespace == "" {
		return todo("see that the controller runs")
	}
	return do("see that the controller runs", "kubectl -n "+s.Install.Namespace+" logs deployment/"+s.Install.controller()+" --tail 20")
}

// Check: Pods carry the revisions that the catalog has.
func outdated() Check {
	return Check{
		Name: "revisions", Group: groupCatalog, Title: "Pods carry the revisions that the catalog has", needs: []Kind{ClusterSidecars, Sidecars},
		Codes: []Code{
			{"D704", Note, "Pods carry an earlier revision of an entry, or one that somebody changed since.", "They get the catalog's when they are made anew."},
		},
		look: func(s *Snapshot, f *findings) {
			all := s.storedEntries()
			for i := range all {
				if n := all[i].Status.Pods; n.Outdated+n.Changed > 0 {
					f.add("D704", all[i].object(), fmt.Sprintf("%d outdated, %d changed, %d current", n.Outdated, n.Changed, n.Current), do("restart their workloads when it suits", "kubectl -n NAMESPACE rollout restart deployment/NAME"))
				}
			}
		},
	}
}
