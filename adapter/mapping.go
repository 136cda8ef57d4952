package adapter

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/google/cel-go/cel"
	dto "github.com/prometheus/client_model/go"

	"github.com/pillion-dev/pillion/configfile"
)

// mapping makes one metric of a page.
type mapping struct {
	Name, Type, Help string
	// Labels by name; a value may hold $1, $2 … for what the stars of At stood for, or $NAME for a group of Regex.
	Labels map[string]string
	// Scale is what a value is multiplied by, such as 0.001 for milliseconds.
	Scale float64
	// At says where the number is: in JSON a JSON Pointer (RFC 6901), in which a segment * means every member or item; in text
	// the words right before it; of a health page, ok (1 or 0), status or seconds.
	At string
	// Regex finds the number in a text, once for every match, by its group value or its first.
	Regex string
	// CEL finds it in JSON: an expression over body that gives a number, or a list of {"value": number, "labels": {…}}.
	CEL string

	at      configfile.Place
	pointer []string
	regex   *regexp.Regexp
	program cel.Program
}

// maxFound bounds the series that one mapping makes.
const maxFound = 1000

// found is a number on a page, and what labels may say of it.
type found struct {
	value  float64
	labels map[string]string
}

// check prepares the mapping for a page's format.
func (m *mapping) check(format string) {
	if m.Help == "" {
		m.Help = "From the app's status page: " + strings.Join(strings.Fields(m.At+m.Regex+m.CEL), " ")
	}
	given := map[string]string{"at": m.At, "regex": m.Regex, "cel": m.CEL}
	allowed := map[string][]string{formatJSON: {"at", "cel"}, formatText: {"at", "regex"}, formatHealth: {"at"}}[format]
	n := 0
	for _, key := range []string{"at", "regex", "cel"} {
		if given[key] == "" {
			continue
		}
		n++
		if !slices.Contains(allowed, key) {
			m.at.Below(key).Fail("is not for a page in format %s: use %s", format, strings.Join(allowed, " or "))
			return
		}
	}
	if n != 1 {
		m.at.Fail("must have one of %s", strings.Join(allowed, ", "))
		return
	}
	if m.Scale == 0 || math.IsNaN(m.Scale) || math.IsInf(m.Scale, 0) {
		m.at.Below("scale").Fail("must be a number other than 0")
	}
	for key, prepare := range map[string]func() error{"at": func() error { return m.checkAt(format) }, "regex": m.checkRegex, "cel": m.checkCEL} {
		if given[key] == "" {
			continue
		}
		if err := prepare(); err != nil {
			m.at.Below(key).Fail("%v", err)
		}
	}
	m.checkLabels()
}

func (m *mapping) checkAt(format string) error {
	switch {
	case format == formatHealth && !slices.Contains([]string{"ok", "status", "seconds"}, m.At):
		return errors.New("must be ok, status or seconds")
	case format == formatText:
		// The words, and after them a number with white space, a colon or an equals sign between.
		m.regex = regexp.MustCompile(`(?:^|[^A-Za-z0-9_])` + regexp.QuoteMeta(m.At) + `[\s:=]*([-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)`)
	case format == formatJSON && m.At[0] != '/':
		return errors.New("must be a JSON Pointer such as /queue/depth")
	case format == formatJSON:
		for segment := range strings.SplitSeq(m.At[1:], "/") {
			m.pointer = append(m.pointer, strings.NewReplacer("~1", "/", "~0", "~").Replace(segment))
		}
	}
	return nil
}

func (m *mapping) checkRegex() (err error) {
	m.regex, err = regexp.Compile(m.Regex)
	if err == nil && m.regex.NumSubexp() == 0 {
		return errors.New("has no group for the number: write it in parentheses")
	}
	return err
}

