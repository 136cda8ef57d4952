package adapter

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// mapped makes the metrics of a page by mappings that are written as YAML.
func mapped(t testing.TB, format, mappings string, a *answer) (string, error) {
	t.Helper()
	c, err := Parse(Files{{"f.yaml", []byte("pages: [{name: p, port: 1, format: " + format + ", metrics: [" + mappings + "]}]\n")}})
	if err != nil {
		t.Fatal(err)
	}
	all, err := c.Sources[0].page(a)
	var out []string
	for line := range strings.Lines(text(t, all)) {
		if !strings.HasPrefix(line, "#") {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return strings.Join(out, "\n"), err
}

func TestPagesBecomeMetrics(t *testing.T) {
	const page = `{"a/b": {"n": 1}, "on": true, "text": " 2.5 ", "ms": 1500, "none": null, "list": [{"n": 1}, {"m": 5}, {"n": 3}],
		"queues": {"mail": {"depth": 3, "jobs": {"new": 1}}, "sms": {"depth": 0, "jobs": {"new": 2, "old": 4}}}}`
	const nginx = "Active connections: 291 \nserver accepts handled requests\n 16630948 16630946 31070465 \nReading: 6 Writing: 179 Waiting: 106 \n"
	tests := []struct{ name, format, mappings, page, want, err string }{
		{"a pointer", "json", "{name: x, at: /queues/mail/depth}", page, "x 3", ""},
		{"a pointer with a slash in a name", "json", "{name: x, at: /a~1b/n}", page, "x 1", ""},
		{"an item", "json", "{name: x, at: /list/2/n}", page, "x 3", ""},
		{"a boolean, a text and a scale", "json", "{name: x, at: /on}, {name: y, at: /text}, {name: z, at: /ms, scale: 0.001}", page, "x 1\ny 2.5\nz 1.5", ""},
		{"every member", "json", "{name: x, at: /queues/*/depth, labels: {queue: $1}}", page, "x{queue=\"mail\"} 3\nx{queue=\"sms\"} 0", ""},
		{"every item that has it", "json", "{name: x, at: /list/*/n, labels: {i: 'no $1'}}", page, "x{i=\"no 0\"} 1\nx{i=\"no 2\"} 3", ""},
		{"two stars", "json", "{name: x, at: '/queues/*/jobs/*', labels: {q: $1, state: $2}}", page, "x{q=\"mail\",state=\"new\"} 1\nx{q=\"sms\",state=\"new\"} 2\nx{q=\"sms\",state=\"old\"} 4", ""},
		{"a metric of two mappings", "json", "{name: x, at: /on, labels: {of: on}}, {name: x, at: /ms, labels: {of: ms}}", page, "x{of=\"ms\"} 1500\nx{of=\"on\"} 1", ""},
		{"an expression", "json", "{name: x, cel: 'body.list.filter(i, has(i.n)).map(i, i.n).size()'}", page, "x 2", ""},
		{"an expression that gives series", "json", `{name: x, cel: "body.queues.map(q, {'value': body.queues[q].depth, 'labels': {'q': q}})"}`, page, "x{q=\"mail\"} 3\nx{q=\"sms\"} 0", ""},
		{"not there", "json", "{name: x, at: /nope}, {name: y, at: /on}", page, "y 1", "x: not on the page"},
		{"not a number", "json", "{name: x, at: /none}", page, "", "x: is not a number"},
		{"not JSON", "json", "{name: x, at: /none}", "<html>", "", "invalid character '<' looking for beginning of value"},
		{"an expression that fails", "json", "{name: x, cel: body.nope}", page, "", "x: no such key: nope"},
		{"words before a number", "text", "{name: x, at: 'Active connections:'}, {name: w, at: Waiting}", nginx, "w 106\nx 291", ""},
		{"words that are no others' end", "text", "{name: x, at: ing}", nginx, "", "x: not on the page"},
		{"a number with sign and exponent", "text", "{name: x, at: load}", "the load = -1.5e3,\n", "x -1500", ""},
		{"an expression with groups", "text", `{name: x, regex: '(?P<kind>Reading|Writing): (?P<value>\d+)', labels: {kind: $kind}}`, nginx, "x{kind=\"Reading\"} 6\nx{kind=\"Writing\"} 179", ""},
		{"numbered groups", "text", `{name: x, regex: '(?m)^ (\d+) (\d+) (\d+) $', labels: {handled: $2}}`, nginx, `x{handled="16630946"} 1.6630948e+07`, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := mapped(t, test.format, test.mappings, &answer{body: []byte(test.page), status: 200})
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if (err == nil) != (test.err == "") || err != nil && err.Error() != test.err {
				t.Errorf("error %v, want %q", err, test.err)
			}
		})
	}
}

func TestAHealthCheckBecomesMetrics(t *testing.T) {
	for status, want := range map[int]string{200: "ok 1\nstatus 200\nsec 0.25", 204: "ok 1\nstatus 204\nsec 0.25", 503: "ok 0\nstatus 503\nsec 0.25"} {
		got, err := mapped(t, "health", "{name: ok, at: ok}, {name: status, at: status}, {name: sec, at: seconds}", &answer{status: status, took: 250 * time.Millisecond})
		if err != nil || strings.Join(sorted(got), "\n") != strings.Join(sorted(want), "\n") {
			t.Errorf("%d: got %q %v", status, got, err)
		}
	}
}

func sorted(text string) []string {
	out := families{}
	for line := range strings.SplitSeq(text, "\n") {
		out[line] = nil
	}
	return sortedNames(out)
}

func TestMistakesOfMappingsAreTold(t *testing.T) {
	tests := []struct{ format, mapping, want string }{
		{"json", "{name: x}", "must have one of at, cel"},
		{"json", "{name: x, at: /a, cel: '1'}", "must have one of at, cel"},
		{"json", "{name: x, regex: (x)}", "regex: is not for a page in format json: use at or cel"},
		{"text", "{name: x, cel: '1'}", "cel: is not for a page in format text: use at or regex"},
		{"health", "{name: x, at: body}", "at: must be ok, status or seconds"},
		{"json", "{name: x, at: a}", "at: must be a JSON Pointer such as /queue/depth"},
		{"text", "{name: x, regex: '(x'}", "regex: error parsing regexp: missing closing ): `(x`"},
		{"text", "{name: x, regex: 'x'}", "regex: has no group for the number: write it in parentheses"},
		{"json", "{name: x, cel: 'body.'}", "cel: column 6: Syntax error: no viable alternative at input '.'"},
		{"json", "{name: x, at: /a/*, labels: {l: $2}}", "labels.l: $2 stands for nothing: no such star of at, no such group of regex"},
		{"json", "{name: x, at: /a, labels: {le: v}}", "labels.le: must be a label's name: letters, digits and _, not beginning with a digit or __, and neither le nor quantile"},
		{"json", "{name: 1x, at: /a}", "name: must be a metric's name: letters, digits, _ and :, not beginning with a digit"},
		{"json", "{name: x, at: /a, scale: 0}", "scale: must be a number other than 0"},
		{"json", "{name: x, at: /a, type: summary}", "type: must be one of gauge, counter, untyped"},
	}
	for _, test := range tests {
		_, err := Parse(Files{{"f.yaml", []byte("pages: [{name: p, port: 1, format: " + test.format + ", metrics: [" + test.mapping + "]}]\n")}})
		at := "f.yaml:1: pages[0].metrics[0]"
		if err == nil || !strings.HasPrefix(err.Error(), at) || strings.TrimPrefix(strings.TrimPrefix(err.Error(), at), ".") != test.want && strings.TrimPrefix(err.Error(), at+": ") != test.want {
			t.Errorf("%s %s:\ngot  %v\nwant %s", test.format, test.mapping, err, test.want)
		}
	}
}

// FuzzPage reads pages by mappings, whatever either is: what comes out is a page of metrics.
func FuzzPage(f *testing.F) {
	f.Add("json", "at", "/a/*/b", `{"a": [{"b": 1}, {"b": "2"}]}`)
	f.Add("json", "cel", "body.a.map(x, {'value': x})", `{"a": [1, 2]}`)
	f.Add("text", "at", "a b:", "a b: 5")
	f.Add("text", "regex", "a(?P<l>.)(?P<value>.)", "ab1ac2")
	f.Fuzz(func(t *testing.T, format, key, expression, page string) {
		quoted, err := json.Marshal(expression)
		if err != nil || format != "json" && format != "text" || key != "at" && key != "cel" && key != "regex" {
			return
		}
		c, err := Parse(Files{{"f.yaml", []byte("pages: [{name: p, port: 1, format: " + format + ", metrics: [{name: x, " + key + ": " + string(quoted) + "}]}]\n")}})
		if err != nil {
			return
		}
		all, _ := c.Sources[0].page(&answer{body: []byte(page)})
		merged := newMerge("source")
		merged.add("p", all, false)
		for _, mf := range merged.families {
			for _, m := range mf.Metric {
				simple(m, func(s sample) {
					if _, err := json.Marshal(s.value); err != nil && !math.IsInf(s.value, 0) && !math.IsNaN(s.value) {
						t.Errorf("%v is no number", s.value)
					}
				})
			}
		}
		if _, err := parseMetrics(&answer{body: []byte(text(t, merged.families))}, 1_000_000); err != nil {
			t.Errorf("cannot be read again: %v", err)
		}
	})
}
