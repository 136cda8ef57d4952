package doctor

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// annotationMirror marks the API server's picture of a static Pod.
const annotationMirror = "kubernetes.io/config.mirror"

// PodFacts are what a Pod's metadata does not tell.
type PodFacts struct {
	// Ended Pods run no more. Exempt ones are on the host network or for Windows, so that only their own request counts.
	Ended, Exempt bool
}

// Concerns reports whether a Pod is worth keeping in a Snapshot: it asks, or its Namespace may ask for it.
func (s *Snapshot) Concerns(pod *metav1.PartialObjectMetadata) bool {
	_, asks := pod.Annotations[v1alpha1.AnnotationInject]
	return asks || s.defaultOf(pod.Namespace) != ""
}

// defaultOf is what a Namespace asks for on behalf of its Pods.
func (s *Snapshot) defaultOf(namespace string) string {
	ns := s.namespace(namespace)
	if ns == nil || !s.optedIn(ns) || s.ExcludedBy(namespace) != "" {
		return ""
	}
	return ns.Annotations[v1alpha1.AnnotationInject]
}

// lacking lists the sidecars that a Pod asks for and has not; own reports whether it asks itself.
func (s *Snapshot) lacking(pod *meta) (names []string, own bool) {
	asks, own := pod.Annotations[v1alpha1.AnnotationInject]
	if !own {
		asks = s.defaultOf(pod.Namespace)
	}
	if strings.TrimSpace(asks) == v1alpha1.InjectFalse || pod.Annotations[annotationMirror] != "" || s.ExcludedBy(pod.Namespace) != "" {
		return nil, own
	}
	var status v1alpha1.Status
	_ = json.Unmarshal([]byte(pod.Annotations[v1alpha1.AnnotationStatus]), &status)
	for name := range strings.SplitSeq(asks, ",") {
		name = strings.TrimSpace(name)
		if name != "" && !slices.ContainsFunc(status.Sidecars, func(i v1alpha1.InjectedSidecar) bool { return i.Name == name }) {
			names = append(names, name)
		}
	}
	return names, own
}

// Suspects lists Pods that may lack what they ask for, at most so many: their facts are worth asking for.
func (s *Snapshot) Suspects(most int) []*metav1.PartialObjectMetadata {
	var out []*metav1.PartialObjectMetadata
	for i := range s.Pods {
		if names, _ := s.lacking(&s.Pods[i]); len(names) > 0 && len(out) < most {
			out = append(out, &s.Pods[i])
		}
	}
	return out
}

// Key is namespace/name of a Pod.
func Key(pod *metav1.PartialObjectMetadata) string { return pod.Namespace + "/" + pod.Name }

// Check: every Pod that asks for sidecars has them.
func barePods() Check {
	return Check{
		Name: "bare-pods", Group: groupPods, Title: "every Pod that asks for sidecars has them", needs: []Kind{Pods, Namespaces, MutatingWebhooks},
		Codes: []Code{
			{"D901", Warning, "Pods ask for sidecars and run without them.", "They were made before the Namespace or the template asked, before the webhook was there, or while it was down."},
		},
		look: func(s *Snapshot, f *findings) {
			type bare struct {
				pods, sidecars []string
				ignores, older bool
				first          *meta
			}
			by, order := map[string]*bare{}, []string{}
			for i := range s.Pods {
				pod := &s.Pods[i]
				lacks, own := s.lacking(pod)
				facts, known := s.Facts[Key(pod)]
				if len(lacks) == 0 || !known && s.Facts != nil || facts.Ended || facts.Exempt && !own || pod.DeletionTimestamp != nil {
					continue
				}
				object := Owner(pod)
				b := by[object]
				if b == nil {
					b = &bare{first: pod}
					by[object], order = b, append(order, object)
				}
				b.pods, b.sidecars = append(b.pods, pod.Name), append(b.sidecars, lacks...)
				b.ignores = b.ignores || pod.Annotations[v1alpha1.AnnotationFailurePolicy] == v1alpha1.FailurePolicyIgnore
				b.older = b.older || s.older(pod)
			}
			for _, object := range order {
				b := by[object]
				slices.Sort(b.sidecars)
				what := fmt.Sprintf("%s without %s: %s", count(len(b.pods), "Pod runs", "Pods run"), strings.Join(slices.Compact(b.sidecars), ", "), names(b.pods))
				switch {
				case b.older:
					what += "; made before the webhook was registered"
				case b.ignores:
					what += "; " + v1alpha1.AnnotationFailurePolicy + ": Ignore lets them"
				}
				f.add("D901", object, what, Restart(b.first))
			}
		},
	}
}

// older reports whether a Pod was made before the webhook was registered.
func (s *Snapshot) older(pod *meta) bool {
	c := s.configuration()
	return c != nil && !pod.CreationTimestamp.IsZero() && pod.CreationTimestamp.Before(&c.CreationTimestamp)
}

