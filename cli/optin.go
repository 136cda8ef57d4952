package cli

import (
	stdjson "encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	evanphx "github.com/evanphx/json-patch/v5"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"
	"gomodules.xyz/jsonpatch/v2"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// optIn asks for sidecars on behalf of the files: --with and --set.
type optIn struct {
	with []string
	sets []string
	// values by annotation key, from sets; keys in the order given.
	values map[string]string
	keys   []string
}

func (s *optIn) flags(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&s.with, "with", nil, "ask for these sidecars on every Pod and template that does not opt out")
	cmd.Flags().StringArrayVar(&s.sets, "set", nil, "set a parameter where its sidecar is asked for: sidecar.parameter=value[,...]")
}

func (s *optIn) empty() bool { return s == nil || len(s.with)+len(s.keys) == 0 }

// check reads the flags against the catalog.
func (s *optIn) check(catalog *sidecars.Catalog) error {
	s.values = map[string]string{}
	for i, name := range s.with {
		s.with[i] = strings.TrimSpace(name)
		if len(named(catalog, s.with[i])) == 0 {
			return fmt.Errorf("--with %q: %s", s.with[i], unknown(catalog, s.with[i], "no such sidecar"))
		}
	}
	for _, text := range s.sets {
		for _, one := range splitSettings(text, catalog) {
			if err := s.add(one, catalog); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *optIn) add(text string, catalog *sidecars.Catalog) error {
	name, value, ok := strings.Cut(text, "=")
	sidecar, parameter, dotted := strings.Cut(name, ".")
	if !ok || !dotted {
		return usagef("--set %q: want sidecar.parameter=value", text)
	}
	entries := named(catalog, sidecar)
	if len(entries) == 0 {
		return fmt.Errorf("--set %s: %s", name, unknown(catalog, sidecar, fmt.Sprintf("no sidecar %q", sidecar)))
	}
	if !slices.ContainsFunc(entries, func(e *sidecars.Entry) bool { _, ok := e.Spec.Parameters[parameter]; return ok }) {
		valid := strings.Join(slices.Sorted(maps.Keys(entries[0].Spec.Parameters)), ", ")
		return fmt.Errorf("--set %s: sidecar %s has no parameter %q; it has %s", name, sidecar, parameter, valid)
	}
	key := v1alpha1.Prefix + name
	if _, twice := s.values[key]; !twice {
		s.keys = append(s.keys, key)
	}
	s.values[key] = value
	return nil
}

var setting = regexp.MustCompile(`,([a-z0-9-]+)\.[a-z0-9-]+=`)

// splitSettings splits at the commas that a sidecar of the catalog and a parameter follow; others belong to a value.
func splitSettings(text string, catalog *sidecars.Catalog) []string {
	var out []string
	start := 0
	for _, at := range setting.FindAllStringSubmatchIndex(text, -1) {
		if len(named(catalog, text[at[2]:at[3]])) > 0 {
			out = append(out, text[start:at[0]])
			start = at[0] + 1
		}
	}
	return append(out, text[start:])
}

// flagOf names the flag that an error is about, where what is wrong is not in a file.
func (s *optIn) flagOf(e *field.Error) string {
	if s.empty() {
		return ""
	}
	key := strings.TrimSuffix(strings.TrimPrefix(e.Field, "metadata.annotations["), "]")
	name := strings.TrimPrefix(key, v1alpha1.Prefix)
	if _, ok := s.values[key]; ok {
		return "--set " + name
	}
	if sidecar, _, ok := strings.Cut(name, "."); ok && e.Type == field.ErrorTypeRequired && slices.Contains(s.with, sidecar) {
		return "--with " + sidecar
	}
	return ""
}

// apply gives the operations that write the annotations, and the Pod with them. Names are added to those that the Pod, or
// else its Namespace, asks for. A Pod that opts out stays as it is.
func (s *optIn) apply(pod *sidecars.Pod, text []byte, ns *namespace) ([]jsonpatch.Operation, []byte, error) {
	own, asks := pod.Metadata.Annotations.Ours[v1alpha1.AnnotationInject]
	if strings.TrimSpace(own) == v1alpha1.InjectFalse {
		return nil, text, nil
	}
	names := splitNames(own)
	enabled := ns.Labels[v1alpha1.LabelInjection]
	if !asks && (enabled == v1alpha1.InjectionEnabled || enabled == v1alpha1.InjectionRequired) {
		names = splitNames(ns.Annotations[v1alpha1.AnnotationInject])
	}
	var wanted annotations
	if more := without(s.with, names); len(more) > 0 {
		names = append(names, more...)
		wanted.add(v1alpha1.AnnotationInject, strings.Join(names, ","))
	}
	for _, key := range s.keys {
		sidecar, _, _ := strings.Cut(strings.TrimPrefix(key, v1alpha1.Prefix), ".")
		if is, there := pod.Metadata.Annotations.Ours[key]; slices.Contains(names, sidecar) && !(there && is == s.values[key]) {
			wanted.add(key, s.values[key])
		}
	}
	return wanted.write(text)
}

func splitNames(list string) []string {
	var out []string
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" && name != v1alpha1.InjectFalse {
			out = append(out, name)
		}
	}
	return out
}

