package adapter

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// question is what a rule may ask about the metrics: a function of a selector and, for some, a window.
type question struct {
	name     string
	result   *cel.Type
	windowed bool
	answer   func(v *view, selector string, window time.Duration) (ref.Val, error)
}

// questions are the functions that rules have besides CEL's own.
func questions() []question {
	return []question{
		{"value", cel.DoubleType, false, func(v *view, s string, _ time.Duration) (ref.Val, error) {
			return v.fold(s, func(all []float64) (float64, error) {
				if len(all) > 1 {
					return 0, fmt.Errorf("%s: %d series: use sum, min or max, or select one", s, len(all))
				}
				return all[0], nil
			})
		}},
		{"sum", cel.DoubleType, false, func(v *view, s string, _ time.Duration) (ref.Val, error) { return v.fold(s, sum) }},
		{"min", cel.DoubleType, false, func(v *view, s string, _ time.Duration) (ref.Val, error) { return v.fold(s, least) }},
		{"max", cel.DoubleType, false, func(v *view, s string, _ time.Duration) (ref.Val, error) { return v.fold(s, most) }},
		{"count", cel.IntType, false, func(v *view, s string, _ time.Duration) (ref.Val, error) { return types.Int(len(v.values(s))), nil }},
		{"present", cel.BoolType, false, func(v *view, s string, _ time.Duration) (ref.Val, error) {
			return types.Bool(len(v.values(s)) > 0), nil
		}},
		{"up", cel.BoolType, false, func(v *view, s string, _ time.Duration) (ref.Val, error) { return types.Bool(v.answered[s]), nil }},
		{"rate", cel.DoubleType, true, func(v *view, s string, w time.Duration) (ref.Val, error) {
			_, rate, err := v.histories[rateOf{s, w}].increase()
			return types.Double(rate), err
		}},
		{"increase", cel.DoubleType, true, func(v *view, s string, w time.Duration) (ref.Val, error) {
			grown, _, err := v.histories[rateOf{s, w}].increase()
			return types.Double(grown), err
		}},
	}
}

// view is what the questions are answered from, during one evaluation.
type view struct {
	families  families
	answered  map[string]bool // sources by name
	histories map[rateOf]*history
	selectors map[string]*selector
}

func (v *view) values(text string) []float64 {
	s := v.selectors[text]
	if s == nil {
		s, _ = parseSelector(text) // it was checked when the rule was compiled
		v.selectors[text] = s
	}
	var out []float64
	v.families.each(s, func(s sample) { out = append(out, s.value) })
	return out
}

func (v *view) fold(text string, fold func(all []float64) (float64, error)) (ref.Val, error) {
	all := v.values(text)
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: no such series", text)
	}
	out, err := fold(all)
	return types.Double(out), err
}

func sum(all []float64) (float64, error) {
	out := 0.0
	for _, x := range all {
		out += x
	}
	return out, nil
}

func least(all []float64) (float64, error) {
	out := all[0]
	for _, x := range all {
		out = min(out, x)
	}
	return out, nil
}

func most(all []float64) (float64, error) {
	out := all[0]
	for _, x := range all {
		out = max(out, x)
	}
	return out, nil
}

// compiledRule is a checked expression. The program asks the view that the language was made with.
type compiledRule struct {
	program cel.Program
	rates   []rateOf
}

// language is CEL with the questions, answered from a view.
type language struct {
	env    *cel.Env
	window time.Duration
}

