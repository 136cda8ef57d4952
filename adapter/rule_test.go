package adapter

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// judged makes a judge of rules, written as YAML.
func judged(t *testing.T, health string) *judge {
	t.Helper()
	c, err := Parse(Files{{"f.yaml", []byte("health:\n" + health)}})
	if err != nil {
		t.Fatal(err)
	}
	j, err := newJudge(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// at is a round at so many seconds, of one source named app.
func at(t *testing.T, seconds float64, text string) *round {
	t.Helper()
	page := newMerge("source")
	r := &round{at: epoch.Add(time.Duration(seconds * float64(time.Second)))}
	if text != "" {
		n := page.add("app", parsed(t, text), false)
		r.results = []result{{source: "app", series: n}}
	} else {
		r.results = []result{{source: "app", err: errors.New("connection refused")}}
	}
	r.families = page.families
	return r
}

func TestEveryQuestionIsAnswered(t *testing.T) {
	const page = "# TYPE q gauge\nq{n=\"a\"} 3\nq{n=\"b\"} 7\n# TYPE one gauge\none 1\n"
	tests := []struct{ check, want string }{
		{`value('one') == 1.0`, "holds"},
		{`value('one') < 1.5 && value('one') > 0`, "holds"},
		{`value('q') > 1`, "unknown: q: 2 series: use sum, min or max, or select one"},
		{`value('q{n="a"}') == 3.0`, "holds"},
		{`sum('q') == 10.0`, "holds"},
		{`min('q') == 3.0 && max('q') == 7.0`, "holds"},
		{`count('q') == 2 && count('other') == 0`, "holds"},
		{`present('q') && !present('other')`, "holds"},
		{`value('other') < 1`, "unknown: other: no such series"},
		{`!present('other') || value('other') < 1`, "holds"},
		{`up('app') && !up('other')`, "holds"},
		{`rate('one') < 1`, "unknown: one: two values are needed for a rate"},
		{`value('one') / 0.0 > 1.0`, "holds"},
		{`1 / 0 > 1`, "unknown: division by zero"},
		{`sum('q') > 0.5 * sum('one') + 9.6`, "broken"},
		{`[1, 2, 3].all(x, value('one') < 5)`, "holds"},
	}
	for _, test := range tests {
		t.Run(test.check, func(t *testing.T) {
			j := judged(t, fmt.Sprintf("  rules: [{name: r, check: %q}]\n", test.check))
			j.look(at(t, 0, page))
			s := j.States()[0]
			got := strings.TrimSuffix(string(s.Verdict)+": "+s.Why, ": ")
			if got != test.want {
				t.Errorf("is %s, want %s", got, test.want)
			}
		})
	}
}

func TestAnExpensiveRuleIsCutShort(t *testing.T) {
	numbers := "[" + strings.TrimSuffix(strings.Repeat("1,", 100), ",") + "]"
	for name, check := range map[string]string{
		"loops":     numbers + ".all(a, " + numbers + ".all(b, " + numbers + ".all(c, a + b + c > 0)))",
		"questions": numbers + ".all(a, " + numbers + ".all(b, value('one') > 0))",
	} {
		t.Run(name, func(t *testing.T) {
			j := judged(t, fmt.Sprintf("  rules: [{name: r, check: %q}]\n", check))
			j.look(at(t, 0, "one 1\n"))
			if s := j.States()[0]; !strings.Contains(s.Why, "cost limit") {
				t.Errorf("%s: %s", s.Verdict, s.Why)
			}
		})
	}
}

// TestRates gives rounds, each a time in seconds and a page, and reads the rule's two sides after the last.
func TestRates(t *testing.T) {
	type rounds []struct {
		at   float64
		page string
	}
	counter := func(v string) string { return "# TYPE c counter\nc " + v + "\n" }
	tests := []struct {
		name, check string
		rounds      rounds
		want        string
	}{
		{"by the second", "rate('c') == 2.0", rounds{{0, counter("100")}, {10, counter("120")}}, "holds"},
		{"in all", "increase('c') == 20.0", rounds{{0, counter("100")}, {10, counter("120")}}, "holds"},
		{"over a window of its own", "rate('c', '10s') == 5.0", rounds{{0, counter("0")}, {10, counter("10")}, {20, counter("60")}}, "holds"},
		{"over the window that all have", "rate('c') == 3.0", rounds{{0, counter("0")}, {10, counter("10")}, {20, counter("60")}}, "holds"},
		{"across a restart of the app", "increase('c') == 25.0", rounds{{0, counter("100")}, {10, counter("120")}, {20, counter("5")}}, "holds"},
		{"across a time in which the app was away", "increase('c') == 30.0", rounds{{0, counter("100")}, {10, ""}, {20, counter("130")}}, "holds"},
		{"a series that is new counts from 0", `increase('c{code="500"}') == 4.0`, rounds{{0, "# TYPE c counter\nc{code=\"200\"} 9\n"}, {10, "# TYPE c counter\nc{code=\"200\"} 9\nc{code=\"500\"} 4\n"}}, "holds"},
		{"but not where its source is new", "increase('c') == 4.0", rounds{{0, ""}, {10, counter("1000")}}, "unknown"},
		{"nor where it is a gauge", "increase('c') == 4.0", rounds{{0, "# TYPE d gauge\nd 1\n"}, {10, "# TYPE c gauge\nc 4\n"}}, "unknown"},
		{"two series are added", "rate('c') == 3.0", rounds{{0, "c{a=\"1\"} 0\nc{a=\"2\"} 0\n"}, {10, "c{a=\"1\"} 10\nc{a=\"2\"} 20\n"}}, "holds"},
		{"what left the window counts no more", "increase('c', '10s') == 0.0", rounds{{0, counter("0")}, {10, counter("50")}, {20, counter("50")}, {30, counter("50")}}, "holds"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			j := judged(t, fmt.Sprintf("  window: 1m\n  rules: [{name: r, check: %q}]\n", test.check))
			for _, r := range test.rounds {
				j.look(at(t, r.at, r.page))
			}
			if s := j.States()[0]; string(s.Verdict) != test.want {
				t.Errorf("is %s, want %s: %s", s.Verdict, test.want, s.Why)
			}
		})
	}
}

// TestHistoryIsBounded observes often and much.
func TestHistoryIsBounded(t *testing.T) {
	s, err := parseSelector("c")
	if err != nil {
		t.Fatal(err)
	}
	h := newHistory(s, time.Minute)
	var many strings.Builder
	for i := range maxRatedSeries + 7 {
		fmt.Fprintf(&many, "c{n=\"%d\"} 1\n", i)
	}
	for i := range 10_000 {
		page := "c 1\n"
		if i%1000 == 0 {
			page = many.String()
		}
		h.observe(epoch.Add(time.Duration(i)*10*time.Millisecond), parsed(t, page), "source", map[string]bool{})
		for _, p := range h.series {
			if len(p.list) > maxPoints+2 {
				t.Fatalf("%d points of a series are kept", len(p.list))
			}
		}
		if i%1000 == 0 {
			if _, _, err := h.increase(); err == nil || !strings.Contains(err.Error(), "select fewer") {
				t.Fatalf("error %v", err)
			}
		}
	}
	if len(h.series) > maxRatedSeries {
		t.Errorf("%d series are kept", len(h.series))
	}
}

// TestARuleTakesItsTime goes through verdicts by the second.
func TestARuleTakesItsTime(t *testing.T) {
	j := judged(t, "  grace: 5s\n  rules: [{name: r, check: value('a') < 1, for: 3s}]\n")
	var got []string
	for i, page := range []string{"", "a 0\n", "a 1\n", "a 1\n", "a 0\n", "a 1\n", "a 1\n", "a 1\n", "a 1\n", "", "", "", "", "", "", "a 0\n"} {
		j.look(at(t, float64(i), page))
		s := j.States()[0]
		got = append(got, fmt.Sprintf("%s %t %t", s.Verdict, s.healthy(), s.ready()))
	}
	want := []string{
		"unknown true false", "holds true true", "pending true true", "pending true true", "holds true true",
		"pending true true", "pending true true", "pending true true", "broken false false",
		"unknown true false", "unknown true false", "unknown true false", "unknown true false", "unknown true false", "missing false false", "holds true true",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