// without gives the names that are not among those that are there, each once.
func without(names, there []string) []string {
	var out []string
	for _, n := range names {
		if !slices.Contains(there, n) && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// annotations are keys and values to be written on a Pod, in order.
type annotations struct {
	keys   []string
	values map[string]string
}

func (a *annotations) add(key, value string) {
	if a.values == nil {
		a.values = map[string]string{}
	}
	a.keys = append(a.keys, key)
	a.values[key] = value
}

// write gives the operations that write the annotations on a Pod, and its JSON with them.
func (a *annotations) write(pod []byte) ([]jsonpatch.Operation, []byte, error) {
	if len(a.keys) == 0 {
		return nil, pod, nil
	}
	var has struct {
		Metadata *struct {
			Annotations map[string]jsontext.Value `json:"annotations"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(pod, &has, sidecars.DecodeOptions()); err != nil {
		return nil, nil, err
	}
	ops := a.operations(has.Metadata != nil, has.Metadata != nil && has.Metadata.Annotations != nil)
	text, err := applied(pod, ops)
	return ops, text, err
}

// operations gives one operation for each key, or one for the map, or for the metadata, where there is none.
func (a *annotations) operations(hasMetadata, hasMap bool) []jsonpatch.Operation {
	const at = "/metadata/annotations"
	if hasMap {
		ops := make([]jsonpatch.Operation, len(a.keys))
		for i, key := range a.keys {
			ops[i] = jsonpatch.NewOperation("add", at+sidecars.FieldPointer("["+key+"]"), a.values[key])
		}
		return ops
	}
	var whole jsontext.Value = []byte("{")
	for i, key := range a.keys {
		if i > 0 {
			whole = append(whole, ',')
		}
		whole = append(append(quoteJSON(whole, key), ':'), quoteJSON(nil, a.values[key])...)
	}
	whole = append(whole, '}')
	if hasMetadata {
		return []jsonpatch.Operation{jsonpatch.NewOperation("add", at, stdjson.RawMessage(whole))}
	}
	whole = slices.Concat([]byte(`{"annotations":`), whole, []byte("}"))
	return []jsonpatch.Operation{jsonpatch.NewOperation("add", "/metadata", stdjson.RawMessage(whole))}
}

// quoteJSON appends a string as JSON.
func quoteJSON(dst []byte, s string) []byte {
	out, err := jsontext.AppendQuote(dst, strings.ToValidUTF8(s, "\ufffd"))
	if err != nil {
		return append(dst, `""`...)
	}
	return out
}

// applied gives a Pod's JSON with operations applied.
func applied(pod []byte, ops []jsonpatch.Operation) ([]byte, error) {
	if len(ops) == 0 {
		return pod, nil
	}
	text, err := stdjson.Marshal(ops)
	if err != nil {
		return nil, err
	}
	patch, err := evanphx.DecodePatch(text)
	if err != nil {
		return nil, err
	}
	return patch.Apply(pod)
}
