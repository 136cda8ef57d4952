package doctor

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

type meta = metav1.PartialObjectMetadata

// optedIn reports whether a Namespace asks for its Pods.
func (s *Snapshot) optedIn(ns *meta) bool {
	label := ns.Labels[v1alpha1.LabelInjection]
	return label == v1alpha1.InjectionEnabled || label == v1alpha1.InjectionRequired
}

// ExcludedBy says why nothing is injected in a Namespace; empty where something is.
func (s *Snapshot) ExcludedBy(name string) string {
	switch {
	case name == kubeSystem:
		return "it is " + kubeSystem
	case s.Install != nil && name == s.Install.Namespace:
		return "it is Pillion's own"
	}
	c := s.configuration()
	if c == nil {
		return ""
	}
	for i := range c.Webhooks {
		if matches(c.Webhooks[i].NamespaceSelector, s.labelsOf(name)) {
			return ""
		}
	}
	return "no entry of the webhook selects it: the value admission.excludedNamespaces"
}

// Check: Namespaces ask in words that are understood.
func namespaceLabels() Check {
	return Check{
		Name: "namespace-labels", Group: groupNamespaces, Title: "the labels and annotations of Namespaces are understood", needs: []Kind{Namespaces},
		Codes: []Code{
			{"D801", Error, "The label pillion.dev/injection of a Namespace has a value that is not understood.", "It counts as if it were absent: the Namespace's annotations are not followed."},
			{"D802", Warning, "A Namespace asks by annotation and is not labelled.", "Without the label pillion.dev/injection its annotations do not count."},
			{"D803", Warning, "A label or annotation below pillion.dev/ on a Namespace means nothing.", "Whoever wrote it meant something else."},
		},
		look: func(s *Snapshot, f *findings) {
			for i := range s.Namespaces {
				ns := &s.Namespaces[i]
				object := "namespace/" + ns.Name
				value, has := ns.Labels[v1alpha1.LabelInjection]
				switch {
				case has && !s.optedIn(ns):
					want := v1alpha1.InjectionEnabled
					if strings.HasPrefix(strings.ToLower(value), "req") {
						want = v1alpha1.InjectionRequired
					}
					f.add("D801", object, fmt.Sprintf("%s=%s; valid are %s and %s", v1alpha1.LabelInjection, value, v1alpha1.InjectionEnabled, v1alpha1.InjectionRequired), labelFix(ns.Name, want, true))
				case !has && ns.Annotations[v1alpha1.AnnotationInject] != "" && s.ExcludedBy(ns.Name) == "":
					f.add("D802", object, fmt.Sprintf("it says %s: %s, which does not count", v1alpha1.AnnotationInject, ns.Annotations[v1alpha1.AnnotationInject]), labelFix(ns.Name, v1alpha1.InjectionEnabled, false))
				}
				misplacedKeys(ns, object, f)
			}
		},
	}
}

func labelFix(namespace, value string, overwrite bool) Fix {
	command := "kubectl label namespace " + namespace + " " + v1alpha1.LabelInjection + "=" + value
	if overwrite {
		command += " --overwrite"
	}
	return do("label it; Pods that are there already get their sidecars when they are made anew", command)
}

// misplacedKeys finds labels that are annotations, annotations that are labels, and keys that are neither.
func misplacedKeys(ns *meta, object string, f *findings) {
	for _, key := range sortedKeys(ns.Labels) {
		if !strings.HasPrefix(key, v1alpha1.Prefix) || key == v1alpha1.LabelInjection {
			continue
		}
		fix := do("take it off; "+v1alpha1.LabelInjection+" is the only label of a Namespace", "kubectl label namespace "+ns.Name+" "+key+"-")
		if value := ns.Labels[key]; (key == v1alpha1.AnnotationInject || key == v1alpha1.Prefix+"inject") && (value == v1alpha1.InjectionEnabled || value == v1alpha1.InjectionRequired || value == "true") {
			fix = do("the label is "+v1alpha1.LabelInjection, "kubectl label namespace "+ns.Name+" "+key+"- "+v1alpha1.LabelInjection+"="+strings.Replace(value, "true", v1alpha1.InjectionEnabled, 1))
		}
		f.add("D803", object, "the label "+key+"="+ns.Labels[key]+" means nothing", fix)
	}
	for _, key := range sortedKeys(ns.Annotations) {
		rest, is := strings.CutPrefix(key, v1alpha1.Prefix)
		if !is || key == v1alpha1.AnnotationInject || key == v1alpha1.AnnotationFailurePolicy || strings.Contains(rest, ".") {
			continue
		}
		fix := do("take it off; a Namespace may have "+v1alpha1.AnnotationInject+", "+v1alpha1.AnnotationFailurePolicy+" and "+v1alpha1.Prefix+"SIDECAR.PARAMETER", "kubectl annotate namespace "+ns.Name+" "+key+"-")
		if key == v1alpha1.LabelInjection {
			fix = do("it is a label", "kubectl annotate namespace "+ns.Name+" "+key+"-", "kubectl label namespace "+ns.Name+" "+key+"="+ns.Annotations[key])
		}
		f.add("D803", object, "the annotation "+key+": "+ns.Annotations[key]+" means nothing", fix)
	}
}

