package configfile

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type target struct {
	name  string
	word  string
	names []string
	count int
	share float64
	on    bool
	wait  time.Duration
	pairs map[string]string
	inner []string
}

func (t *target) root() Field {
	return Object(Fields{
		"name":  Text(&t.name),
		"word":  OneOf(&t.word, "a", "b"),
		"names": Texts(&t.names),
		"count": Integer(&t.count, 1, 9),
		"share": Number(&t.share),
		"on":    Boolean(&t.on),
		"wait":  Duration(&t.wait, time.Second, time.Minute),
		"pairs": Map(&t.pairs, func(string) error { return nil }),
		"inner": List(func(at Place) {
			var text string
			Object(Fields{"text": Text(&text)}, "text")(at)
			t.inner = append(t.inner, text)
		}),
	}, "name")
}

func TestReadFillsEveryField(t *testing.T) {
	var got target
	var mistakes Mistakes
	Read(&mistakes, "f.yaml", []byte(`
name: &n x
word: b
names: [1, two, *n]
count: 9
share: 0.5
on: true
wait: 30s
pairs: {k: v}
inner: [{text: a}, {text: *n}]
`), got.root())
	if err := mistakes.Err(); err != nil {
		t.Fatal(err)
	}
	want := target{"x", "b", []string{"1", "two", "x"}, 9, 0.5, true, 30 * time.Second, map[string]string{"k": "v"}, []string{"a", "x"}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(target{})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestEveryMistakeIsToldWithItsPlace(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"all at once, in order of lines", "word: c\nnames: x\ncount: 10\nshare: x\non: yes\nwait: 1h\npairs: []\ninner: [{}, {text: [], t: 1}]\n", []string{
			"f.yaml:1: word: must be one of a, b",
			"f.yaml:1: name: is required",
			"f.yaml:2: names: must be a list",
			"f.yaml:3: count: must be a whole number from 1 to 9",
			"f.yaml:4: share: must be a number",
			"f.yaml:5: on: must be true or false",
			"f.yaml:6: wait: must be from 1s to 1m0s",
			"f.yaml:7: pairs: must be an object of texts",
			"f.yaml:8: inner[0].text: is required",
			"f.yaml:8: inner[1].text: must be a text",
			"f.yaml:8: inner[1].t: is not known; known: text",
		}},
		{"a key twice", "name: a\nname: b\npairs: {a: 1, a: 2}\n", []string{"f.yaml:2: name: is here twice", "f.yaml:3: pairs.a: is here twice"}},
		{"null is absent", "name: null\n", []string{"f.yaml:1: name: is required"}},
		{"an empty file", "", []string{"f.yaml:1: name: is required"}},
		{"only a comment", "# nothing\n", []string{"f.yaml:1: name: is required"}},
		{"a list", "- a\n", []string{"f.yaml:1: must be an object with count, inner, name, names, on, pairs, share, wait, word"}},
		{"no YAML", "a: [", []string{"f.yaml: line 1: did not find expected node content"}},
		{"two documents", "name: a\n---\nname: b\n", []string{"f.yaml:1: holds more than one document"}},
		{"too long", strings.Repeat("#", MaxBytes+1), []string{"f.yaml: has 1048577 bytes; at most 1048576 are read"}},
		{"not a duration", "name: a\nwait: soon\n", []string{"f.yaml:2: wait: must be a duration such as 500ms or 1m30s"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var mistakes Mistakes
			Read(&mistakes, "f.yaml", []byte(test.text), new(target).root())
			err := mistakes.Err()
			if err == nil {
				t.Fatal("no mistake was found")
			}
			if diff := cmp.Diff(strings.Join(test.want, "\n"), err.Error()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("name: a\ninner: [{text: a}]\n"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("? {a: b}\n: c\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var mistakes Mistakes
		var got target
		Read(&mistakes, "f.yaml", text, got.root())
		if err := mistakes.Err(); err == nil && got.count > 9 {
			t.Errorf("count is %d", got.count)
		} else if err != nil && !strings.HasPrefix(err.Error(), "f.yaml") {
			t.Errorf("%q does not say where", err)
		}
	})
}
