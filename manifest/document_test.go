package manifest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestJSONReadsAsTheAPIServer(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"comments alone", "---\n# c\n...\n", ""},
		{"null", "--- ~\n", ""},
		{"booleans of YAML 1.1", "a: [y, n, on, Off, yes, true, 'y']\n", `{"a":[true,false,true,false,true,true,"y"]}`},
		{"numbers", "a: [0777, 0x1F, 0b11, 1_000, 1e3, .5, 18446744073709551615, 12:30]\n", `{"a":[511,31,3,1000,1000,0.5,18446744073709551615,"12:30"]}`},
		{"times stay strings", "a: 2001-01-01\nb: 2001-01-01T00:00:00Z\n", `{"a":"2001-01-01","b":"2001-01-01T00:00:00Z"}`},
		{"keys become strings", "1: a\ny: b\n1.5: c\n.inf: d\n", `{".inf":"d","1":"a","1.5":"c","true":"b"}`},
		{"aliases and merges", "a: &a {x: 1, y: 2}\nb: *a\nc: {<<: *a, x: 3}\n", `{"a":{"true":2,"x":1},"b":{"true":2,"x":1},"c":{"true":2,"x":3}}`},
		{"tags", "a: !!str 1\nb: !!binary aGk=\nc: !!float 1\n", `{"a":"1","b":"hi","c":1}`},
		{"JSON", "# c\n---\n{\"a\": [1.0, 1e2, \"\\ud83d\\ude00\", null]}\n", `{"a":[1,100,"😀",null]}`},
		{"a byte order mark", "\ufeffa: 1\n", `{"a":1}`},
		{"a list", "- 1\n", `[1]`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := document(tc.text).JSON()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestJSONFails(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"for a key that is there twice", "a: 1\nb:\n  c: 1\n  d: 2\n  c:\n  - 3\n", `web.yaml:14: key "c" is already set on line 12`},
		{"for keys that mean the same", "1: a\n\"1\": b\n", `web.yaml:11: key "1" is already set on line 10`},
		{"for a key that is there twice, in JSON", "{\"a\": {\n\"b\": 1,\n\"b\": 2}}", `web.yaml:12: key "b" is already set on line 11`},
		{"for bad indentation", "a:\n  b: 1\n c: 2\n", `web.yaml:12: did not find expected key`},
		{"for a tab", "a: 1\nb:\n\tc: 2\n", `web.yaml:12: found character that cannot start any token`},
		{"for a tab alone on a line between comments", "a: 1\n# b\n\t\n# c\n", `web.yaml:12: found character that cannot start any token`},
		{"for a tab before a comment", "a: 1\n# b\n \t# c\n", `web.yaml:12: found character that cannot start any token`},
		{"on the first line", "a: b: c\n", `web.yaml:10: mapping values are not allowed in this context`},
		{"for an unknown anchor", "a: *b\n", `web.yaml:10: unknown anchor 'b' referenced`},
		{"for an anchor in itself", "a: &a [*a]\n", `web.yaml:10: anchor 'a' value contains itself`},
		{"for infinity", "a:\n  b: [1, .inf]\n", `web.yaml:11: infinity and not-a-number do not exist in JSON`},
		{"for a key that is a map", "a: 1\n? {b: 1}\n: 2\n", `web.yaml:10: a key must be a scalar, not a map or list`},
		{"for a key that is null", "a:\n  ~: 1\n", `web.yaml:10: null cannot be a key`},
		{"for text that is not UTF-8", "a: 1\nb: \xff\n", `web.yaml:11: the text is not UTF-8`},
		{"for two byte order marks", "\ufeff\ufeffa: 1\n", `web.yaml:10: the text begins with two byte order marks`},
		{"for UTF-16", "\xff\xfea\x00", `web.yaml:10: the text is not UTF-8`},
		{"for control characters", "a: \x01\n", `web.yaml:10: control characters are not allowed`},
		{"for text after the document", "{a: 1}\nb: 2\n", `web.yaml:11: did not find expected <document start>`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := NewDocument([]byte(tc.text), "web.yaml", 10).JSON()
			if err == nil || err.Error() != tc.want {
				t.Errorf("got  %v\nwant %s", err, tc.want)
			}
		})
	}
}

func TestLineFindsNodes(t *testing.T) {
	const text = "# c\n---\na: &a\n  b:\n    - x\n    -\n      y/z~: 1\nc: {d: [1,\n  2], e: *a}\n? f\n: g\nh:\n  <<: *a\n"
	for pointer, want := range map[string]int{
		"": 22, "/a": 22, "/a/b": 23, "/a/b/0": 24, "/a/b/1": 25, "/a/b/1/y~1z~0": 26, "/c/d/0": 27, "/c/d/1": 28,
		"/c/e": 28, "/c/e/b": 23, "/f": 29, "/h/b/0": 24, "/z": 0, "/a/b/2": 0, "/a/b/-": 0, "/a/b/0/x": 0, "a": 0,
	} {
		if got := NewDocument([]byte(text), "web.yaml", 20).Line(pointer); got != want {
			t.Errorf("%q: got %d, want %d", pointer, got, want)
		}
	}
	if got := NewDocument([]byte("\n{\"a\":\n [1,\n  {}]}"), "", 1).Line("/a/1"); got != 4 {
		t.Errorf("JSON: got %d, want 4", got)
	}
	if got := document("").Name(); got != "web.yaml" {
		t.Errorf("name: got %s", got)
	}
	for _, text := range []string{"", "# c\n", "a: b: c\n"} {
		if got := document(text).Line("/a"); got != 0 {
			t.Errorf("%q: got %d, want 0", text, got)
		}
	}
}

func TestFormats(t *testing.T) {
	d := document("# c\n---\nkind: Pod\nspec:\n  b: [y, {}]\n  a: \"x\\ny\\n\"\napiVersion: v1\n")
	for format, want := range map[Format]string{
		JSON: "{\n    \"kind\": \"Pod\",\n    \"spec\": {\n        \"b\": [\n            true,\n            {}\n        ],\n        \"a\": \"x\\ny\\n\"\n    },\n    \"apiVersion\": \"v1\"\n}\n",
		YAML: "kind: Pod\nspec:\n  b:\n  - true\n  - {}\n  a: |\n    x\n    y\napiVersion: v1\n",
	} {
		got, err := d.Format(format)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s: %s", format, diff)
		}
	}
	if _, err := d.Format("xml"); err == nil || err.Error() != `output format "xml" is not one of json, yaml` {
		t.Error(err)
	}
}

func TestMarshal(t *testing.T) {
	for _, tc := range []struct {
		text   string
		format Format
		want   string
	}{
		{`{"spec":{},"metadata":{"x":1,"name":"y"},"kind":"K","apiVersion":"v1"}`, YAML, "apiVersion: v1\nkind: K\nmetadata:\n  name: \"y\"\n  x: 1\nspec: {}\n"},
		{`{"b":1.50,"a":["<"]}`, JSON, "{\n    \"b\": 1.50,\n    \"a\": [\n        \"<\"\n    ]\n}\n"},
		{`[]`, YAML, "[]\n"}, {`"a\nb"`, YAML, "|-\n a\n b\n"}, {`null`, JSON, "null\n"}, {`[[1],2]`, YAML, "- - 1\n- 2\n"},
	} {
		got, err := Marshal([]byte(tc.text), tc.format)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.want, string(got)); diff != "" {
			t.Errorf("%s: %s", tc.text, diff)
		}
	}
	if _, err := Marshal([]byte("{"), JSON); err == nil {
		t.Error("no error for what is not JSON")
	}
}
