package confd

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// A template may ask for so many numbers, or copies of a text with so many bytes in all. More is a mistake, and would be
// held in memory.
const (
	maxSequence = 1 << 20
	maxRepeat   = 1 << 20
)

func jsonObject(text string) (v map[string]any, err error) {
	return v, json.Unmarshal([]byte(text), &v)
}

func jsonArray(text string) (v []any, err error) { return v, json.Unmarshal([]byte(text), &v) }

func fromJSON(text string) (v any, err error) { return v, json.Unmarshal([]byte(text), &v) }

func toJSON(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

func toPrettyJSON(v any) (string, error) {
	b, err := json.MarshalIndent(v, "", "  ")
	return string(b), err
}

func base64Decode(text string) (string, error) {
	b, err := base64.StdEncoding.DecodeString(text)
	return string(b), err
}

func makeMap(values ...any) (map[string]any, error) {
	if len(values)%2 != 0 {
		return nil, errors.New("a map wants keys and values in turn")
	}
	m := make(map[string]any, len(values)/2)
	for pair := range slices.Chunk(values, 2) {
		key, ok := pair[0].(string)
		if !ok {
			return nil, fmt.Errorf("the key %v of a map is no text", pair[0])
		}
		m[key] = pair[1]
	}
	return m, nil
}

func divide(a, b int) (int, error) {
	if b == 0 {
		return 0, errors.New("division by 0")
	}
	return a / b, nil
}

func modulo(a, b int) (int, error) {
	if b == 0 {
		return 0, errors.New("division by 0")
	}
	return a % b, nil
}

func sequence(first, last int) ([]int, error) {
	if last-first >= maxSequence {
		return nil, fmt.Errorf("%d to %d are more than %d numbers", first, last, maxSequence)
	}
	var numbers []int
	for i := first; i <= last; i++ {
		numbers = append(numbers, i)
	}
	return numbers, nil
}

// reverse copies: the list is perhaps used again.
func reverse(values any) any {
	switch v := values.(type) {
	case []string:
		v = slices.Clone(v)
		slices.Reverse(v)
		return v
	case []KVPair:
		v = slices.Clone(v)
		slices.Reverse(v)
		return v
	}
	return values
}

func sortByLength(values []string) []string {
	return slices.SortedStableFunc(slices.Values(values), func(a, b string) int { return cmp.Compare(len(a), len(b)) })
}

func sortPairsByLength(values []KVPair) []KVPair {
	return slices.SortedStableFunc(slices.Values(values), func(a, b KVPair) int { return cmp.Compare(len(a.Key), len(b.Key)) })
}

func empty(v any) bool {
	if v == nil {
		return true
	}
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Slice, reflect.Map:
		return r.Len() == 0
	}
	return r.IsZero()
}

func coalesce(values ...any) any {
	for _, v := range values {
		if !empty(v) {
			return v
		}
	}
	if len(values) > 0 {
		return values[len(values)-1]
	}
	return nil
}

func ternary(yes, no any, condition bool) any {
	if condition {
		return yes
	}
	return no
}

func indent(spaces int, text string) string {
	if text == "" {
		return ""
	}
	pad := strings.Repeat(" ", min(max(spaces, 0), 1000))
	return pad + strings.ReplaceAll(text, "\n", "\n"+pad)
}

func repeat(count int, text string) (string, error) {
	if count > 0 && len(text) > maxRepeat/count {
		return "", fmt.Errorf("%d times %d bytes are more than %d", count, len(text), maxRepeat)
	}
	return strings.Repeat(text, max(count, 0)), nil
}

func nospace(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, text)
}

// word is a part of a name: capitals before a capital that begins a word, or a word, capitals, digits or other letters.
var word = regexp.MustCompile(`[^\p{Lu}_\- ]*[^\p{Lu}_\- ]|\p{Lu}+[^\p{Lu}_\- ]*`)

// words splits "HTTPPort", "http_port" and "http port" in http and port.
func words(text string) []string {
	var out []string
	for _, w := range word.FindAllString(text, -1) {
		runes := []rune(w)
		capitals := 0
		for capitals < len(runes) && unicode.IsUpper(runes[capitals]) {
			capitals++
		}
		if capitals > 1 && capitals < len(runes) && unicode.IsLower(runes[capitals]) {
			out = append(out, strings.ToLower(string(runes[:capitals-1])))
			runes = runes[capitals-1:]
		}
		out = append(out, strings.ToLower(string(runes)))
	}
	return out
}

func recase(text, between string) string { return strings.Join(words(text), between) }

func camelcase(text string) string {
	parts := words(text)
	for i := 1; i < len(parts); i++ {
		runes := []rune(parts[i])
		runes[0] = unicode.ToUpper(runes[0])
		parts[i] = string(runes)
	}
	return strings.Join(parts, "")
}

func regexMatch(pattern, text string) (bool, error) { return regexp.MatchString(pattern, text) }

func regexFind(pattern, text string) (string, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return "", err
	}
	return re.FindString(text), nil
}

func regexReplaceAll(pattern, text, by string) (string, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return "", err
	}
	return re.ReplaceAllString(text, by), nil
}

func hasKey(m map[string]any, key string) bool {
	_, ok := m[key]
	return ok
}

func mapKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

func mapValues(m map[string]any) []any {
	values := make([]any, 0, len(m))
	for _, key := range mapKeys(m) {
		values = append(values, m[key])
	}
	return values
}

func pluck(key string, from ...map[string]any) []any {
	var values []any
	for _, m := range from {
		if v, ok := m[key]; ok {
			values = append(values, v)
		}
	}
	return values
}

func sha256sum(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func (m *Machine) getenv(name string, otherwise ...string) string {
	if v := m.Getenv(name); v != "" || len(otherwise) == 0 {
		return v
	}
	return otherwise[0]
}

// lookup gives the addresses of a host that hold a mark: a dot or a colon.
func (m *Machine) lookup(host, mark string) []string {
	return slices.DeleteFunc(slices.Clone(m.LookupIP(host)), func(ip string) bool { return !strings.Contains(ip, mark) })
}

// lookupSRV sorts as upstream: by the fields, one after another, as text.
func (m *Machine) lookupSRV(service, proto, name string) []SRV {
	records := m.LookupSRV(service, proto, name)
	text := func(s SRV) string { return fmt.Sprintf("%s%d%d%d", s.Target, s.Port, s.Priority, s.Weight) }
	slices.SortFunc(records, func(a, b SRV) int { return cmp.Compare(text(a), text(b)) })
	return records
}
