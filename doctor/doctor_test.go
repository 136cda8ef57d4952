package doctor

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// read reads YAML into a value, strictly.
func read[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := yaml.UnmarshalStrict([]byte(text), &v); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return v
}

// found gives what one check finds, as code: message.
func found(c Check, s *Snapshot) []string {
	f := &findings{check: &c}
	c.look(s, f)
	var out []string
	for _, x := range f.list {
		out = append(out, x.Code+": "+x.Message)
	}
	return out
}

// TestCodesAreDocumented holds every code to one meaning, in sentences.
func TestCodesAreDocumented(t *testing.T) {
	shape := regexp.MustCompile(`\AD[0-9]{3}\z`)
	seen, groups := map[string]string{}, []string{}
	for _, c := range Checks() {
		if c.Name == "" || c.Title == "" || strings.HasSuffix(c.Title, ".") || len(c.Codes) == 0 {
			t.Errorf("check %q says %q, with %d codes", c.Name, c.Title, len(c.Codes))
		}
		if n := len(groups); n == 0 || groups[n-1] != c.Group {
			if slices.Contains(groups, c.Group) {
				t.Errorf("check %s: group %s is in two places", c.Name, c.Group)
			}
			groups = append(groups, c.Group)
		}
		for _, code := range c.Codes {
			if seen[code.ID] != "" {
				t.Errorf("%s is of %s and of %s", code.ID, seen[code.ID], c.Name)
			}
			seen[code.ID] = c.Name
			if !shape.MatchString(code.ID) || !strings.HasSuffix(code.Title, ".") || !strings.HasSuffix(code.Why, ".") {
				t.Errorf("%s: %q %q", code.ID, code.Title, code.Why)
			}
			if !slices.Contains([]Severity{Error, Warning, Note}, code.Severity) {
				t.Errorf("%s: severity %q", code.ID, code.Severity)
			}
		}
	}
	if len(seen) < 40 {
		t.Errorf("there are %d codes", len(seen))
	}
}

// TestNothingIsKnown examines an empty snapshot: no check may fall over.
func TestNothingIsKnown(t *testing.T) {
	r := Examine(&Snapshot{})
	var got []string
	for _, f := range r.Findings {
		got = append(got, f.Code)
	}
	if want := []string{"D102", "D201", "D221", "D221"}; !slices.Equal(want, got) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestUnreadKinds makes every kind unread, one at a time: it is told which right is missing and what is not run, and all
// else goes on.
func TestUnreadKinds(t *testing.T) {
	for _, k := range Kinds() {
		s := &Snapshot{Install: &Install{Name: "pillion", Namespace: "pillion-system"}, Unread: map[Kind]*Unread{k: {Verb: "list", Err: forbidden(k)}}}
		r := Examine(s)
		i := slices.IndexFunc(r.Findings, func(f Finding) bool { return f.Check == "readable" })
		if i < 0 || !strings.Contains(r.Findings[i].Message, "the right to list "+string(k)) {
			t.Errorf("%s: %v", k, r.Findings)
			continue
		}
		if want := "kubectl auth can-i list " + string(k); !strings.HasPrefix(r.Findings[i].Fix.Commands[0], want) {
			t.Errorf("%s: fix %v", k, r.Findings[i].Fix)
		}
		if (r.Findings[i].Severity == Error) != (k == MutatingWebhooks) {
			t.Errorf("%s: severity %s", k, r.Findings[i].Severity)
		}
		for j, c := range Checks() {
			if (r.Checks[j].State == NotRun) != slices.Contains(c.needs, k) {
				t.Errorf("%s: check %s is %s", k, c.Name, r.Checks[j].State)
			}
		}
	}
}
