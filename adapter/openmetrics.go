package adapter

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// fromOpenMetrics rewrites OpenMetrics 1.0 as Prometheus' text format, for an app that speaks nothing else. A family gets the
// suffix of its samples (_total, _info) in its own lines too; exemplars, units and times, which the Prometheus format has not
// or has otherwise, go.
func fromOpenMetrics(text []byte) ([]byte, error) {
	var out bytes.Buffer
	out.Grow(len(text))
	var header openMetricsHeader
	ended := false
	for n := 1; len(text) > 0; n++ {
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		text = rest
		switch l := string(line); {
		case ended:
			return nil, fmt.Errorf("line %d: text after # EOF", n)
		case l == "# EOF":
			ended = true
		case l == "", strings.HasPrefix(l, "# UNIT "):
		case strings.HasPrefix(l, "# TYPE "), strings.HasPrefix(l, "# HELP "):
			header.add(l)
		case strings.HasPrefix(l, "#"):
			return nil, fmt.Errorf("line %d: is no line of OpenMetrics", n)
		default:
			sample, err := openMetricsSample(l)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", n, err)
			}
			out.WriteString(header.text())
			out.WriteString(sample)
		}
	}
	if !ended {
		return nil, errors.New("ends without # EOF: it was cut off")
	}
	return out.Bytes(), nil
}

// prometheusTypes are the types' names in Prometheus' format, and what their samples' names end with. The samples of others,
// such as gaugehistogram, become numbers without a type.
var prometheusTypes = map[string]struct{ name, suffix string }{
	"counter": {"counter", "_total"}, "gauge": {"gauge", ""}, "histogram": {"histogram", ""}, "summary": {"summary", ""},
	"unknown": {"untyped", ""}, "stateset": {"gauge", ""}, "info": {"gauge", "_info"},
}

// openMetricsHeader is what was said of a family before its first sample: its HELP may come before its TYPE.
type openMetricsHeader struct{ name, typ, help string }

func (h *openMetricsHeader) add(line string) {
	fields := strings.SplitN(line, " ", 4)
	if len(fields) < 4 {
		return // an empty help text
	}
	is := &h.typ
	if fields[1] == "HELP" {
		is = &h.help
	}
	// Two families may have one name here, and differ by their suffix.
	if h.name != fields[2] || *is != "" {
		*h = openMetricsHeader{name: fields[2]}
		if is = &h.typ; fields[1] == "HELP" {
			is = &h.help
		}
	}
	*is = fields[3]
}

// text is the header in Prometheus' format, once.
func (h *openMetricsHeader) text() string {
	typ, ok := prometheusTypes[h.typ]
	name, help := h.name+typ.suffix, h.help
	*h = openMetricsHeader{}
	if !ok {
		return ""
	}
	out := "# TYPE " + name + " " + typ.name + "\n"
	if help != "" {
		out = "# HELP " + name + " " + strings.ReplaceAll(help, `\"`, `"`) + "\n" + out
	}
	return out
}

// openMetricsSample leaves name, labels and value of a sample: what follows, a time and an exemplar, goes.
func openMetricsSample(line string) (string, error) {
	end := strings.IndexAny(line, "{ ")
	if end < 0 {
		return "", errors.New("a sample has no value")
	}
	if line[end] == '{' {
		close := labelsEnd(line[end:])
		if close < 0 {
			return "", errors.New("labels do not end")
		}
		end += close
	}
	value, _, _ := strings.Cut(strings.TrimPrefix(line[end:], " "), " ")
	if value == "" {
		return "", errors.New("a sample has no value")
	}
	return line[:end] + " " + value + "\n", nil
}

// labelsEnd is the index after the brace that closes the labels; braces in quotes do not count. -1 where none does.
func labelsEnd(text string) int {
	quoted, escaped := false, false
	for i := range len(text) {
		switch c := text[i]; {
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case c == '}' && !quoted:
			return i + 1
		}
	}
	return -1
}
