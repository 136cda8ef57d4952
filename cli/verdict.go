package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// outcome is what became of one object.
type outcome int

// The outcomes.
const (
	// untouched: nothing was to be done; the detail says why. It is only told on demand.
	untouched outcome = iota
	// done: the object was changed; the detail says how.
	done
	// same: all that was asked for is there.
	same
	// left: the object was left as it is, and that is worth telling.
	left
	// refused: the object was left as it is because of the troubles.
	refused
)

// verdict is what became of one object, for the report.
type verdict struct {
	object  *object
	outcome outcome
	detail  string
	// troubles are the reasons of a refusal, or of why an object was left.
	troubles []trouble
	warnings []string
}

// trouble is one mistake, and where it is.
type trouble struct {
	place place
	// path of the field in the object; empty where it is of no one field.
	path string
	text string
	// cause is the core's error; nil where it is the CLI's own.
	cause *field.Error
	// pointer names the field below object, which is the Namespace where that is to blame.
	object  *object
	pointer string
}

func (t *trouble) String() string {
	s := t.place.String() + ": "
	if t.path != "" {
		s += t.path + ": "
	}
	return s + t.text
}

// askPointer is where a Pod asks.
var askPointer = "/metadata/annotations" + sidecars.FieldPointer("["+v1alpha1.AnnotationInject+"]")

// locate turns an error of the core into a trouble: file, line and path are those of the object, or of its Namespace.
func locate(e *field.Error, o *object, ns *namespace, set *optIn) trouble {
	t := trouble{text: e.ErrorBody(), cause: e, object: o, path: o.podPrefix + e.Field}
	t.pointer = o.template() + sidecars.FieldPointer(e.Field)
	if path, ok := strings.CutPrefix(e.Field, "namespace."); ok && ns.object != nil {
		t.object, t.path, t.pointer = ns.object, path, sidecars.FieldPointer(path)
	}
	t.place = t.object.place(t.pointer)
	if e.Type == field.ErrorTypeRequired && annotationOf(e.Field) != "" {
		t.place = t.object.place(strings.TrimSuffix(t.pointer, sidecars.FieldPointer(e.Field)) + askPointer)
	}
	if flag := set.flagOf(e); flag != "" {
		t.place = place{file: flag}
	}
	return t
}

// unreadable turns an error of reading a Pod into a trouble: the core names the place as a JSON pointer.
func unreadable(err error, o *object) trouble {
	below := o.template()
	pointer, text, ok := strings.Cut(err.Error(), ": ")
	if !ok || pointer != "" && pointer[0] != '/' {
		return trouble{place: o.place(below), object: o, text: err.Error()}
	}
	path := strings.ReplaceAll(strings.TrimPrefix(pointer, "/"), "/", ".")
	if key, is := strings.CutSuffix(text, " is not a string"); is {
		key = strings.Trim(strings.TrimPrefix(key, "value of "), `"`)
		pointer += sidecars.FieldPointer("[" + key + "]")
		path, text = path+"["+key+"]", "Invalid value: want a string; put it in quotes"
	}
	text = strings.NewReplacer("JSON { here", "a map here", "JSON [ here", "a list here", "JSON ", "a ").Replace(text)
	return trouble{place: o.place(below + pointer), object: o, path: o.podPrefix + path, text: text}
}

// report writes verdicts to standard error, a line for each object and one for each trouble and warning.
type report struct {
	out     io.Writer
	verbose bool
	quiet   bool
	// did words what is done to an object: injected.
	did string
	// pods counts the objects with a Pod; changed those that were touched or are as asked; refused the refused.
	pods, changed, refused int
}

func (r *report) add(v *verdict) {
	if v.object.pod != nil {
		r.pods++
	}
	switch v.outcome {
	case refused:
		r.refused++
	case done, same, left:
		r.changed++
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: ", v.object)
	switch v.outcome {
	case done:
		b.WriteString(r.did + " " + v.detail)
	case same:
		b.WriteString("unchanged")
	case left, untouched:
		b.WriteString(v.detail)
	case refused:
		b.WriteString("refused:")
	}
	b.WriteByte('\n')
	for i := range v.troubles {
		b.WriteString("  " + v.troubles[i].String() + "\n")
	}
	for _, w := range v.warnings {
		b.WriteString("  warning: " + w + "\n")
	}
	if v.outcome == untouched && !r.verbose && len(v.warnings) == 0 || r.quiet && v.outcome != refused {
		return
	}
	_, _ = io.WriteString(r.out, printable(b.String()))
}

// end tells of a run that did nothing, and gives the exit code.
func (r *report) end(nothing string) error {
	if r.pods > 0 && r.changed+r.refused == 0 && !r.quiet && nothing != "" {
		fmt.Fprintln(r.out, nothing)
	}
	if r.refused > 0 {
		return exitCode(ExitRefused)
	}
	return nil
}

// warningsOf words the warnings of a result, but those that repeat its errors.
func warningsOf(res *sidecars.Result) []string {
	var out []string
	for _, w := range res.Warnings {
		if w.Code != sidecars.CodeIgnored {
			out = append(out, w.Code+": "+w.Text)
		}
	}
	return out
}

// asTrouble turns an error of a document, which begins with its name and a line, into a trouble of an object.
func asTrouble(err error, o *object) trouble {
	at := o.place("")
	rest, _ := strings.CutPrefix(err.Error(), at.file+":")
	line, text, ok := strings.Cut(rest, ": ")
	if n, bad := strconv.Atoi(line); ok && bad == nil {
		return trouble{place: place{at.file, n}, object: o, text: text}
	}
	return trouble{place: at, object: o, text: err.Error()}
}

// outcomeOf words an answer for the report.
func outcomeOf(a *answer) (outcome, string) {
	switch a.res.Outcome {
	case sidecars.Injected:
		return done, strings.Join(a.res.Sidecars, ", ")
	case sidecars.Denied:
		return refused, ""
	case sidecars.Ignored:
		return left, "left as it is: its request cannot be met and " + v1alpha1.AnnotationFailurePolicy + " is " + v1alpha1.FailurePolicyIgnore
	case sidecars.Skipped:
		return untouched, "skipped: " + reasonText(a.res.Reason)
	}
	if len(a.asked) > 0 {
		return done, strings.Join(a.res.Sidecars, ", ") + " (there already; the annotations are new)"
	}
	return same, ""
}

// reasonText words the reason of a skip.
func reasonText(r sidecars.Reason) string {
	switch r {
	case sidecars.NotRequested:
		return "not requested"
	case sidecars.OptedOut:
		return `opted out by ` + v1alpha1.AnnotationInject + `: "false"`
	case sidecars.HostNetworkDefault:
		return "on the host network, and only its Namespace asks"
	case sidecars.WindowsDefault:
		return "for Windows, and only its Namespace asks"
	}
	return string(r)
}
