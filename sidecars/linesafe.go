package sidecars

import (
	"regexp/syntax"
	"strings"
	"unicode"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// Rule: only a value that provably holds no white space, quote or any of \ # $ { } may enter a line of a config file.
// Reads: the declaration of a parameter.
// Adds: nothing; a line with another parameter makes the entry invalid when it is loaded.
// Golden: none, see TestLineSafe.
func provedLineSafe(d *v1alpha1.Parameter) bool {
	switch d.Type {
	case v1alpha1.TypeInteger, v1alpha1.TypeBoolean, v1alpha1.TypeQuantity, v1alpha1.TypeDuration, v1alpha1.TypePort,
		v1alpha1.TypePath, v1alpha1.TypeSecretName, v1alpha1.TypeConfigMapName:
		return true
	}
	if d.Enum != nil {
		return allFunc(d.Enum, lineSafeText)
	}
	if d.Pattern == "" {
		return false
	}
	re, err := syntax.Parse(d.Pattern, syntax.Perl)
	return err == nil && lineSafeRegexp(re)
}

func allFunc(list []string, ok func(string) bool) bool {
	for _, s := range list {
		if !ok(s) {
			return false
		}
	}
	return true
}

func lineSafeText(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return !lineSafeRune(r) }) < 0
}

func lineSafeRune(r rune) bool {
	return !unicode.IsSpace(r) && unicode.IsPrint(r) && !strings.ContainsRune("\"'`\\#${}", r)
}

// lineSafeRegexp reports whether no string that re matches can hold an unsafe rune. It looks at every rune that any part
// of the expression can consume, so it may say no where the answer is yes, never the reverse.
func lineSafeRegexp(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return false
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			if !lineSafeRune(r) {
				return false
			}
		}
	case syntax.OpCharClass:
		for i := 0; i < len(re.Rune); i += 2 {
			if !lineSafeRange(re.Rune[i], re.Rune[i+1]) {
				return false
			}
		}
	}
	for _, sub := range re.Sub {
		if !lineSafeRegexp(sub) {
			return false
		}
	}
	return true
}

// lineSafeRange refuses ranges too wide to look through, such as that of a negated class.
func lineSafeRange(from, to rune) bool {
	if to-from > 4096 {
		return false
	}
	for r := from; r <= to; r++ {
		if !lineSafeRune(r) {
			return false
		}
	}
	return true
}