func newLanguage(v *view, window time.Duration) (*language, error) {
	options := []cel.EnvOption{
		cel.ParserExpressionSizeLimit(maxExpression), cel.ParserRecursionLimit(50), cel.CrossTypeNumericComparisons(true),
	}
	for _, q := range questions() {
		overloads := []cel.FunctionOpt{cel.Overload(q.name+"_selector", []*cel.Type{cel.StringType}, q.result,
			cel.UnaryBinding(func(s ref.Val) ref.Val { return q.ask(v, s, window) }))}
		if q.windowed {
			overloads = append(overloads, cel.Overload(q.name+"_selector_window", []*cel.Type{cel.StringType, cel.StringType}, q.result,
				cel.BinaryBinding(func(s, w ref.Val) ref.Val {
					span, err := time.ParseDuration(fmt.Sprint(w.Value()))
					if err != nil {
						return types.WrapErr(err)
					}
					return q.ask(v, s, span)
				})))
		}
		options = append(options, cel.Function(q.name, overloads...))
	}
	env, err := cel.NewEnv(options...)
	return &language{env, window}, err
}

func (q *question) ask(v *view, s ref.Val, window time.Duration) ref.Val {
	out, err := q.answer(v, fmt.Sprint(s.Value()), window)
	if err != nil {
		return types.WrapErr(err)
	}
	return out
}

// compile checks an expression and makes it ready to run.
func (l *language) compile(text string) (*compiledRule, error) {
	checked, issues := l.env.Compile(text)
	if issues.Err() != nil {
		return nil, celError(issues)
	}
	if checked.OutputType() != cel.BoolType {
		return nil, fmt.Errorf("gives a %s; a rule gives true or false", checked.OutputType())
	}
	out := &compiledRule{}
	root := ast.NavigateAST(checked.NativeRep())
	for _, q := range questions() {
		for _, call := range ast.MatchDescendants(root, ast.FunctionMatcher(q.name)) {
			if err := l.checkCall(&q, call.AsCall().Args(), out); err != nil {
				return nil, err
			}
		}
	}
	var err error
	out.program, err = l.env.Program(checked, cel.CostLimit(costLimit), cel.CostTracking(questionCost{}))
	return out, err
}

// checkCall holds a question to texts that are written out, so that they can be checked before anything runs, and so that it
// is known whose past to keep.
func (l *language) checkCall(q *question, args []ast.Expr, out *compiledRule) error {
	texts := make([]string, len(args))
	for i, a := range args {
		if a.Kind() != ast.LiteralKind {
			return fmt.Errorf("%s takes texts that are written out, such as %s('name')", q.name, q.name)
		}
		texts[i] = fmt.Sprint(a.AsLiteral().Value())
	}
	if q.name != "up" {
		if _, err := parseSelector(texts[0]); err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
	}
	if !q.windowed {
		return nil
	}
	rate := rateOf{texts[0], l.window}
	if len(texts) == 2 {
		var err error
		rate.window, err = time.ParseDuration(texts[1])
		if err != nil || rate.window < time.Second || rate.window > maxWindow {
			return fmt.Errorf("%s: %q must be a duration from 1s to %s", q.name, cut(texts[1]), maxWindow)
		}
	}
	out.rates = append(out.rates, rate)
	return nil
}

// celError is the first of CEL's messages without its drawing of where that is.
func celError(issues *cel.Issues) error {
	first := issues.Errors()[0]
	message, _, _ := strings.Cut(first.Message, " expecting {") // every token of the language
	if strings.HasSuffix(message, "(double, int)'") || strings.HasSuffix(message, "(int, double)'") {
		message += ": write the number with a point, such as 1.0"
	}
	return fmt.Errorf("column %d: %s", first.Location.Column()+1, cut(message))
}

// questionCost says that a question costs more than a comparison: it looks through a family's series.
type questionCost struct{}

func (questionCost) CallCost(function, _ string, _ []ref.Val, _ ref.Val) *uint64 {
	for _, q := range questions() {
		if q.name == function {
			cost := uint64(costLimit / 100)
			return &cost
		}
	}
	return nil
}

// run evaluates a program; an error says what is not known.
func run(p cel.Program, input map[string]any) (ref.Val, error) {
	out, _, err := p.Eval(input)
	return out, err
}

// compileRule checks a rule's expression without anything to ask.
func compileRule(text string, window time.Duration) (*compiledRule, error) {
	l, err := newLanguage(&view{}, window)
	if err != nil {
		return nil, err
	}
	return l.compile(text)
}
