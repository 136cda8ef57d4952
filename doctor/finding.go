package doctor

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

type corev1Container = corev1.Container

// Severity of a finding.
type Severity string

// The severities.
const (
	// Error: Pods are not injected, or the cluster may not start, now or at the next restart.
	Error Severity = "error"
	// Warning: it works, and will not always.
	Warning Severity = "warning"
	// Note is worth knowing.
	Note Severity = "note"
)

// Finding is one thing that is not as it should be.
type Finding struct {
	// Code is stable for life.
	Code     string   `json:"code"`
	Severity Severity `json:"severity"`
	// Check that found it.
	Check string `json:"check"`
	// Object that it is about, as kubectl names it: kind/name, with the Namespace; empty where it is about none.
	Object string `json:"object,omitempty"`
	// Message says what is, Why why that matters.
	Message string `json:"message"`
	Why     string `json:"why"`
	Fix     Fix    `json:"fix"`
}

// Fix is what to do.
type Fix struct {
	Text string `json:"text"`
	// Commands do it, one after the other; words in capitals are for the reader to fill in.
	Commands []string `json:"commands,omitempty"`
}

// Code is a kind of finding.
type Code struct {
	ID       string
	Severity Severity
	// Title says what is wrong, Why why that matters, each in a sentence.
	Title, Why string
}

// findings gathers what a check finds.
type findings struct {
	check *Check
	list  []Finding
}

// add adds a finding of one of the check's codes.
func (f *findings) add(code, object, message string, fix Fix) {
	i := slices.IndexFunc(f.check.Codes, func(c Code) bool { return c.ID == code })
	c := &f.check.Codes[i]
	f.list = append(f.list, Finding{Code: code, Severity: c.Severity, Check: f.check.Name, Object: object, Message: message, Why: c.Why, Fix: fix})
}

// todo is a fix without a command.
func todo(format string, args ...any) Fix { return Fix{Text: fmt.Sprintf(format, args...)} }

// do is a fix by commands.
func do(text string, commands ...string) Fix { return Fix{text, commands} }

// few is how many names a message lists.
const few = 5

// names lists a few names, and how many more there are.
func names(all []string) string {
	if more := len(all) - few; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(all[:few], ", "), more)
	}
	return strings.Join(all, ", ")
}
