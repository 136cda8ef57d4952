package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"gomodules.xyz/jsonpatch/v2"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// problem explains a mistake: where it is, the line there and what to do.
func (e *explainer) problem(t *trouble, a *answer) ExplainedError {
	out := ExplainedError{Place: placeOf(t.place), Path: t.path, Message: t.text}
	if t.object != nil && t.place.line > 0 {
		out.Line = t.object.doc.textOf(t.place.line)
	}
	switch {
	case t.cause == nil:
	case t.cause.Type == field.ErrorTypeRequired:
		out.Fix = e.fixRequired(t, a)
	case strings.Contains(t.text, "did you mean "):
		near, _, _ := strings.Cut(t.text[strings.Index(t.text, `did you mean "`)+len(`did you mean "`):], `"`)
		out.Fix = &ExplainedFix{Text: fmt.Sprintf("write %s for %v%s", near, t.cause.BadValue, onLine(t))}
	default:
		out.Fix = &ExplainedFix{Text: e.advice(t, a)}
	}
	return out
}

func onLine(t *trouble) string {
	if t.place.line == 0 {
		return " in " + t.place.file
	}
	return fmt.Sprintf(" on line %d", t.place.line)
}

// advice is what to do where there is no single answer.
func (e *explainer) advice(t *trouble, a *answer) string {
	key := annotationOf(t.cause.Field)
	if sidecar, _, ok := strings.Cut(strings.TrimPrefix(key, v1alpha1.Prefix), "."); ok && key != "" {
		return fmt.Sprintf("change the value%s; `pillion explain sidecar %s` tells what is valid", onLine(t), sidecar)
	}
	if key != "" {
		return "change the value" + onLine(t)
	}
	ask := "what is asked for"
	if asks := e.asks(a); asks != nil && asks.Place != nil {
		ask += " at " + asks.Place.String()
	}
	return fmt.Sprintf("change %s%s, or %s", t.path, onLine(t), ask)
}

// annotationOf gives the key of the annotation that a field path names; empty where it names another field.
func annotationOf(path string) string {
	key, ok := strings.CutPrefix(strings.TrimPrefix(path, "namespace."), "metadata.annotations[")
	if !ok {
		return ""
	}
	return strings.TrimSuffix(key, "]")
}

// fixRequired tells the line to add for a parameter that must be set.
func (e *explainer) fixRequired(t *trouble, a *answer) *ExplainedFix {
	key := annotationOf(t.cause.Field)
	sidecar, parameter, ok := strings.Cut(strings.TrimPrefix(key, v1alpha1.Prefix), ".")
	entry := e.entryOf(a, sidecar)
	if !ok || entry == nil {
		return &ExplainedFix{Text: fmt.Sprintf("set %s%s", t.path, strings.Replace(onLine(t), " on line", " below line", 1))}
	}
	decl := entry.Spec.Parameters[parameter]
	if strings.HasPrefix(t.place.file, "--") {
		return &ExplainedFix{Text: fmt.Sprintf("give --set %s.%s=VALUE, such as %s", sidecar, parameter, example(&decl))}
	}
	return e.annotate(a, key, example(&decl), "set the parameter, such as")
}

// example gives a value that looks like one of the parameter.
func example(p *v1alpha1.Parameter) string {
	for _, v := range []*v1alpha1.Value{p.Example, p.Default} {
		if v != nil && v.List != nil {
			return strings.Join(v.List, ",")
		}
		if v != nil {
			return v.Text
		}
	}
	switch {
	case len(p.Enum) > 0:
		return p.Enum[0]
	case p.Minimum != "":
		return p.Minimum
	case p.Items != nil:
		return exampleItem(p.Items)
	case p.Type == v1alpha1.TypeURL && len(p.Schemes) > 0:
		return p.Schemes[0] + "://example.com"
	}
	examples := map[v1alpha1.ParameterType]string{
		v1alpha1.TypePort: "8080", v1alpha1.TypeInteger: "1", v1alpha1.TypeBoolean: "true", v1alpha1.TypeURL: "http://example.com",
		v1alpha1.TypePath: "/path", v1alpha1.TypeDuration: "30s", v1alpha1.TypeQuantity: "64Mi",
		v1alpha1.TypeSecretName: "my-secret", v1alpha1.TypeConfigMapName: "my-configmap",
	}
	if v := examples[p.Type]; v != "" {
		return v
	}
	return anyValue
}

// exampleItem gives a list of one item.
func exampleItem(items *v1alpha1.Items) string {
	if len(items.Fields) == 0 {
		return example(&v1alpha1.Parameter{Bounds: items.Bounds})
	}
	var fields []string
	for _, name := range slices.Sorted(maps.Keys(items.Fields)) {
		if f := items.Fields[name]; f.Required || len(items.Fields) == 1 {
			fields = append(fields, name+"="+example(&v1alpha1.Parameter{Bounds: f}))
		}
	}
	return strings.Join(fields, ",")
}

// anyValue stands for a text that can be anything.
const anyValue = "VALUE"

