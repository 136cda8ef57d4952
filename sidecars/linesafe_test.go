package sidecars

import (
	"regexp"
	"testing"

	"pgregory.net/rapid"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

func TestLineSafe(t *testing.T) {
	pattern := func(p string) v1alpha1.Parameter {
		return v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: v1alpha1.TypeString, Pattern: p}}
	}
	for _, c := range []struct {
		name string
		decl v1alpha1.Parameter
		want bool
	}{
		{"a string", v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: v1alpha1.TypeString}}, false},
		{"a URL", v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: v1alpha1.TypeURL}}, false},
		{"a list", v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: v1alpha1.TypeList}}, false},
		{"an unknown type", v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: "text"}}, false},
		{"an integer", v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: v1alpha1.TypeInteger}}, true},
		{"a boolean", v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: v1alpha1.TypeBoolean}}, true},
		{"a quantity", v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: v1alpha1.TypeQuantity}}, true},
		{"a duration", v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: v1alpha1.TypeDuration}}, true},
		{"a port", v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: v1alpha1.TypePort}}, true},
		{"a path", v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: v1alpha1.TypePath}}, true},
		{"a Secret's name", v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: v1alpha1.TypeSecretName}}, true},
		{"a ConfigMap's name", v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: v1alpha1.TypeConfigMapName}}, true},

		{"an enum of words", v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: v1alpha1.TypeString, Enum: []string{"tcp", "http", ""}}}, true},
		{"an enum with a space", v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: v1alpha1.TypeString, Enum: []string{"tcp", "http log"}}}, false},
		{"an enum with a dollar, beside a safe pattern", v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: v1alpha1.TypeString, Enum: []string{"$x"}, Pattern: "a"}}, false},
		{"a safe enum beside an unsafe pattern", v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: v1alpha1.TypeString, Enum: []string{"x"}, Pattern: ".*"}}, true},

		{"letters", pattern(`[a-z]+`), true},
		{"letters, whatever their case", pattern(`(?i)[a-z]+`), true},
		{"a host and port", pattern(`[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?:[0-9]{1,5}`), true},
		{"alternatives", pattern(`a|b|c(d|e)*`), true},
		{"nothing", pattern(`()`), true},
		{"what cannot match", pattern(`[^\x00-\x{10FFFF}]`), true},
		{"anchors", pattern(`^\Aa\b\z$`), true},
		{"letters beyond ASCII", pattern(`[à-ÿ]+`), true},
		{"digits of any script", pattern(`\d+`), true},
		{"word characters", pattern(`\w+`), true},
		{"per cent, comma, semicolon", pattern(`[%,;]`), true},

		{"a dot", pattern(`.`), false},
		{"a dot that matches line breaks", pattern(`(?s).`), false},
		{"a dot within", pattern(`a(b|c.)d`), false},
		{"a negated class", pattern(`[^ ]`), false},
		{"a negated class of all that is unsafe in ASCII", pattern("[^\\s\"'`\\\\#${}]"), false},
		{"all but word characters", pattern(`\W`), false},
		{"all but white space", pattern(`\S+`), false},
		{"white space", pattern(`a\s`), false},
		{"a space", pattern(`a b`), false},
		{"a tab", pattern(`a\tb`), false},
		{"a line break", pattern(`a\nb`), false},
		{"a quote", pattern(`a"`), false},
		{"an apostrophe", pattern(`[a-z']`), false},
		{"a backtick", pattern("[a-z`]"), false},
		{"a backslash", pattern(`\\`), false},
		{"a hash", pattern(`a#`), false},
		{"a dollar", pattern(`\$`), false},
		{"a brace in a repetition", pattern(`(a{2,3}\{)*`), false},
		{"a range over a brace", pattern(`[!-~]`), false},
		{"a range over punctuation that holds the hash", pattern(`[!-/]`), false},
		{"letters of any script: too many to look at", pattern(`\p{L}`), false},
		{"a class of POSIX with a quote", pattern(`[[:punct:]]`), false},
		{"a no-break space", pattern(`\x{a0}`), false},
		{"a line separator", pattern(`[\x{2028}]`), false},
		{"a zero-width space", pattern(`\x{200b}`), false},
		{"a mark of order", pattern(`[\x{202a}-\x{202e}]`), false},
		{"a byte-order mark", pattern(`\x{feff}`), false},
		{"no expression", pattern(`a(`), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := provedLineSafe(&c.decl); got != c.want {
				t.Errorf("%+v: %t, want %t", c.decl, got, c.want)
			}
		})
	}
}

// expressions makes patterns of parts that are safe in a line and parts that are not. Those that do not compile are left out.
var expressions = rapid.Custom(func(t *rapid.T) string {
	atom := rapid.SampledFrom([]string{`[a-z]`, `.`, `\w`, `\S`, `\s`, `\d`, `[^a]`, `a`, `\.`, ` `, `"`, `(?i)k`, `[!-/]`, `[*-/]`, `\pN`, `é`, `\x{2028}`})
	p := ""
	for range rapid.IntRange(1, 4).Draw(t, "atoms") {
		p += atom.Draw(t, "atom") + rapid.SampledFrom([]string{"", "*", "+", "?", "{1,3}", "|"}).Draw(t, "repeat")
	}
	return p
}).Filter(func(p string) bool {
	_, err := regexp.Compile(p)
	return err == nil
})

// TestPropertyLineSafeIsProved draws texts that a pattern matches: where the pattern is said to be safe, each is.
func TestPropertyLineSafeIsProved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := expressions.Draw(t, "pattern")
		if !provedLineSafe(&v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: v1alpha1.TypeString, Pattern: p}}) {
			return
		}
		text := rapid.StringMatching(`\A(?:`+p+`)\z`).Draw(t, "text")
		if !lineSafeText(text) {
			t.Fatalf("%q matches %s, which is said to be safe", text, p)
		}
	})
}
