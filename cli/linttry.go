package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// try has the API server take a Pod with each entry that is good otherwise, in a dry run: a Sidecar in its own Namespace, a
// ClusterSidecar in the one given.
func (l *linting) try(ctx context.Context, a *app, r *lintResult) error {
	server, err := l.connect(a)
	if err != nil {
		return err
	}
	for name, d := range r.files.documents() {
		text, err := d.JSON()
		if err != nil {
			continue
		}
		e, errs := sidecars.Parse(text)
		if len(errs) > 0 || len(e.Prove()) > 0 {
			continue
		}
		place := &ExplainedPlace{r.files.names[name], d.Line("/spec")}
		namespace := l.triedIn(e)
		pod, err := podWith(e)
		if err != nil {
			a.note("%s: %s is not tried on the API server: %v", place, e.Name, err)
			continue
		}
		warnings, err := server.DryRun(ctx, namespace, pod)
		if err != nil {
			if !refusal(err) {
				return fmt.Errorf("cluster: try %s in Namespace %s: %w", e.Name, namespace, err)
			}
			r.found(&LintFinding{Severity: SeverityError, Place: place, Path: "spec", Message: fmt.Sprintf("the API server refuses a Pod with it in Namespace %s: %v", namespace, err)})
		}
		for _, w := range warnings {
			r.found(&LintFinding{Severity: SeverityWarning, Place: place, Path: "spec", Message: fmt.Sprintf("the API server warns of a Pod with it in Namespace %s: %s", namespace, w)})
		}
	}
	return nil
}

func (l *linting) triedIn(e *sidecars.Entry) string {
	switch {
	case e.Namespace != "":
		return e.Namespace
	case l.namespace != "":
		return l.namespace
	}
	return l.own
}

// refusal reports whether the Pod is to blame, and not the user's rights, the Namespace or the way there.
func refusal(err error) bool {
	says := err.Error()
	return apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) ||
		apierrors.IsForbidden(err) && !strings.Contains(says, "cannot create resource") ||
		strings.Contains(says, "denied the request") || strings.Contains(says, "denied request") // a webhook, or a policy, may use any code
}

// triedContainer is an app that meets Pod Security level restricted and states what an entry may take from it.
const triedContainer = `"image":"registry.invalid/app:1","resources":{"requests":{"cpu":"100m","memory":"64Mi"}},` +
	`"securityContext":{"runAsUser":1000,"runAsGroup":1000,"runAsNonRoot":true,"allowPrivilegeEscalation":false,` +
	`"capabilities":{"drop":["ALL"]},"seccompProfile":{"type":"RuntimeDefault"}}`

// podWith gives a Pod with the entry injected, at defaults and examples, whatever Namespaces it is offered to. It opts out, so
// that a webhook in the cluster leaves it as it is.
func podWith(e *sidecars.Entry) ([]byte, error) {
	spec := *e.Spec
	spec.NamespaceSelector = nil
	offered, errs := sidecars.Compile(e.Name, &spec)
	if len(errs) > 0 {
		return nil, errs.ToAggregate()
	}
	annotations := map[string]string{v1alpha1.AnnotationInject: e.Name}
	for name, p := range spec.Parameters {
		if p.Required {
			annotations[v1alpha1.Prefix+e.Name+"."+name] = sample(&p)
		}
	}
	bare := []byte(`{"apiVersion":"v1","kind":"Pod","metadata":{"generateName":"pillion-lint-","annotations":`)
	bare = append(bare, jsonOf(annotations)...)
	bare = append(bare, `},"spec":{"containers":[`...)
	for i, name := range appContainers(&spec) {
		if i > 0 {
			bare = append(bare, ',')
		}
		bare = append(append(bare, `{"name":`...), quoteJSON(nil, name)...)
		bare = append(append(bare, ','), triedContainer+"}"...)
	}
	bare = append(bare, `]}}`...)
	pod, err := sidecars.ReadPod(bare)
	if err != nil {
		return nil, err
	}
	res := sidecars.Inject(sidecars.NewCatalog(offered), pod, &sidecars.Namespace{Name: "default"})
	if res.Outcome != sidecars.Injected {
		return nil, res.Errors.ToAggregate()
	}
	text, err := applied(bare, res.Patch)
	if err != nil {
		return nil, err
	}
	return optedOut(text)
}

func jsonOf(m map[string]string) []byte {
	text, err := json.Marshal(m)
	if err != nil {
		return []byte("{}")
	}
	return text
}

// optedOut takes out what asks and what tells that the Pod is injected, but not the files, and has it opt out.
func optedOut(text []byte) ([]byte, error) {
	var pod map[string]json.RawMessage
	var meta map[string]json.RawMessage
	annotations := map[string]string{}
	if err := json.Unmarshal(text, &pod); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(pod["metadata"], &meta); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(meta["annotations"], &annotations); err != nil {
		return nil, err
	}
	for key := range annotations {
		if strings.HasPrefix(key, v1alpha1.Prefix) && !strings.HasPrefix(key, v1alpha1.AnnotationFilePrefix) {
			delete(annotations, key)
		}
	}
	annotations[v1alpha1.AnnotationInject] = v1alpha1.InjectFalse
	delete(meta, "labels")
	meta["annotations"] = jsonOf(annotations)
	var err error
	if pod["metadata"], err = json.Marshal(meta); err != nil {
		return nil, err
	}
	return json.Marshal(pod)
}

// appContainers names the app containers that an entry speaks of, or app.
func appContainers(spec *v1alpha1.SidecarSpec) []string {
	names := []string{"app"}
	add := func(texts ...string) {
		for _, text := range texts {
			if name, ok := strings.CutPrefix(text, "$(params."); ok {
				p := spec.Parameters[strings.TrimSuffix(name, ")")]
				text = sample(&p)
			}
			for name := range strings.SplitSeq(text, ",") {
				if len(validation.IsDNS1123Label(name)) == 0 && !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
		}
	}
	add(spec.RunAsUserOf)
	for _, v := range spec.Volumes {
		for _, s := range v.Share {
			add(s.Containers...)
		}
	}
	for _, e := range spec.AppEnv {
		add(e.Containers...)
	}
	return names
}
