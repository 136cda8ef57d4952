package adapter

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// text writes families as a page.
func text(t testing.TB, all families) string {
	t.Helper()
	var b bytes.Buffer
	for _, name := range sortedNames(all) {
		if _, err := expfmt.MetricFamilyToText(&b, all[name]); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func parsed(t testing.TB, text string) families {
	t.Helper()
	all, err := parseMetrics(&answer{body: []byte(text)}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestOpenMetricsIsRead(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"counter with exemplar, unit and created", `# HELP jobs Jobs "done".
# TYPE jobs counter
# UNIT jobs seconds
jobs_total{a="}{ # \"x"} 3 1520879607.789 # {trace_id="x"} 0.5
jobs_created{a="}{ # \"x"} 1520872607
# EOF
`, `# TYPE jobs_created untyped
jobs_created{a="}{ # \"x"} 1.520872607e+09
# HELP jobs_total Jobs "done".
# TYPE jobs_total counter
jobs_total{a="}{ # \"x"} 3
`},
		{"the TYPE before the HELP, an info, a stateset, an unknown", `# TYPE build info
# HELP build About.
build_info{version="1"} 1
# TYPE state stateset
state{state="a"} 1
state{state="b"} 0
# TYPE thing unknown
thing 4
# EOF
`, `# HELP build_info About.
# TYPE build_info gauge
build_info{version="1"} 1
# TYPE state gauge
state{state="a"} 1
state{state="b"} 0
# TYPE thing untyped
thing 4
`},
		{"a histogram", `# TYPE took histogram
took_bucket{le="0.1"} 1
took_bucket{le="+Inf"} 3 # {} 7
took_sum 2.5
took_count 3
# EOF
`, `# TYPE took histogram
took_bucket{le="0.1"} 1
took_bucket{le="+Inf"} 3
took_sum 2.5
took_count 3
`},
		{"two families of one name", "# TYPE x gauge\nx 1\n# TYPE x counter\nx_total 2\n# EOF", "# TYPE x gauge\nx 1\n# TYPE x_total counter\nx_total 2\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			all, err := parseMetrics(&answer{body: []byte(test.text), contentType: "application/openmetrics-text; version=1.0.0"}, 100)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, text(t, all)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestBrokenMetricsAreRefused(t *testing.T) {
	const openMetrics = "application/openmetrics-text"
	tests := []struct{ name, text, contentType, want string }{
		{"cut off", "a 1\n", openMetrics, "ends without # EOF: it was cut off"},
		{"goes on after the end", "a 1\n# EOF\nb 1\n# EOF\n", openMetrics, "line 3: text after # EOF"},
		{"labels without an end", "a{b=\"c\n# EOF\n", openMetrics, "line 1: labels do not end"},
		{"no value", "a\n# EOF\n", openMetrics, "line 1: a sample has no value"},
		{"a comment", "# hello\n# EOF\n", openMetrics, "line 1: is no line of OpenMetrics"},
		{"HTML", "<html>\n", "text/html", `text format parsing error in line 1: invalid metric name`},
		{"too many", "a 1\nb 1\nc 1\nd 1\n", "", "4 series, and maxSeries leaves room for 3"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := parseMetrics(&answer{body: []byte(test.text), contentType: test.contentType}, 3)
			if err == nil || err.Error() != test.want {
				t.Errorf("error %v, want %s", err, test.want)
			}
		})
	}
}

func TestContradictionsAreSettledAndTold(t *testing.T) {
	tests := []struct {
		name, first, second, want string
		conflicts                 []conflict
	}{
		{"one family of two", "# HELP a A.\n# TYPE a counter\na 1\n", "# HELP a A.\n# TYPE a counter\na 2\n",
			"# HELP a A.\n# TYPE a counter\na{source=\"1\"} 1\na{source=\"2\"} 2\n", nil},
		{"help", "# HELP a A.\n# TYPE a gauge\na 1\n", "# HELP a B.\n# TYPE a gauge\na 2\n",
			"# HELP a A.\n# TYPE a gauge\na{source=\"1\"} 1\na{source=\"2\"} 2\n", []conflict{{"2", false, "a: another help text"}}},
		{"a gauge, and a counter before", "# TYPE a counter\na 1\n", "# TYPE a gauge\na 2\n",
			"# TYPE a counter\na{source=\"1\"} 1\na{source=\"2\"} 2\n", []conflict{{"2", false, "a: of type gauge, but counter before, which it is served as"}}},
		{"no type before", "a 1\n", "# TYPE a gauge\na 2\n",
			"# TYPE a gauge\na{source=\"1\"} 1\na{source=\"2\"} 2\n", []conflict{{"2", false, "a: of type gauge, and without one before"}}},
		{"no type after", "# TYPE a gauge\na 1\n", "a 2\n",
			"# TYPE a gauge\na{source=\"1\"} 1\na{source=\"2\"} 2\n", []conflict{{"2", false, "a: of type untyped, but gauge before, which it is served as"}}},
		{"a histogram and a gauge", "# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_sum 1\na_count 1\n", "# TYPE a gauge\na 2\n",
			"# TYPE a histogram\na_bucket{source=\"1\",le=\"+Inf\"} 1\na_sum{source=\"1\"} 1\na_count{source=\"1\"} 1\n",
			[]conflict{{"2", true, "a: of type gauge, but histogram before: its series are left out"}}},
		{"a series twice", "# TYPE a gauge\na{b=\"1\",c=\"2\"} 1\na{c=\"2\",b=\"1\"} 2\n", "",
			"# TYPE a gauge\na{b=\"1\",c=\"2\",source=\"1\"} 1\n", []conflict{{"1", false, "a: 1 series are there twice"}}},
		{"the label is taken, and so is its other name", "a{source=\"x\",exported_source=\"y\"} 1\n", "",
			"# TYPE a untyped\na{exported_exported_source=\"x\",exported_source=\"y\",source=\"1\"} 1\n", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			page := newMerge("source")
			n := page.add("1", parsed(t, test.first), false) + page.add("2", parsed(t, test.second), false)
			if diff := cmp.Diff(test.want, text(t, page.families)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(test.conflicts, page.conflicts, cmp.AllowUnexported(conflict{})); diff != "" {
				t.Errorf("conflicts (-want +got)\n%s", diff)
			}
			if want := page.families.series(); n != want {
				t.Errorf("%d series are counted, %d are there", n, want)
			}
		})
	}
}

// FuzzMerge merges two pages with one another and with themselves: whatever they hold, the result can be read again, and
// every series says where it is from.
func FuzzMerge(f *testing.F) {
	f.Add("a 1\n", "# TYPE a counter\na{b=\"c\"} 2\n", false)
	f.Add("# TYPE a histogram\na_bucket{le=\"1\"} 1\na_sum 1\na_count 1\n", "# TYPE a summary\na{quantile=\"0.5\"} 1\na_sum 1\na_count 1\n", false)
	f.Add("# TYPE a counter\na_total{source=\"x\"} 1 # {a=\"b\"} 1\n# EOF", "a{b=\"\\\\\\\"\"} NaN 5\n", true)
	f.Add("# TYPE a_sum gauge\na_sum 1\n", "# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_sum 1\na_count 1\n", false)
	f.Fuzz(func(t *testing.T, one, two string, openMetrics bool) {
		kind := ""
		if openMetrics {
			kind = "application/openmetrics-text"
		}
		page := newMerge("source")
		for i, text := range []string{one, two, one} {
			all, err := parseMetrics(&answer{body: []byte(text), contentType: kind}, 1000)
			if err != nil {
				return
			}
			page.add([]string{"one", "two", "three"}[i], all, false)
		}
		for _, mf := range page.families {
			for _, m := range mf.Metric {
				n := 0
				for _, l := range m.Label {
					if l.GetName() == "source" {
						n++
					}
				}
				if n != 1 {
					t.Fatalf("a series of %s has %d labels source", mf.GetName(), n)
				}
			}
			again := families{mf.GetName(): mf}
			all, err := parseMetrics(&answer{body: []byte(text(t, again))}, 1_000_000)
			if err != nil {
				t.Fatalf("cannot be read again: %v\n%s", err, text(t, again))
			}
			if got := all[mf.GetName()]; got != nil && got.GetType() != mf.GetType() && mf.GetType() != dto.MetricType_GAUGE_HISTOGRAM {
				t.Fatalf("%s was a %s and is a %s", mf.GetName(), mf.GetType(), got.GetType())
			}
		}
	})
}

func TestSelectors(t *testing.T) {
	all := parsed(t, strings.Join([]string{
		`# TYPE http counter`, `http{code="200",path="/a"} 7`, `http{code="500",path="/a,b"} 2`, `http{code="503"} 1`,
		`# TYPE took histogram`, `took_bucket{le="0.1"} 4`, `took_bucket{le="+Inf"} 5`, `took_sum 3`, `took_count 5`,
		`# TYPE lag summary`, `lag{quantile="0.99"} 0.5`, `lag_sum 8`, `lag_count 9`, ""}, "\n"))
	for text, want := range map[string][]float64{
		`http`:                         {7, 2, 1},
		` http { code = "200" } `:      {7},
		`http{code='500',path="/a,b"}`: {2},
		`http{code=~"5.."}`:            {2, 1},
		`http{code!~"5..", path!=""}`:  {7},
		`http{path=""}`:                {1},
		`http{code=~"5"}`:              nil,
		`took_bucket{le="0.1"}`:        {4},
		`took_bucket`:                  {4, 5},
		`took_count`:                   {5},
		`took_sum`:                     {3},
		`took`:                         nil,
		`lag{quantile="0.99"}`:         {0.5},
		`lag_count`:                    {9},
		`other`:                        nil,
	} {
		s, err := parseSelector(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		var got []float64
		all.each(s, func(s sample) { got = append(got, s.value) })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", text, diff)
		}
	}
	for text, want := range map[string]string{
		``:               `"" selects no series: write name or name{label="value"}`,
		`a{`:             `"a{" selects no series: write name or name{label="value"}`,
		`a{b}`:           `"b": write label="value", with one of = != =~ !~, and a comma between two`,
		`a{b="c" d="e"}`: `"b=\"c\" d=\"e\"": write label="value", with one of = != =~ !~, and a comma between two`,
		`a{b=~"("}`:      "regexp: missing closing ): `(`",
	} {
		if _, err := parseSelector(text); err == nil || err.Error() != want {
			t.Errorf("%q: error %v, want %s", text, err, want)
		}
	}
}
