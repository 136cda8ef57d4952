package adapter

import (
	"fmt"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
)

// merge makes one page of many: every series gets the label that says where it is from, families of one name become one.
// What the sources contradict each other about is settled, by the first source's word, and told.
type merge struct {
	label    string
	families families
	// conflicts are what had to be settled, one text for each family and source.
	conflicts []conflict
}

// conflict is one thing that a source and an earlier one say differently.
type conflict struct {
	source string
	// lost: the source's series of this family are not served.
	lost bool
	text string
}

func newMerge(label string) *merge { return &merge{label: label, families: families{}} }

// add puts a source's families into the page, and gives the number of series that are in it now because of that.
func (p *merge) add(source string, all families, own bool) int {
	n := 0
	for _, name := range sortedNames(all) {
		mf := all[name]
		p.unique(source, mf, own)
		there := p.families[name]
		switch {
		case len(mf.Metric) == 0:
			continue
		case there == nil:
			p.families[name] = mf
		case !p.join(source, there, mf):
			continue
		}
		for _, m := range mf.Metric {
			n += size(m)
		}
	}
	return n
}

// unique labels a source's series and drops those that it gives twice, which would make the whole page unreadable.
func (p *merge) unique(source string, mf *dto.MetricFamily, own bool) {
	seen := make(map[string]bool, len(mf.Metric))
	before := len(mf.Metric)
	mf.Metric = slices.DeleteFunc(mf.Metric, func(m *dto.Metric) bool {
		p.mark(source, m, own)
		key := labelsKey(m.Label)
		twice := seen[key]
		seen[key] = true
		return twice
	})
	if twice := before - len(mf.Metric); twice > 0 {
		p.conflicts = append(p.conflicts, conflict{source, false, fmt.Sprintf("%s: %d series are there twice", mf.GetName(), twice)})
	}
}

// mark adds the label. One of that name which the source has already becomes exported_<name>, as Prometheus does with its own.
func (p *merge) mark(source string, m *dto.Metric, own bool) {
	at := slices.IndexFunc(m.Label, func(l *dto.LabelPair) bool { return l.GetName() == p.label })
	if at >= 0 && own {
		return
	}
	if at >= 0 {
		name := "exported_" + p.label
		for slices.ContainsFunc(m.Label, func(l *dto.LabelPair) bool { return l.GetName() == name }) {
			name = "exported_" + name
		}
		m.Label[at].Name = &name
	}
	m.Label = append(m.Label, &dto.LabelPair{Name: &p.label, Value: &source})
	slices.SortFunc(m.Label, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
}

// join adds a family to one of its name; it says whether the series could be kept.
func (p *merge) join(source string, there, mf *dto.MetricFamily) bool {
	if there.GetHelp() == "" {
		there.Help = mf.Help
	} else if mf.GetHelp() != "" && mf.GetHelp() != there.GetHelp() {
		p.settle(source, false, "%s: another help text", mf.GetName())
	}
	if there.GetUnit() == "" {
		there.Unit = mf.Unit
	}
	if there.GetType() == mf.GetType() {
		there.Metric = append(there.Metric, mf.Metric...)
		return true
	}
	is, was := typeName(mf), typeName(there)
	switch {
	case !isNumber(there) || !isNumber(mf):
		p.settle(source, true, "%s: of type %s, but %s before: its series are left out", mf.GetName(), is, was)
		return false
	case mf.GetType() == dto.MetricType_UNTYPED || there.GetType() != dto.MetricType_UNTYPED:
		p.settle(source, false, "%s: of type %s, but %s before, which it is served as", mf.GetName(), is, was)
		retype(mf, there.GetType())
	default:
		p.settle(source, false, "%s: of type %s, and without one before", mf.GetName(), is)
		retype(there, mf.GetType())
	}
	there.Metric = append(there.Metric, mf.Metric...)
	return true
}

func (p *merge) settle(source string, lost bool, format string, args ...any) {
	p.conflicts = append(p.conflicts, conflict{source, lost, fmt.Sprintf(format, args...)})
}

func typeName(mf *dto.MetricFamily) string { return strings.ToLower(mf.GetType().String()) }

// isNumber: each series of the family is one number.
func isNumber(mf *dto.MetricFamily) bool {
	return slices.Contains([]dto.MetricType{dto.MetricType_COUNTER, dto.MetricType_GAUGE, dto.MetricType_UNTYPED}, mf.GetType())
}

// retype makes a family of numbers one of another type.
func retype(mf *dto.MetricFamily, to dto.MetricType) {
	mf.Type = &to
	for _, m := range mf.Metric {
		value := 0.0
		simple(m, func(s sample) { value = s.value })
		m.Counter, m.Gauge, m.Untyped = nil, nil, nil
		setNumber(m, to, value)
	}
}

func setNumber(m *dto.Metric, typ dto.MetricType, value float64) {
	switch typ {
	case dto.MetricType_COUNTER:
		m.Counter = &dto.Counter{Value: &value}
	case dto.MetricType_GAUGE:
		m.Gauge = &dto.Gauge{Value: &value}
	default:
		m.Untyped = &dto.Untyped{Value: &value}
	}
}

// labelsKey is one text for one set of labels, which are in the order of their names.
func labelsKey(labels []*dto.LabelPair) string {
	var b strings.Builder
	for _, l := range labels {
		b.WriteString(l.GetName())
		b.WriteByte('\xff')
		b.WriteString(l.GetValue())
		b.WriteByte('\xff')
	}
	return b.String()
}
