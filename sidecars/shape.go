package sidecars

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// shape is what a value of an entry's document may be. The shapes say again what the types in api/v1alpha1 say, because
// decoding into those stops at the first mistake and names neither its place nor what would be right; TestShapesAreTheTypes
// holds the two together.
type shape struct {
	// want is what a wrong value is told to have been; is reports whether a value is that.
	want string
	is   func(v any) bool
	// fields are the members of an object; open says that there may be others, of Kubernetes.
	fields map[string]*shape
	open   bool
	// ignored: whatever stands there is left out.
	ignored bool
	// items is the shape of a list's items, values that of a map's.
	items, values *shape
	// most is how many characters, items or members there may be, as api/crds has it; 0 is any number.
	most int
	// or is another form of the same.
	or *shape
}

// upTo is s with a bound on its length.
func (s *shape) upTo(most int) *shape {
	s.most = most
	return s
}

func aText() *shape {
	return &shape{want: "a string", is: func(v any) bool { _, ok := v.(string); return ok }}
}

func aNumber() *shape {
	return &shape{want: "a whole number", is: func(v any) bool {
		n, ok := v.(json.Number)
		_, err := strconv.ParseInt(string(n), 10, 64)
		return ok && err == nil
	}}
}

func aBool() *shape {
	return &shape{want: "true or false", is: func(v any) bool { _, ok := v.(bool); return ok }}
}

func aScalar() *shape {
	return &shape{want: "a string, number or boolean", is: func(v any) bool {
		switch v.(type) {
		case string, json.Number, bool:
			return true
		}
		return false
	}}
}

func anObject(fields map[string]*shape) *shape {
	return &shape{want: "an object", is: isObject, fields: fields}
}

func openObject(fields map[string]*shape) *shape {
	return &shape{want: "an object", is: isObject, fields: fields, open: true}
}

func listOf(items *shape) *shape {
	return &shape{want: "a list", is: func(v any) bool { _, ok := v.([]any); return ok }, items: items}
}

func mapOf(values *shape) *shape { return &shape{want: "a map", is: isObject, values: values} }

func isObject(v any) bool { _, ok := v.(map[string]any); return ok }

// either is s or, where a value is not that at all, other.
func (s *shape) either(other *shape) *shape {
	s.or = other
	return s
}

// entryShape is the shape of a document.
var entryShape = sync.OnceValue(newEntryShape)

func newEntryShape() *shape {
	meta := map[string]*shape{"name": aText(), "namespace": aText(), "labels": mapOf(aText()), "annotations": mapOf(aText())}
	for _, name := range []string{"generateName", "selfLink", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp",
		"deletionGracePeriodSeconds", "ownerReferences", "finalizers", "managedFields"} {
		meta[name] = &shape{ignored: true}
	}
	return anObject(map[string]*shape{"apiVersion": aText(), "kind": aText(), "spec": specShape(), "metadata": anObject(meta), "status": {ignored: true}})
}

func specShape() *shape {
	when := mapOf(aScalar().either(listOf(aScalar()))).upTo(128)
	ctrs := listOf(openObject(map[string]*shape{"name": aText(), "placement": aText(), "when": when})).upTo(16)
	targets := aScalar().either(listOf(aScalar()))
	names := func(most int) *shape { return listOf(aText().upTo(63)).upTo(most) }
	share := anObject(map[string]*shape{"containers": targets, "sidecars": names(64), "mountPath": aText().upTo(1024), "readOnly": aBool(), "when": when})
	line := aText().either(anObject(map[string]*shape{"line": aText(), "when": when, "each": aText()}))
	requirement := anObject(map[string]*shape{"key": aText(), "operator": aText(), "values": listOf(aText())})
	return anObject(map[string]*shape{
		"description": aText().upTo(4096), "parameters": mapOf(parameterShape()).upTo(128),
		"files": listOf(anObject(map[string]*shape{"name": aText(), "mountPath": aText().upTo(1024), "containers": names(32), "format": aText(),
			"data": openObject(nil), "lines": listOf(line).upTo(4096), "dollarExpands": aBool(), "when": when})).upTo(32),
		"volumes":    listOf(openObject(map[string]*shape{"name": aText(), "share": listOf(share).upTo(16), "when": when})).upTo(16),
		"containers": ctrs, "initContainers": ctrs,
		"appEnv":      listOf(anObject(map[string]*shape{"name": aText().upTo(253), "value": aText().upTo(32768), "containers": targets, "when": when})).upTo(64),
		"runAsUserOf": aText().upTo(253), "shareProcessNamespace": aBool(), "serviceAccountToken": aBool(), "flushSeconds": aNumber(), "hostNetwork": aText(),
		"order":             anObject(map[string]*shape{"after": names(64), "conflictsWith": names(64)}),
		"namespaceSelector": anObject(map[string]*shape{"matchLabels": mapOf(aText()), "matchExpressions": listOf(requirement)}),
		"node":              nodeShape(when),
	})
}

