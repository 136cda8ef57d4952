package sidecars

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// Bounds of parameters that declare none.
const (
	defaultMaxLength = 253
	largestMaxLength = 4096
	defaultMaxItems  = 16
	largestMaxItems  = 64
)

// param is a compiled parameter: what a value must look like and what it is when none is given.
type param struct {
	name string
	// key is the annotation that sets it; empty for an item's.
	key      string
	typ      v1alpha1.ParameterType
	decl     *v1alpha1.Parameter
	pattern  *regexp.Regexp
	min, max *bound
	// item is the item of a list without fields; fields, sorted by name, of a list with them.
	item   *param
	fields []param
	// fallback is the value when none is given.
	fallback value
	// lineSafe says that no value holds white space, quotes or any of \ # $ { }.
	lineSafe bool
	// decides says that a condition asks for it; asked are the values that it asks for.
	decides bool
	asked   []string
}

// value is a checked value. The text of integers and booleans is canonical, so that it can stand as a JSON number.
type value struct {
	text  string
	items []item
	from  Source
	// any meets every condition.
	any bool
}

// item is one item of a list: its text, or its fields in the order of param.fields.
type item struct {
	text   string
	fields []string
}

// empty reports whether no value was given and there is no default.
func (v *value) empty() bool { return v.text == "" && len(v.items) == 0 }

// parse checks text against type and bounds. The error is one sentence without the value.
func (p *param) parse(text string) (value, error) {
	if p.typ != v1alpha1.TypeList {
		canonical, err := p.scalar(text)
		return value{text: canonical}, err
	}
	sep := ","
	if p.fields != nil {
		sep = ";"
	}
	var parts []string
	for part := range strings.SplitSeq(text, sep) {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return p.list(parts)
}

func (p *param) list(parts []string) (value, error) {
	most := p.decl.Items.MaxItems
	if most == 0 {
		most = defaultMaxItems
	}
	if len(parts) > most {
		return value{}, fmt.Errorf("must have at most %d items, has %d", most, len(parts))
	}
	v := value{items: make([]item, len(parts))}
	texts := make([]string, len(parts))
	for i, part := range parts {
		var err error
		if p.fields == nil {
			v.items[i].text, err = p.item.scalar(part)
			texts[i] = v.items[i].text
		} else {
			v.items[i].fields, err = p.itemFields(part)
			texts[i] = part
		}
		if err != nil {
			return value{}, fmt.Errorf("item %d: %w", i+1, err)
		}
	}
	v.text = strings.Join(texts, map[bool]string{true: ",", false: ";"}[p.fields == nil])
	return v, nil
}

// itemFields reads "path=/a,port=80".
func (p *param) itemFields(part string) ([]string, error) {
	got := make([]string, len(p.fields))
	seen := make([]bool, len(p.fields))
	for pair := range strings.SplitSeq(part, ",") {
		name, text, found := strings.Cut(strings.TrimSpace(pair), "=")
		if !found {
			return nil, fmt.Errorf("want name=value, the names are %s", p.fieldNames())
		}
		i := slices.IndexFunc(p.fields, func(f param) bool { return f.name == name })
		if i < 0 {
			return nil, fmt.Errorf("unknown field %s, the names are %s", quoted(name), p.fieldNames())
		}
		if seen[i] {
			return nil, fmt.Errorf("field %q is given twice", name)
		}
		seen[i] = true
		canonical, err := p.fields[i].scalar(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		got[i] = canonical
	}
	for i := range p.fields {
		if seen[i] {
			continue
		}
		if p.fields[i].decl.Required {
			return nil, fmt.Errorf("field %q is required", p.fields[i].name)
		}
		got[i] = p.fields[i].fallback.text
	}
	return got, nil
}

func (p *param) fieldNames() string {
	names := make([]string, len(p.fields))
	for i := range p.fields {
		names[i] = p.fields[i].name
	}
	return strings.Join(names, ", ")
}

// scalar checks one value and gives its canonical text.
func (p *param) scalar(text string) (string, error) {
	longest := p.decl.MaxLength
	if longest == 0 {
		longest = defaultMaxLength
	}
	if len(text) > longest {
		return "", fmt.Errorf("must have at most %d bytes, has %d", longest, len(text))
	}
	if !printableText(text) {
		return "", fmt.Errorf("must hold printable characters only")
	}
	canonical, err := checkType(p, text)
	if err != nil {
		return "", err
	}
	if p.decl.Enum != nil && !slices.Contains(p.decl.Enum, canonical) {
		return "", fmt.Errorf("must be one of %s", strings.Join(p.decl.Enum, ", "))
	}
	if p.pattern != nil && !p.pattern.MatchString(canonical) {
		return "", fmt.Errorf("must match %s", p.decl.Pattern)
	}
	return canonical, p.inBounds(canonical)
}

func (p *param) inBounds(text string) error {
	if p.min == nil && p.max == nil {
		return nil
	}
	at, err := newBound(p.typ, text)
	if err != nil {
		return err
	}
	tooLow, tooHigh := p.min != nil && at.less(p.min), p.max != nil && p.max.less(at)
	switch {
	case (tooLow || tooHigh) && p.min != nil && p.max != nil:
		return fmt.Errorf("must be between %s and %s", p.min.text, p.max.text)
	case tooLow:
		return fmt.Errorf("must be at least %s", p.min.text)
	case tooHigh:
		return fmt.Errorf("must be at most %s", p.max.text)
	}
	return nil
}

// bound is a minimum, a maximum or a value to compare with them.
type bound struct {
	text     string
	number   int64 // integers; durations in nanoseconds
	quantity *resource.Quantity
}

func newBound(typ v1alpha1.ParameterType, text string) (*bound, error) {
	b := &bound{text: text}
	var err error
	switch typ {
	case v1alpha1.TypeInteger, v1alpha1.TypePort:
		b.number, err = strconv.ParseInt(text, 10, 64)
	case v1alpha1.TypeDuration:
		var d time.Duration
		d, err = time.ParseDuration(text)
		b.number = int64(d)
	case v1alpha1.TypeQuantity:
		var q resource.Quantity
		q, err = resource.ParseQuantity(text)
		b.quantity = &q
	default:
		return nil, fmt.Errorf("a %s has no minimum or maximum", typ)
	}
	if err != nil {
		return nil, fmt.Errorf("is no %s", typ)
	}
	return b, nil
}

func (b *bound) less(o *bound) bool {
	if b.quantity != nil {
		return b.quantity.Cmp(*o.quantity) < 0
	}
	return b.number < o.number
}

func printableText(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// quoted cuts what a user wrote to a length fit for a message.
func quoted(s string) string {
	const most = 128
	if len(s) > most {
		return strconv.QuoteToASCII(strings.ToValidUTF8(s[:most], "")) + "..."
	}
	return strconv.QuoteToASCII(s)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
