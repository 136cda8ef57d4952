package controller

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// PathWorkloads is where the API server posts reviews of Deployments, StatefulSets, DaemonSets, Jobs and CronJobs.
const PathWorkloads = "/workloads"

// adviser tells whoever writes a workload what will become of its Pods, by warnings. Warnings about the Pods themselves reach
// only the controller that creates them. It never refuses anything: where it cannot tell, it says nothing.
type adviser struct {
	entries    *Entries
	namespaces *Namespaces
	// own is Pillion's Namespace, in which nothing is injected.
	own string
}

func (a *adviser) handler() http.Handler { return bounded(&admission.Webhook{Handler: a}) }

// Handle answers one review.
func (a *adviser) Handle(_ context.Context, req admission.Request) (answer admission.Response) {
	defer func() {
		if p := recover(); p != nil {
			_ = panicked(p)
			answer = admission.Allowed("")
		}
	}()
	if !a.entries.cluster.isSynced() || !a.entries.spaces.isSynced() || !a.namespaces.isSynced() {
		return admission.Allowed("")
	}
	now, ok := readWorkload(&req, req.Object.Raw)
	if !ok {
		return admission.Allowed("")
	}
	if was, ok := readWorkload(&req, req.OldObject.Raw); ok && req.Operation == admissionv1.Update && was.same(now) {
		return admission.Allowed("") // said before
	}
	return admission.Allowed("").WithWarnings(texts(a.advise(now, req.Namespace))...)
}

// workload is what matters of one.
type workload struct {
	kind string
	// path leads to the pod template, as spec.template.
	path string
	// annotations of the workload itself; template is the JSON of its pod template.
	annotations map[string]string
	template    jsontext.Value
}

// readWorkload reads a workload; false where there is none, or none that the API server would take.
func readWorkload(req *admission.Request, raw []byte) (*workload, bool) {
	version := req.Kind.Version
	if req.Kind.Group != "" {
		version = req.Kind.Group + "/" + version
	}
	pointer, ok := sidecars.PodPointer(version, req.Kind.Kind)
	if !ok || pointer == "" || len(raw) == 0 {
		return nil, false
	}
	words := strings.Split(pointer[1:], "/")
	w := &workload{kind: req.Kind.Kind, path: strings.Join(words, "."), template: raw}
	var own struct {
		Metadata struct {
			Annotations map[string]string `json:"annotations"`
		} `json:"metadata"`
	}
	if json.Unmarshal(raw, &own, sidecars.DecodeOptions()) != nil {
		return nil, false
	}
	w.annotations = own.Metadata.Annotations
	for _, word := range words {
		var members map[string]jsontext.Value
		if json.Unmarshal(w.template, &members, sidecars.DecodeOptions()) != nil || members[word] == nil {
			return nil, false
		}
		w.template = members[word]
	}
	return w, true
}

// same reports whether two versions of a workload have the same template and the same words for Pillion. Then it is the
// number of replicas or the like that changes.
func (w *workload) same(o *workload) bool {
	a, b := w.template.Clone(), o.template.Clone()
	if a.Canonicalize() != nil || b.Canonicalize() != nil || string(a) != string(b) {
		return false
	}
	return strings.Join(w.misplaced(), " ") == strings.Join(o.misplaced(), " ")
}

// misplaced lists Pillion's annotations on the workload itself, sorted.
func (w *workload) misplaced() []string {
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(w.annotations)) {
		if strings.HasPrefix(key, v1alpha1.Prefix) {
			keys = append(keys, key)
		}
	}
	return keys
}

// advise says what will become of the workload's Pods, where that is not what its author wants.
func (a *adviser) advise(w *workload, namespace string) []sidecars.Warning {
	pod, err := sidecars.ReadPod(w.template)
	if err != nil {
		return nil
	}
	var out []sidecars.Warning
	for _, key := range w.misplaced() {
		if _, there := pod.Metadata.Annotations.Ours[key]; !there {
			out = append(out, sidecars.Warning{Code: CodeMisplaced, Text: fmt.Sprintf("%s counts only in %s.metadata.annotations: move it there", key, w.path)})
		}
	}
	ns := a.namespaces.facts(namespace)
	res := sidecars.Inject(a.entries.Catalog(), pod, ns)
	if res.Outcome == sidecars.Skipped {
		return append(out, res.Warnings...)
	}
	if namespace == systemNamespace || namespace == a.own {
		return append(out, sidecars.Warning{Code: CodeLeftAlone, Text: fmt.Sprintf("Pods get no sidecars: Pillion leaves Namespace %s alone", namespace)})
	}
	if res.Outcome == sidecars.Denied {
		for _, e := range res.Errors {
			out = append(out, sidecars.Warning{Code: CodeWillBeRefused, Text: "Pods refused: " + placed(w.path, e)})
		}
	}
	return append(out, res.Warnings...)
}

// systemNamespace is the Namespace that Pillion leaves alone in every cluster.
const systemNamespace = "kube-system"

// placed words a Pod's error as one of the workload. A warning is short, so an annotation's key stands for its path.
func placed(path string, e *field.Error) string {
	where := path + "." + e.Field
	if key, ok := strings.CutPrefix(e.Field, "metadata.annotations["); ok {
		where = strings.TrimSuffix(key, "]")
	} else if key, ok := strings.CutPrefix(e.Field, "namespace.metadata.annotations["); ok {
		where = "the Namespace's " + strings.TrimSuffix(key, "]")
	}
	if value, ok := e.BadValue.(string); ok && e.Type == field.ErrorTypeInvalid {
		return fmt.Sprintf("%s: %q: %s", where, value, oneLine(e.Detail))
	}
	return where + ": " + oneLine(e.ErrorBody())
}
