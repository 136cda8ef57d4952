package configfile

import (
	"slices"
	"strconv"
	"strings"
	"time"

	yaml "go.yaml.in/yaml/v3"
)

// Text reads a scalar as it is written.
func Text(into *string) Field { return Checked(into, nil) }

// Checked reads a scalar and notes what check says of it.
func Checked(into *string, check func(text string) error) Field {
	return func(at Place) {
		if at.node.Kind != yaml.ScalarNode {
			at.Fail("must be a text")
			return
		}
		*into = at.node.Value
		if check == nil {
			return
		}
		if err := check(at.node.Value); err != nil {
			at.Fail("%v", err)
		}
	}
}

// OneOf reads one of a few words.
func OneOf(into *string, words ...string) Field {
	return func(at Place) {
		if at.node.Kind != yaml.ScalarNode || !slices.Contains(words, at.node.Value) {
			at.Fail("must be one of %s", strings.Join(words, ", "))
			return
		}
		*into = at.node.Value
	}
}

// Texts reads a list of scalars.
func Texts(into *[]string) Field {
	return List(func(at Place) {
		var text string
		Text(&text)(at)
		*into = append(*into, text)
	})
}

// Map reads an object of scalars with keys of the user's choice.
func Map(into *map[string]string, checkKey func(key string) error) Field {
	return func(at Place) {
		if at.node.Kind != yaml.MappingNode {
			at.Fail("must be an object of texts")
			return
		}
		*into = map[string]string{}
		for i := 0; i+1 < len(at.node.Content); i += 2 {
			key := at.node.Content[i]
			below := Place{at.mistakes, at.file, at.field + "." + key.Value, key}
			if err := checkKey(key.Value); err != nil {
				below.Fail("%v", err)
			}
			if _, twice := (*into)[key.Value]; twice {
				below.Fail("is here twice")
			}
			var text string
			below.node = resolve(at.node.Content[i+1])
			Text(&text)(below)
			(*into)[key.Value] = text
		}
	}
}

// Integer reads a whole number within bounds.
func Integer(into *int, least, most int) Field {
	return func(at Place) {
		n, err := strconv.Atoi(at.node.Value)
		if at.node.Kind != yaml.ScalarNode || err != nil || n < least || n > most {
			at.Fail("must be a whole number from %d to %d", least, most)
			return
		}
		*into = n
	}
}

// Number reads a number.
func Number(into *float64) Field {
	return func(at Place) {
		n, err := strconv.ParseFloat(at.node.Value, 64)
		if at.node.Kind != yaml.ScalarNode || err != nil {
			at.Fail("must be a number")
			return
		}
		*into = n
	}
}

// Boolean reads true or false.
func Boolean(into *bool) Field {
	return func(at Place) {
		if at.node.Kind != yaml.ScalarNode || at.node.Value != "true" && at.node.Value != "false" {
			at.Fail("must be true or false")
			return
		}
		*into = at.node.Value == "true"
	}
}

// Duration reads a duration in Go's notation within bounds.
func Duration(into *time.Duration, least, most time.Duration) Field {
	return func(at Place) {
		d, err := time.ParseDuration(at.node.Value)
		switch {
		case at.node.Kind != yaml.ScalarNode || err != nil:
			at.Fail("must be a duration such as 500ms or 1m30s")
		case d < least || d > most:
			at.Fail("must be from %s to %s", least, most)
		default:
			*into = d
		}
	}
}
