package adapter

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	dto "github.com/prometheus/client_model/go"
)

// selector chooses series as Prometheus does: name{label="value",other=~"a|b"}; quotes may be single.
type selector struct {
	name     string
	matchers []matcher
}

type matcher struct {
	label, value string
	not          bool
	regex        *regexp.Regexp // nil for equality
}

var (
	selectorShape = regexp.MustCompile(`\A\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{(.*)\})?\s*\z`)
	matcherShape  = regexp.MustCompile(`\A\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\s*(,|\z)`)
	unescape      = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\'`, `'`, `\n`, "\n")
)

func parseSelector(text string) (*selector, error) {
	m := selectorShape.FindStringSubmatch(text)
	if m == nil {
		return nil, fmt.Errorf("%q selects no series: write name or name{label=%q}", cut(text), "value")
	}
	s := &selector{name: m[1]}
	for rest := m[2]; strings.TrimSpace(rest) != ""; {
		part := matcherShape.FindStringSubmatch(rest)
		if part == nil {
			return nil, fmt.Errorf("%q: write label=%q, with one of = != =~ !~, and a comma between two", cut(rest), "value")
		}
		rest = rest[len(part[0]):]
		value := unescape.Replace(part[3][1 : len(part[3])-1])
		next := matcher{label: part[1], value: value, not: part[2][0] == '!'}
		if strings.HasSuffix(part[2], "~") {
			if _, err := regexp.Compile(value); err != nil {
				return nil, errors.New(strings.TrimPrefix(err.Error(), "error parsing "))
			}
			next.regex = regexp.MustCompile(`\A(?:` + value + `)\z`)
		}
		s.matchers = append(s.matchers, next)
	}
	return s, nil
}

// matches says whether a series with these labels, and one more such as le, is meant. An absent label is empty.
func (s *selector) matches(labels []*dto.LabelPair, extra, extraValue string) bool {
	for i := range s.matchers {
		m := &s.matchers[i]
		value := ""
		if m.label == extra {
			value = extraValue
		}
		for _, l := range labels {
			if l.GetName() == m.label {
				value = l.GetValue()
			}
		}
		holds := value == m.value
		if m.regex != nil {
			holds = m.regex.MatchString(value)
		}
		if holds == m.not {
			return false
		}
	}
	return true
}

// cut keeps a message short whatever it quotes.
func cut(text string) string {
	const most = 200
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