func (m *mapping) checkCEL() error {
	if len(m.CEL) > maxExpression {
		return errors.New("is too long")
	}
	env, err := cel.NewEnv(cel.Variable("body", cel.DynType), cel.ParserRecursionLimit(50), cel.CrossTypeNumericComparisons(true))
	if err != nil {
		return err
	}
	checked, issues := env.Compile(m.CEL)
	if issues.Err() != nil {
		return celError(issues)
	}
	m.program, err = env.Program(checked, cel.CostLimit(costLimit))
	return err
}

var reference = regexp.MustCompile(`\$([A-Za-z0-9_]+)`)

// checkLabels holds labels to what the mapping can find.
func (m *mapping) checkLabels() {
	stars := 0
	for _, segment := range m.pointer {
		if segment == "*" {
			stars++
		}
	}
	for name, value := range m.Labels {
		for _, r := range reference.FindAllStringSubmatch(value, -1) {
			n, err := strconv.Atoi(r[1])
			star := err == nil && n >= 1 && n <= stars
			group := m.regex != nil && (slices.Contains(m.regex.SubexpNames(), r[1]) || err == nil && n <= m.regex.NumSubexp())
			if !star && !group {
				m.at.Below("labels").Below(name).Fail("%s stands for nothing: no such star of at, no such group of regex", r[0])
			}
		}
	}
}

// page makes the metrics of a page. What is not there is left out and told; all else is served.
func (s *Source) page(a *answer) (families, error) {
	var body any
	if s.Format == formatJSON {
		if err := json.Unmarshal(a.body, &body); err != nil {
			return nil, &failure{reasonParse, err}
		}
	}
	all := families{}
	var errs []error
	for _, m := range s.mappings {
		list, err := m.find(s.Format, body, a)
		if err == nil && len(list) == 0 {
			err = errors.New("not on the page")
		}
		if err == nil && len(list) > maxFound {
			err = fmt.Errorf("%d series; at most %d", len(list), maxFound)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %s", m.Name, cut(err.Error())))
			continue
		}
		m.put(all, list)
	}
	for _, mf := range tidy(all) {
		// An object's members have no order of their own.
		slices.SortStableFunc(mf.Metric, func(a, b *dto.Metric) int { return strings.Compare(labelsKey(a.Label), labelsKey(b.Label)) })
	}
	if len(errs) > 0 {
		return all, &failure{reasonParse, errors.Join(errs...)}
	}
	return all, nil
}

func (m *mapping) find(format string, body any, a *answer) ([]found, error) {
	switch {
	case format == formatHealth:
		return []found{{value: m.health(a)}}, nil
	case m.program != nil:
		return m.findCEL(body)
	case m.regex != nil:
		return m.findText(string(a.body))
	}
	var out []found
	err := walk(body, m.pointer, nil, &out)
	return out, err
}

func (m *mapping) health(a *answer) float64 {
	switch {
	case m.At == "status":
		return float64(a.status)
	case m.At == "seconds":
		return a.took.Seconds()
	case a.status >= 200 && a.status < 300:
		return 1
	}
	return 0
}

// put adds what was found to the metric's family, of which another mapping may have made series already.
func (m *mapping) put(all families, list []found) {
	mf := all[m.Name]
	if mf == nil {
		typ := map[string]dto.MetricType{"gauge": dto.MetricType_GAUGE, "counter": dto.MetricType_COUNTER}[m.Type]
		if m.Type == "untyped" {
			typ = dto.MetricType_UNTYPED
		}
		mf = &dto.MetricFamily{Name: &m.Name, Type: &typ, Help: &m.Help}
		all[m.Name] = mf
	}
	for _, f := range list {
		metric := &dto.Metric{}
		setNumber(metric, mf.GetType(), f.value*m.Scale)
		labels := map[string]string{}
		for name, value := range m.Labels {
			labels[name] = reference.ReplaceAllStringFunc(value, func(r string) string { return f.labels[r[1:]] })
		}
		if m.program != nil {
			for name, value := range f.labels {
				labels[name] = value
			}
		}
		for name, value := range labels {
			metric.Label = append(metric.Label, &dto.LabelPair{Name: &name, Value: &value})
		}
		mf.Metric = append(mf.Metric, metric)
	}
}
