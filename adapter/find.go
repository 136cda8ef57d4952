package adapter

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// walk follows a pointer through JSON and collects the numbers at its end. A member that is absent below a star is passed
// over: not every item has everything.
func walk(v any, pointer, stars []string, out *[]found) error {
	if len(*out) > maxFound {
		return nil
	}
	if len(pointer) == 0 {
		value, err := asNumber(v)
		if err != nil {
			return err
		}
		*out = append(*out, found{value, starLabels(stars)})
		return nil
	}
	segment, rest := pointer[0], pointer[1:]
	switch v := v.(type) {
	case map[string]any:
		if segment != "*" {
			next, ok := v[segment]
			return step(next, ok, rest, stars, out)
		}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if err := walk(v[key], rest, append(slices.Clone(stars), key), out); err != nil {
				return err
			}
		}
	case []any:
		if segment != "*" {
			i, err := strconv.Atoi(segment)
			ok := err == nil && i >= 0 && i < len(v)
			if !ok {
				return step(nil, false, rest, stars, out)
			}
			return step(v[i], true, rest, stars, out)
		}
		for i := range v {
			if err := walk(v[i], rest, append(slices.Clone(stars), strconv.Itoa(i)), out); err != nil {
				return err
			}
		}
	default:
		return step(nil, false, rest, stars, out)
	}
	return nil
}

func step(next any, ok bool, rest, stars []string, out *[]found) error {
	switch {
	case ok:
		return walk(next, rest, stars, out)
	case len(stars) > 0:
		return nil
	}
	return errors.New("not on the page")
}

func starLabels(stars []string) map[string]string {
	labels := make(map[string]string, len(stars))
	for i, s := range stars {
		labels[strconv.Itoa(i+1)] = s
	}
	return labels
}

// asNumber reads a number, a text that is one, or a boolean as 1 or 0.
func asNumber(v any) (float64, error) {
	switch v := v.(type) {
	case float64:
		return v, nil
	case bool:
		if v {
			return 1, nil
		}
		return 0, nil
	case string:
		n, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
		if err != nil {
			return 0, fmt.Errorf("%q is not a number", cut(v))
		}
		return n, nil
	}
	return 0, errors.New("is not a number")
}

// findText collects every match of the expression in a text.
func (m *mapping) findText(text string) ([]found, error) {
	group := max(m.regex.SubexpIndex("value"), 1)
	var out []found
	most := maxFound + 1
	if m.At != "" {
		most = 1 // the first place where the words are
	}
	for _, match := range m.regex.FindAllStringSubmatch(text, most) {
		value, err := asNumber(match[group])
		if err != nil {
			return nil, err
		}
		labels := map[string]string{}
		for i, name := range m.regex.SubexpNames() {
			labels[strconv.Itoa(i)] = match[i]
			if name != "" {
				labels[name] = match[i]
			}
		}
		out = append(out, found{value, labels})
	}
	return out, nil
}

// findCEL evaluates the expression over the page.
func (m *mapping) findCEL(body any) ([]found, error) {
	out, err := run(m.program, map[string]any{"body": body})
	if err != nil {
		return nil, err
	}
	list, ok := out.(traits.Lister)
	if !ok {
		f, err := celFound(out)
		return []found{f}, err
	}
	var all []found
	for i := list.Iterator(); i.HasNext() == types.True; {
		f, err := celFound(i.Next())
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, nil
}

// celFound reads a number, or a map with value and labels.
func celFound(v ref.Val) (found, error) {
	item, ok := v.(traits.Mapper)
	if !ok {
		n, err := celNumber(v)
		return found{value: n}, err
	}
	value, ok := item.Find(types.String("value"))
	if !ok {
		return found{}, errors.New(`an item of the list has no "value"`)
	}
	n, err := celNumber(value)
	out := found{n, map[string]string{}}
	if err != nil {
		return out, err
	}
	labels, ok := item.Find(types.String("labels"))
	if !ok {
		return out, nil
	}
	pairs, ok := labels.(traits.Mapper)
	if !ok {
		return out, errors.New(`"labels" is not a map`)
	}
	for i := pairs.Iterator(); i.HasNext() == types.True; {
		key := i.Next()
		name := fmt.Sprint(key.Value())
		if err := checkLabel(name); err != nil {
			return out, fmt.Errorf("label %q: %w", cut(name), err)
		}
		out.labels[name] = fmt.Sprint(pairs.Get(key).Value())
	}
	return out, nil
}

func celNumber(v ref.Val) (float64, error) {
	switch n := v.Value().(type) {
	case int64:
		return float64(n), nil
	case uint64:
		return float64(n), nil
	default:
		return asNumber(n)
	}
}