// Owner names the workload that makes a Pod, or the Pod itself, as kubectl does.
func Owner(pod *metav1.PartialObjectMetadata) string {
	kind, name := ownerOf(pod)
	if kind == "" {
		kind, name = "pod", pod.Name
	}
	return strings.ToLower(kind) + "/" + name + " -n " + pod.Namespace
}

// ownerOf gives kind and name of the workload that makes a Pod; of a ReplicaSet that a Deployment made, the Deployment's.
func ownerOf(pod *meta) (kind, name string) {
	ref := metav1.GetControllerOfNoCopy(pod)
	if ref == nil {
		return "", ""
	}
	if hash := pod.Labels["pod-template-hash"]; ref.Kind == "ReplicaSet" && hash != "" && strings.HasSuffix(ref.Name, "-"+hash) {
		return "Deployment", strings.TrimSuffix(ref.Name, "-"+hash)
	}
	return ref.Kind, ref.Name
}

// Restart says how a Pod is made anew.
func Restart(pod *metav1.PartialObjectMetadata) Fix {
	switch kind, name := ownerOf(pod); kind {
	case "Deployment", "StatefulSet", "DaemonSet":
		return do("have its Pods made anew", "kubectl -n "+pod.Namespace+" rollout restart "+strings.ToLower(kind)+"/"+name)
	case "ReplicaSet", "ReplicationController", "Job":
		return do("delete the Pod: its "+kind+" makes another", "kubectl -n "+pod.Namespace+" delete pod "+pod.Name)
	case "":
		return do("make the Pod anew: nobody else does", "kubectl -n "+pod.Namespace+" get pod "+pod.Name+" -o yaml > pod.yaml", "kubectl -n "+pod.Namespace+" replace --force -f pod.yaml")
	default:
		return todo("have %s %s make the Pod anew", kind, name)
	}
}

// engine makes Pods and takes a refusal as final.
type engine struct {
	group, kind string
	name, what  string
}

// knownEngines are those whose behaviour is known from their source or their issues.
func knownEngines() []engine {
	return []engine{
		{"argoproj.io", "Workflow", "Argo Workflows", "the step fails unless it has a retryStrategy with retryPolicy Always or OnError"},
		{"tekton.dev", "TaskRun", "Tekton", "the TaskRun fails; retries of a PipelineTask make another"},
		{"sparkoperator.k8s.io", "SparkApplication", "Spark", "the application fails unless its restartPolicy says otherwise"},
	}
}

// Check: engines that make Pods themselves know what a refusal is.
func engines() Check {
	return Check{
		Name: "engines", Group: groupPods, Title: "whoever makes Pods that ask tries again where one is refused", needs: []Kind{Pods, Namespaces, MutatingWebhooks},
		Codes: []Code{
			{"D902", Note, "Pods that ask for sidecars are made by something that takes a refusal as final.", "While the webhook is down such Pods are refused rather than run without their sidecars. Deployments, StatefulSets, DaemonSets and Jobs try again until it is back; these do not."},
		},
		look: func(s *Snapshot, f *findings) {
			seen := map[string]bool{}
			var order []Finding
			for i := range s.Pods {
				pod := &s.Pods[i]
				who, what := finalOwner(pod)
				if what == "" || !s.asks(pod) || s.ExcludedBy(pod.Namespace) != "" {
					continue
				}
				if key := pod.Namespace + " " + who; !seen[key] {
					seen[key] = true
					order = append(order, Finding{Object: "namespace/" + pod.Namespace, Message: what})
				}
			}
			for _, o := range order {
				f.add("D902", o.Object, o.Message, do("where such a Pod may rather run without its sidecars than not at all, say so on it; not where its Namespace requires them",
					"kubectl annotate --local -f FILE "+v1alpha1.AnnotationFailurePolicy+"=Ignore -o yaml"))
			}
		},
	}
}

func (s *Snapshot) asks(pod *meta) bool {
	asks, own := pod.Annotations[v1alpha1.AnnotationInject]
	if !own {
		asks = s.defaultOf(pod.Namespace)
	}
	asks = strings.TrimSpace(asks)
	return asks != "" && asks != v1alpha1.InjectFalse
}

// finalOwner says who makes a Pod and does not try again, and what follows; empty where it does.
func finalOwner(pod *meta) (who, what string) {
	ref := metav1.GetControllerOfNoCopy(pod)
	if ref == nil {
		if pod.Annotations[annotationMirror] != "" {
			return "", ""
		}
		return "nobody", "Pods without an owner, such as " + pod.Name + ": whoever makes one gets the refusal, and nobody makes it later (kubectl, Airflow and GitLab runners are such)"
	}
	group, _, _ := strings.Cut(ref.APIVersion, "/")
	for _, e := range knownEngines() {
		if e.group == group && e.kind == ref.Kind {
			return e.name, e.name + " makes Pods such as " + pod.Name + ": where one is refused, " + e.what
		}
	}
	return "", ""
}
