package manifest

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// readerSeeds are streams with separators in unusual places.
var readerSeeds = []string{
	"", "\n", "---", "---\n", "a: 1", "---\n---\n", "# only a comment\n",
	"a: 1\n---\nb: 2\n", "--- {a: 1}\n--- # two\nb: 2\n...\n# end\n---\nc: 3\n", "a: |\n  x\n---\nb: |+\n  y\n\n\n---\n",
	"\ufeffa: 1\r\n---\r\nb: 2\r\n", "%YAML 1.1\n---\na: 1\n...\n%YAML 1.1\n---\nb: 2\n", "---x: 1\n", "a: \"x\n---\ny\"\n",
	`{"a":1}{"b":2}`, "{\"a\": \"}{\"}\n{\"b\": [1,\n2]}\n", "{a: 1}\n{b: 2}\n", "{\"a\":1} # c\nx: y\n", "[1]\n[2]\n", deployment,
	"a: &a [*a]\n", "? a\n: b\n", "a: b: c\n", "a:\n\t- b\n", "a: 1\na: 2\n", "- - a\n  - b\n-\n  c: d\n", "a: 'x\n\n  y'\nb: \"\\\n  z\"\n", "! 0\n", "a: 1\rb: 2\u2028c: 3\n",
}

func TestReaderSplitsStreams(t *testing.T) {
	for _, tc := range []struct {
		name   string
		stream string
		want   []string
	}{
		{"an empty stream has no documents", "", nil},
		{"a comment is a document", "# only\n", []string{"# only\n"}},
		{"separators begin documents", "a: 1\n---\nb: 2\n", []string{"a: 1\n", "---\nb: 2\n"}},
		{"comments before the first separator belong to its document", "# head\n\n---\na: 1\n---\nb: 2\n", []string{"# head\n\n---\na: 1\n", "---\nb: 2\n"}},
		{"an empty document between separators stays", "---\n---\na: 1\n---\n", []string{"---\n", "---\na: 1\n", "---\n"}},
		{"content may follow a separator", "--- {a: 1}\n---\tb\n", []string{"--- {a: 1}\n", "---\tb\n"}},
		{"dashes alone do not separate", "----\n---a: 1\n - ---\n", []string{"----\n---a: 1\n - ---\n"}},
		{"block scalars hold separators that are indented", "a: |\n  ---\n  ...\n---\nb: 1\n", []string{"a: |\n  ---\n  ...\n", "---\nb: 1\n"}},
		{"an end marker ends its document", "a: 1\n...\n# c\nb: 2\n...\n---\nc: 3\n", []string{"a: 1\n...\n# c\n", "b: 2\n...\n", "---\nc: 3\n"}},
		{"directives go with what follows", "%YAML 1.1\n---\na: 1\n...\n%YAML 1.1\n---\nb: 2\n", []string{"%YAML 1.1\n---\na: 1\n...\n", "%YAML 1.1\n---\nb: 2\n"}},
		{"line ends may be CRLF", "a: 1\r\n---\r\nb: 2\r\n", []string{"a: 1\r\n", "---\r\nb: 2\r\n"}},
		{"a byte order mark is kept", "\ufeff---\na: 1\n", []string{"\ufeff---\na: 1\n"}},
		{"a byte order mark may precede each separator", "\ufeff---\na: 1\n\ufeff---\nb: 1\n", []string{"\ufeff---\na: 1\n", "\ufeff---\nb: 1\n"}},
		{"the last line may be open", "a: 1\n---\nb: 2", []string{"a: 1\n", "---\nb: 2"}},
		{"JSON objects follow each other", "{\"a\": 1}\n{\n \"b\": \"}{\"\n}\n\n{}\n", []string{"{\"a\": 1}\n", "{\n \"b\": \"}{\"\n}\n\n", "{}\n"}},
		{"JSON objects share a line", `{"a":1}{"b":2} {"c":3}`, []string{`{"a":1}`, `{"b":2}`, ` {"c":3}`}},
		{"JSON and YAML share a stream", "{\"a\":1}\n---\nb: 2\n", []string{"{\"a\":1}\n", "---\nb: 2\n"}},
		{"braces of YAML do not split", "{a: 1}\n{b: 2}\n", []string{"{a: 1}\n{b: 2}\n"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []string
			for _, d := range readAll(t, tc.stream) {
				got = append(got, string(d.Bytes()))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReaderCountsLines(t *testing.T) {
	var got []int
	for _, d := range readAll(t, "# head\n---\na: 1\n---\n\nb: 2\n...\nc: 3\n{\"d\":4}\n") {
		got = append(got, d.FirstLine())
	}
	if diff := cmp.Diff([]int{1, 4, 8}, got); diff != "" {
		t.Error(diff)
	}
	got = nil
	for _, d := range readAll(t, "{\"a\":\n1}{\"b\":2}\n{\"c\":3}\n") {
		got = append(got, d.FirstLine())
	}
	if diff := cmp.Diff([]int{1, 2, 3}, got); diff != "" {
		t.Error(diff)
	}
}

func TestReaderEmitsADocumentBeforeTheStreamEnds(t *testing.T) {
	in, out := io.Pipe()
	defer in.Close()
	go func() {
		_, _ = io.WriteString(out, "a: 1\n---\n") // the pipe stays open
	}()
	d, err := NewReader(in, "-").Next()
	if err != nil || string(d.Bytes()) != "a: 1\n" {
		t.Fatalf("got %v, %v", d, err)
	}
}

func TestReaderFails(t *testing.T) {
	broken := errors.New("broken pipe")
	for _, tc := range []struct {
		name string
		in   io.Reader
		want string
	}{
		{"of the stream", io.MultiReader(strings.NewReader("a: 1\n---\nb: 2\n"), iotest.ErrReader(broken)), "in.yaml:4: broken pipe"},
		{"of a large document", strings.NewReader("a: 1\n---\nb: " + strings.Repeat("x", MaxDocumentSize)), "in.yaml:2: document is larger than 16 MiB"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := NewReader(tc.in, "in.yaml")
			if _, err := r.Next(); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if _, err := r.Next(); err == nil || err.Error() != tc.want {
					t.Fatalf("got %v, want %s", err, tc.want)
				}
			}
		})
	}
}

func TestReaderBoundsMemoryByDocumentsNotLines(t *testing.T) {
	object := `{"a":"` + strings.Repeat("x", 1<<20) + `"}`
	if n := len(readAll(t, strings.Repeat(object, 20))); n != 20 {
		t.Errorf("got %d documents, want 20", n)
	}
}

// TestDocumentsJoinedAreTheStream splits random streams.
func TestDocumentsJoinedAreTheStream(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOf(rapid.SampledFrom(append([]string{
			"---\n", "...\n", "a: 1\n", "{\"a\":1}", "{", "}", "\"", "\n", "# c\n", "%D\n", " ", "\ufeff", "---\r\n", "- |\n", "x",
		}, readerSeeds...))).Draw(t, "parts")
		stream := strings.Join(parts, "")
		r := NewReader(iotest.HalfReader(strings.NewReader(stream)), "")
		var joined strings.Builder
		line := 1
		for {
			d, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if d.FirstLine() != line {
				t.Fatalf("%q: document on line %d, want %d", stream, d.FirstLine(), line)
			}
			line += strings.Count(string(d.Bytes()), "\n")
			joined.Write(d.Bytes())
		}
		if diff := cmp.Diff(stream, joined.String()); diff != "" {
			t.Fatal(diff)
		}
	})
}