func nodeShape(when *shape) *shape {
	list := func(most int) *shape { return listOf(aText().upTo(most)).upTo(64) }
	return anObject(map[string]*shape{
		"redirect": anObject(map[string]*shape{"when": when, "inbound": aNumber(), "outbound": aNumber(), "dns": aNumber(), "inboundExcept": list(11), "outboundExcept": list(11),
			"cidrExcept": list(43), "groupID": aNumber(), "directAfterProxy": aBool()}),
		"joinPIDNamespaceOf": aText().upTo(253), "withoutHelper": aText(),
		"cgroup": anObject(map[string]*shape{"cpuWeight": aNumber(), "memoryHighPercent": aNumber(), "cpuBurstPercent": aNumber(), "ioWeight": aNumber(), "oomScoreAdjust": aNumber()}),
	})
}

func parameterShape() *shape {
	fields := func() map[string]*shape {
		return map[string]*shape{
			"type": aText(), "description": aText().upTo(4096), "required": aBool(), "default": aScalar().either(listOf(aScalar())), "example": aScalar().either(listOf(aScalar())),
			"pattern": aText().upTo(1024), "enum": listOf(aText().upTo(4096)).upTo(256), "maxLength": aNumber(),
			"minimum": aText().upTo(64), "maximum": aText().upTo(64), "schemes": listOf(aText().upTo(64)).upTo(16),
		}
	}
	p, items := anObject(fields()), anObject(fields())
	p.fields["items"] = items
	items.fields["fields"], items.fields["maxItems"] = mapOf(anObject(fields())).upTo(32), aNumber()
	return p
}

// check gives the value without what its shape does not allow, and a mistake for each part that was left out; ok says
// whether anything of it is left.
func (s *shape) check(at *field.Path, v any) (left any, ok bool, errs field.ErrorList) {
	if !s.is(v) {
		if s.or != nil && s.or.is(v) {
			return s.or.check(at, v)
		}
		return nil, false, field.ErrorList{wrongKind(at, v, s.wanted())}
	}
	switch v := v.(type) {
	case map[string]any:
		if s.most > 0 && len(v) > s.most {
			errs = append(errs, field.TooMany(at, len(v), s.most))
		}
		left, ok, bad := s.checkMembers(at, v)
		return left, ok, append(errs, bad...)
	case []any:
		if s.most > 0 && len(v) > s.most {
			errs = append(errs, field.TooMany(at, len(v), s.most))
		}
		left, ok, bad := s.checkItems(at, v)
		return left, ok, append(errs, bad...)
	case string:
		if s.most > 0 && utf8.RuneCountInString(v) > s.most {
			errs = append(errs, field.TooLongCharacters(at, "", s.most))
		}
	}
	return v, true, errs
}

func (s *shape) wanted() string {
	if s.or != nil {
		return s.want + " or " + s.or.wanted()
	}
	return s.want
}

func wrongKind(at *field.Path, v any, want string) *field.Error {
	why := "want " + want
	if want == "a string" && kindOf(v) != "object" && kindOf(v) != "list" {
		why += ": put it in quotes"
	}
	if k := kindOf(v); k == "object" || k == "list" || k == "null" {
		return field.TypeInvalid(at, k, why)
	}
	return field.TypeInvalid(at, v, why)
}

// kindOf gives JSON's word for what a value is.
func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case map[string]any:
		return "object"
	case []any:
		return "list"
	case nil:
		return "null"
	}
	return "number"
}

func (s *shape) checkMembers(at *field.Path, m map[string]any) (any, bool, field.ErrorList) {
	var errs field.ErrorList
	out := make(map[string]any, len(m))
	for _, k := range sortedKeys(m) {
		here, below := at.Child(k), s.fields[k]
		if s.values != nil {
			here, below = at.Key(k), s.values
		}
		if below == nil && !s.open {
			errs = append(errs, noSuchField(here, k, s.fields))
			continue
		}
		if below == nil {
			out[k] = m[k]
			continue
		}
		if m[k] == nil || below.ignored {
			continue
		}
		v, ok, bad := below.check(here, m[k])
		errs = append(errs, bad...)
		if ok {
			out[k] = v
		}
	}
	return out, true, errs
}

// noSuchField has the place of the field that was meant as its origin.
func noSuchField(at *field.Path, name string, fields map[string]*shape) *field.Error {
	e := field.Invalid(at, name, "unknown field"+hint(name, sortedKeys(fields), "the fields are"))
	if near := nearest(name, sortedKeys(fields)); near != "" {
		e.Origin = strings.TrimSuffix(e.Field, name) + near
	}
	return e
}

func (s *shape) checkItems(at *field.Path, list []any) (any, bool, field.ErrorList) {
	var errs field.ErrorList
	out := slices.Clone(list)
	for i := range list {
		v, ok, bad := s.items.check(at.Index(i), list[i])
		errs = append(errs, bad...)
		out[i] = v
		if !ok {
			out[i] = s.items.zero()
		}
	}
	return out, true, errs
}

// zero stands in for a wrong item, so that the others keep their index.
func (s *shape) zero() any {
	for _, v := range []any{"", json.Number("0"), false, map[string]any{}} {
		if s.is(v) {
			return v
		}
	}
	return []any{}
}