// sample gives a value for a Pod that is tried: the default, an example, or one that looks valid.
func sample(p *v1alpha1.Parameter) string { return strings.ReplaceAll(example(p), anyValue, "value") }

// fixOf tells how to have sidecars injected into a Pod that gets none; nil where nothing is to be told.
func (e *explainer) fixOf(a *answer) *ExplainedFix {
	key := v1alpha1.AnnotationInject
	switch a.res.Reason {
	case sidecars.NotRequested:
		if _, asks := a.ns.Annotations[key]; asks && (a.ns.object != nil || a.object.doc.from.live != nil) && a.ns.Labels[v1alpha1.LabelInjection] == "" {
			return e.labelNamespace(a.ns)
		}
		if misplaced := a.object.texts("annotations")[key]; misplaced != "" && a.object.podPrefix != "" {
			return e.annotate(a, key, misplaced, "to have sidecars, ask on the pod template")
		}
		return e.annotate(a, key, "SIDECAR", e.howToAsk(a))
	case sidecars.OptedOut:
		ask := e.asks(a)
		if ask.Source == string(sidecars.FromNamespace) {
			return e.annotate(a, key, "SIDECAR", e.howToAsk(a))
		}
		return &ExplainedFix{Text: "to have sidecars, name them instead of " + v1alpha1.InjectFalse, Place: ask.Place}
	case sidecars.HostNetworkDefault, sidecars.WindowsDefault:
		return e.annotate(a, key, a.ns.Annotations[key], "such Pods get no defaults of their Namespace; to ask on the Pod itself")
	}
	return nil
}

// update tells how to bring a Pod up to date; nil where it is.
func update(told []*ExplainedSidecar) *ExplainedFix {
	for _, s := range told {
		for _, c := range s.Containers {
			if c.State == StateOutdated || c.State == StateChanged {
				return &ExplainedFix{Text: "to bring it up to date: pillion uninject FILE | pillion inject"}
			}
		}
	}
	return nil
}

func (e *explainer) howToAsk(a *answer) string {
	return "to have sidecars, where SIDECAR is any of " + strings.Join(e.catalog.Names(a.ns.Name), ", ")
}

// entryOf gives the entry that the Pod would get by that name; nil where there is none.
func (e *explainer) entryOf(a *answer, name string) *sidecars.Entry {
	namespace := ""
	if a != nil {
		namespace = a.ns.Name
	}
	return e.catalog.Entry(namespace, name)
}

// annotate tells the lines that an annotation on the Pod takes.
func (e *explainer) annotate(a *answer, key, value, why string) *ExplainedFix {
	if live := a.object.doc.from.live; live != nil {
		return live.annotate(key, value, why)
	}
	var one annotations
	one.add(key, value)
	ops, _, err := one.write(a.object.pod)
	if err != nil {
		return &ExplainedFix{Text: why + ": " + key + ": " + value}
	}
	return a.object.lines(sidecars.Below(a.object.podPointer, ops), why)
}

func (e *explainer) labelNamespace(ns *namespace) *ExplainedFix {
	if ns.object == nil {
		return &ExplainedFix{Text: "to let the Namespace ask for its Pods, label it", Field: "metadata.labels[" + v1alpha1.LabelInjection + "]",
			Commands: []string{"kubectl label namespace " + ns.Name + " " + v1alpha1.LabelInjection + "=" + v1alpha1.InjectionEnabled}}
	}
	value := jsonpatch.NewOperation("add", "/metadata/labels", map[string]string{v1alpha1.LabelInjection: v1alpha1.InjectionEnabled})
	if ns.object.values("labels") != nil {
		value = jsonpatch.NewOperation("add", "/metadata/labels"+sidecars.FieldPointer("["+v1alpha1.LabelInjection+"]"), v1alpha1.InjectionEnabled)
	}
	ops := sidecars.Below(ns.object.at, []jsonpatch.Operation{value})
	return ns.object.lines(ops, "to let the Namespace ask for its Pods, label it")
}

// lines tells the lines of a document that operations add or change.
func (o *object) lines(ops []jsonpatch.Operation, why string) *ExplainedFix {
	out := &ExplainedFix{Text: why}
	after, err := o.doc.Patch(ops)
	if err != nil || after.Reencoded() {
		out.Text += ": " + fmt.Sprint(ops)
		return out
	}
	at, changed := o.doc.FirstLine()-1, 0
	for _, l := range edits(o.doc.Bytes(), after.Bytes()) {
		switch {
		case l.op == '+':
			out.Lines = append(out.Lines, strings.TrimRight(l.text, "\r\n"))
		case l.op == '-':
			changed++
			at++
		case l.op == ' ' && len(out.Lines) == 0:
			at++
		}
	}
	out.Place, out.Replace = &ExplainedPlace{o.doc.Name(), at}, changed > 0
	return out
}

// textOf gives the text of a line of the stream; empty where it is not in the document.
func (d *document) textOf(line int) string {
	lines := slices.Collect(strings.Lines(string(d.Bytes())))
	if i := line - d.FirstLine(); i >= 0 && i < len(lines) {
		return strings.TrimRight(lines[i], "\r\n")
	}
	return ""
}
