package sidecars_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// mayBeAdded matches the places at which an injection may add something; N stands for an index and + for a new element.
var mayBeAdded = regexp.MustCompile(`^(/metadata|/metadata/labels|/metadata/annotations` +
	`|/metadata/labels/pillion\.dev/injected|/metadata/annotations/pillion\.dev/(status|file\..*)` +
	`|/metadata/annotations/cluster-autoscaler\.kubernetes\.io/safe-to-evict-local-volumes` +
	`|/spec/(shareProcessNamespace|terminationGracePeriodSeconds|resources/requests(/(cpu|memory))?)` +
	`|/spec/(volumes|initContainers)|/spec/(volumes|initContainers|containers)/\+` +
	`|/spec/(initContainers|containers)/N/(volumeMounts|env)(/\+)?)$`)

// additions compares two JSON values that are to be one and the same but for what may be added, and gives an error for
// everything else: a lost or changed member or element at any depth, another order, an addition at another place.
func additions(before, after []byte) error {
	want, err := decoded(before)
	if err != nil {
		return err
	}
	got, err := decoded(after)
	if err != nil {
		return err
	}
	return contains("", want, got)
}

func decoded(text []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	err := dec.Decode(&v)
	return v, err
}

func contains(at string, want, got any) error {
	if replaceable(at, want, got) {
		return nil
	}
	switch want := want.(type) {
	case map[string]any:
		members, ok := got.(map[string]any)
		if !ok {
			return fmt.Errorf("%s: is %T, was an object", at, got)
		}
		return containsMembers(at, want, members)
	case []any:
		items, ok := got.([]any)
		if !ok {
			return fmt.Errorf("%s: is %T, was a list", at, got)
		}
		return containsItems(at, want, items)
	}
	if want != got {
		return fmt.Errorf("%s: is %v, was %v", at, got, want)
	}
	return nil
}

// replaceable reports whether a value may have become another one: null a collection, and the values that an
// injection extends or that are its own.
func replaceable(at string, want, got any) bool {
	switch {
	case want == nil && got != nil:
		return mayBeAdded.MatchString(at)
	case at == "/spec/terminationGracePeriodSeconds":
		was, ok1 := want.(json.Number)
		is, ok2 := got.(json.Number)
		from, err1 := was.Int64()
		to, err2 := is.Int64()
		return ok1 && ok2 && err1 == nil && err2 == nil && to > from
	case strings.HasPrefix(at, "/metadata/annotations/cluster-autoscaler"):
		was, _ := want.(string)
		is, _ := got.(string)
		return was == "" || strings.HasPrefix(is, was+",")
	}
	return strings.HasPrefix(at, "/metadata/annotations/pillion.dev/status") || strings.HasPrefix(at, "/metadata/annotations/pillion.dev/file.") ||
		at == "/metadata/labels/pillion.dev/injected"
}

func containsMembers(at string, want, got map[string]any) error {
	for _, k := range slices.Sorted(maps.Keys(want)) {
		v, ok := got[k]
		if !ok {
			return fmt.Errorf("%s/%s: is lost", at, k)
		}
		if err := contains(at+"/"+k, want[k], v); err != nil {
			return err
		}
	}
	for _, k := range slices.Sorted(maps.Keys(got)) {
		if _, was := want[k]; !was && !mayBeAdded.MatchString(at+"/"+k) {
			return fmt.Errorf("%s/%s: is added", at, k)
		}
	}
	return nil
}

// containsItems finds every element that was, in order, among those that are: the first that fits, which finds a way
// wherever there is one.
func containsItems(at string, want, got []any) error {
	grows := mayBeAdded.MatchString(at + "/+")
	if !grows && len(want) != len(got) {
		return fmt.Errorf("%s: has %d elements, had %d", at, len(got), len(want))
	}
	for i, v := range want {
		err := fmt.Errorf("no element is left")
		for len(got) > 0 && err != nil {
			err = contains(at+"/N", v, got[0])
			got = got[1:]
			if !grows {
				break
			}
		}
		if err != nil {
			return fmt.Errorf("%s: element %d is lost: %w", at, i, err)
		}
	}
	return nil
}

func TestAdditionsSeesWhatIsNotOne(t *testing.T) {
	const pod = `{"metadata":{"annotations":{"a":"b"}},"spec":{"containers":[{"name":"a","x":[1,2]},{"name":"b"}],"terminationGracePeriodSeconds":5}}`
	for _, c := range []struct{ name, after, want string }{
		{"nothing", pod, ""},
		{"a container before", strings.Replace(pod, `[{"name":"a"`, `[{"name":"z"},{"name":"a"`, 1), ""},
		{"a mount", strings.Replace(pod, `{"name":"b"}`, `{"name":"b","volumeMounts":[{}]}`, 1), ""},
		{"a longer grace period", strings.Replace(pod, `:5}`, `:6}`, 1), ""},
		{"a shorter grace period", strings.Replace(pod, `:5}`, `:4}`, 1), "/spec/terminationGracePeriodSeconds: is 4, was 5"},
		{"a lost annotation", strings.Replace(pod, `"a":"b"`, ``, 1), "/metadata/annotations/a: is lost"},
		{"a foreign annotation", strings.Replace(pod, `"a":"b"`, `"a":"b","c":"d"`, 1), "/metadata/annotations/c: is added"},
		{"a member of a container", strings.Replace(pod, `{"name":"b"}`, `{"name":"b","image":"x"}`, 1),
			"/spec/containers: element 1 is lost: /spec/containers/N/image: is added"},
		{"another order", strings.Replace(pod, `{"name":"a","x":[1,2]},{"name":"b"}`, `{"name":"b"},{"name":"a","x":[1,2]}`, 1),
			"/spec/containers: element 1 is lost: no element is left"},
		{"a longer unknown list", strings.Replace(pod, `[1,2]`, `[1,2,3]`, 1),
			"/spec/containers: element 0 is lost: /spec/containers/N/name: is b, was a"},
		{"a changed number", strings.Replace(pod, `[1,2]`, `[1,2.0]`, 1),
			"/spec/containers: element 0 is lost: /spec/containers/N/name: is b, was a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			if err := additions([]byte(pod), []byte(c.after)); err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
