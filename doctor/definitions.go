package doctor

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/pillion-dev/pillion/api/crds"
)

// definition is what is read of a CustomResourceDefinition.
type definition struct {
	Metadata struct{ Name string }
	Spec     struct {
		Versions []struct {
			Name            string
			Served, Storage bool
			Schema          any
		}
	}
	Status struct {
		Conditions []struct{ Type, Status, Reason, Message string }
	}
}

// Check: the definitions of ClusterSidecar and Sidecar are there, and of this program's version.
func definitions() Check {
	return Check{
		Name: "definitions", Group: groupInstall, Title: "the definitions of ClusterSidecar and Sidecar are of this version", needs: []Kind{Definitions},
		Codes: []Code{
			{"D221", Error, "A CustomResourceDefinition is missing.", "The catalog has no entries but the built-in ones, and the webhook waits for the kind."},
			{"D222", Error, "A CustomResourceDefinition is of another version.", "The API server drops or refuses fields of entries that it does not know."},
			{"D223", Error, "A CustomResourceDefinition is not established.", "The API server does not serve the kind."},
		},
		look: func(s *Snapshot, f *findings) {
			apply := do("apply the definitions of this version; helm does not touch them where crds.install is off",
				"helm show crds CHART | kubectl apply --server-side --force-conflicts -f -")
			if s.Install != nil {
				apply = s.Install.reinstall("apply the definitions of this version, by the chart of this version with crds.install on")
			}
			for _, text := range crds.All() {
				var want definition
				if yaml.Unmarshal(text, &want) != nil {
					continue
				}
				object := "customresourcedefinition/" + want.Metadata.Name
				is := s.definition(want.Metadata.Name)
				if is == nil {
					f.add("D221", object, want.Metadata.Name+" is not there", apply)
					continue
				}
				if !reflect.DeepEqual(want.Spec, is.Spec) {
					f.add("D222", object, want.Metadata.Name+" is not that of this program's version: "+is.difference(&want), apply)
				}
				for _, c := range is.Status.Conditions {
					if (c.Type == "Established" || c.Type == "NamesAccepted") && c.Status != "True" {
						f.add("D223", object, c.Type+" is "+c.Status+": "+c.Message, todo("mend what the message says"))
					}
				}
			}
		},
	}
}

// definition gives a definition by name; nil where it is not there.
func (s *Snapshot) definition(name string) *definition {
	for _, text := range s.Definitions {
		var d definition
		if json.Unmarshal(text, &d) == nil && d.Metadata.Name == name {
			return &d
		}
	}
	return nil
}

// difference names what differs, as the path of the first field.
func (d *definition) difference(want *definition) string {
	var is, should any
	for from, to := range map[*definition]*any{d: &is, want: &should} {
		text, err := json.Marshal(from.Spec)
		if err != nil || json.Unmarshal(text, to) != nil {
			return err.Error()
		}
	}
	return firstDifference("spec", is, should)
}

// firstDifference finds the first place, in order of names, where two JSON values differ.
func firstDifference(path string, is, should any) string {
	a, aMap := is.(map[string]any)
	b, bMap := should.(map[string]any)
	if aMap && bMap {
		var keys []string
		for _, m := range []map[string]any{a, b} {
			for k := range m {
				keys = append(keys, k)
			}
		}
		slices.Sort(keys)
		for _, k := range slices.Compact(keys) {
			at := path + "." + strings.ToLower(k[:1]) + k[1:]
			_, there := a[k]
			_, wanted := b[k]
			switch {
			case !there:
				return "it lacks " + at
			case !wanted:
				return "it has " + at
			}
			if diff := firstDifference(at, a[k], b[k]); diff != "" {
				return diff
			}
		}
		return ""
	}
	x, xList := is.([]any)
	y, yList := should.([]any)
	if xList && yList && len(x) == len(y) {
		for i := range x {
			if diff := firstDifference(path+"[]", x[i], y[i]); diff != "" {
				return diff
			}
		}
		return ""
	}
	if reflect.DeepEqual(is, should) {
		return ""
	}
	return path + " differs"
}