func sortedKeys(m map[string]string) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// Check: what Namespaces ask for on behalf of their Pods can be had.
func namespaceDefaults() Check {
	return Check{
		Name: "namespace-defaults", Group: groupNamespaces, Title: "what Namespaces ask for can be had", needs: []Kind{Namespaces, ClusterSidecars, Sidecars},
		Codes: []Code{
			{"D804", Error, "A Namespace asks for what its Pods cannot be given.", "Every Pod in it that does not opt out is refused, or with failure-policy Ignore runs without sidecars."},
		},
		look: func(s *Snapshot, f *findings) {
			for i := range s.Namespaces {
				ns := &s.Namespaces[i]
				if !s.optedIn(ns) || s.ExcludedBy(ns.Name) != "" || s.Catalog == nil || ns.DeletionTimestamp != nil {
					continue
				}
				res := s.inject(ns, nil)
				if res == nil || res.Outcome != sidecars.Denied && res.Outcome != sidecars.Ignored {
					continue
				}
				for _, e := range res.Errors {
					if path, own := strings.CutPrefix(e.Field, "namespace."); own {
						f.add("D804", "namespace/"+ns.Name, path+": "+e.ErrorBody(), do("mend the annotation; pillion explain sidecar tells what is valid", "kubectl annotate namespace "+ns.Name+" "+annotationIn(path)+"=VALUE --overwrite"))
						continue
					}
					if key := annotationIn(e.Field); strings.Contains(key, ".") {
						f.add("D804", "namespace/"+ns.Name, "its Pods cannot be injected until there is "+key+": "+e.ErrorBody(), do("set it for the Namespace, unless every Pod does", "kubectl annotate namespace "+ns.Name+" "+key+"=VALUE"))
					}
				}
			}
		},
	}
}

// annotationIn gives the annotation that a field path names.
func annotationIn(path string) string {
	_, key, _ := strings.Cut(path, "[")
	return strings.TrimSuffix(key, "]")
}

// inject asks the core about an ordinary Pod of a Namespace, with some annotations.
func (s *Snapshot) inject(ns *meta, annotations map[string]string) *sidecars.Result {
	pod, err := sidecars.ReadPod(TrialPod(ns.Name, annotations))
	if err != nil {
		return nil
	}
	return sidecars.Inject(s.Catalog, pod, &sidecars.Namespace{Name: ns.Name, Labels: ns.Labels, Annotations: ns.Annotations})
}

// Check: no Namespace asks in vain.
func excluded() Check {
	return Check{
		Name: "excluded-namespaces", Group: groupNamespaces, Title: "no Namespace that is left out asks for sidecars", needs: []Kind{Namespaces, MutatingWebhooks},
		Codes: []Code{
			{"D805", Warning, "A Namespace asks for sidecars in which nothing is injected.", "Its Pods run without them, and nobody is told."},
		},
		look: func(s *Snapshot, f *findings) {
			if s.configuration() == nil {
				return
			}
			for i := range s.Namespaces {
				ns := &s.Namespaces[i]
				if why := s.ExcludedBy(ns.Name); why != "" && (s.optedIn(ns) || ns.Annotations[v1alpha1.AnnotationInject] != "") {
					f.add("D805", "namespace/"+ns.Name, "nothing is injected here: "+why, excludedFix(s, ns))
				}
			}
		},
	}
}

// excludedFix takes off what is there. Only a Namespace that is left out by configuration can be taken in.
func excludedFix(s *Snapshot, ns *meta) Fix {
	fix := do("take off what asks")
	if ns.Name != kubeSystem && (s.Install == nil || ns.Name != s.Install.Namespace) {
		fix.Text += ", or take the Namespace out of the value admission.excludedNamespaces"
	}
	if _, has := ns.Labels[v1alpha1.LabelInjection]; has {
		fix.Commands = append(fix.Commands, "kubectl label namespace "+ns.Name+" "+v1alpha1.LabelInjection+"-")
	}
	if _, has := ns.Annotations[v1alpha1.AnnotationInject]; has {
		fix.Commands = append(fix.Commands, "kubectl annotate namespace "+ns.Name+" "+v1alpha1.AnnotationInject+"-")
	}
	return fix
}
