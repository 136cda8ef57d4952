package cli_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/pillion-dev/pillion/cli"
)

// TestUninjectIsTheInverse holds for block-style files however they are laid out: what inject added, uninject takes out,
// and the file comes back byte for byte. Injecting twice is injecting once.
func TestUninjectIsTheInverse(t *testing.T) {
	injected := 0
	rapid.Check(t, func(t *rapid.T) {
		text := randomStream(t)
		once := runRapid(t, text, "inject")
		if once.code == cli.ExitUnreadable {
			t.Fatalf("%s\n%s", once.err, text)
		}
		if once.out != text {
			injected++
		}
		if twice := runRapid(t, once.out, "inject"); twice.out != once.out {
			t.Fatalf("the second run differs from the first:\n%s\n%s", once.out, twice.out)
		}
		if back := runRapid(t, once.out, "uninject"); back.out != text {
			t.Fatalf("was\n%s\nis\n%s\ninjected\n%s", text, back.out, once.out)
		}
	})
	if injected == 0 {
		t.Error("no document was injected: the test tests nothing")
	}
}

func runRapid(t *rapid.T, text string, args ...string) ran {
	t.Helper()
	catalog, err := loadCatalog()
	if err != nil {
		t.Fatal(err)
	}
	var out, errs strings.Builder
	code := cli.Run(&cli.Process{Args: append([]string{"pillion"}, args...), In: strings.NewReader(text), Out: &out, Err: &errs,
		Getenv: func(string) string { return "" }, Catalog: catalog, Version: "test"})
	return ran{out.String(), errs.String(), code}
}

// layout writes YAML in one of the ways in which people write it.
type layout struct {
	t *rapid.T
	strings.Builder
	// eol ends lines; dash is the indent of lists below their key.
	eol, dash string
	comments  bool
}

func (l *layout) chance(percent int, label string) bool {
	return rapid.IntRange(1, 100).Draw(l.t, label) <= percent
}

func (l *layout) line(indent, text string) {
	if l.comments && l.chance(10, "comment above") {
		l.WriteString(indent + "# a comment: with a colon" + l.eol)
	}
	if l.comments && l.chance(5, "blank line") {
		l.WriteString(l.eol)
	}
	l.WriteString(indent + text)
	if l.comments && l.chance(15, "comment beside") {
		l.WriteString(rapid.SampledFrom([]string{" # why", "   #", "  # \"quoted\" 'so'"}).Draw(l.t, "comment"))
	}
	l.WriteString(l.eol)
}

func (l *layout) scalar(s string) string {
	return rapid.SampledFrom([]string{s, `"` + s + `"`, "'" + s + "'"}).Draw(l.t, "quotes")
}

// randomStream gives a stream of one to four documents.
func randomStream(t *rapid.T) string {
	l := &layout{t: t,
		eol:      rapid.SampledFrom([]string{"\n", "\n", "\n", "\r\n"}).Draw(t, "eol"),
		dash:     rapid.SampledFrom([]string{"", "  "}).Draw(t, "dash"),
		comments: rapid.Bool().Draw(t, "comments")}
	for i := range rapid.IntRange(1, 4).Draw(t, "documents") {
		if i > 0 || l.chance(30, "marker") {
			l.WriteString("---" + l.eol)
		}
		l.document(i)
	}
	text := l.String()
	if l.chance(20, "no line break at the end") && !l.comments {
		text = strings.TrimSuffix(text, l.eol)
	}
	return text
}

func (l *layout) document(i int) {
	kind := rapid.SampledFrom([]string{"Pod", "Deployment", "CronJob", "ConfigMap"}).Draw(l.t, "kind")
	l.line("", "apiVersion: "+map[string]string{"Deployment": "apps/v1", "CronJob": "batch/v1"}[kind]+map[bool]string{true: "v1"}[kind == "Pod" || kind == "ConfigMap"])
	l.line("", "kind: "+l.scalar(kind))
	if kind == "ConfigMap" {
		l.line("", "metadata: {name:  config,}")
		l.line("", "data:")
		l.line("  ", "text: |-")
		l.WriteString("    pillion.dev/inject: shipper" + l.eol)
		return
	}
	if kind == "Pod" {
		l.pod("", fmt.Sprintf("pod-%d", i))
		return
	}
	l.line("", "metadata:")
	l.line("  ", "name: "+l.scalar(fmt.Sprintf("object-%d", i)))
	l.line("", "spec:")
	indent := "    "
	if kind == "CronJob" {
		l.line("  ", "schedule: \"@daily\"")
		l.line("  ", "jobTemplate:")
		l.line("    ", "spec:")
		indent = "        "
		l.line("      ", "template:")
	} else {
		l.line("  ", "template:")
	}
	l.pod(indent, "")
	if l.chance(30, "after the template") {
		l.line("  ", "unknownField: {a: [1, 2,  3]}")
	}
}

func (l *layout) pod(in, name string) {
	l.line(in, "metadata:")
	if name != "" {
		l.line(in+"  ", "name: "+l.scalar(name))
	}
	if l.chance(50, "labels") {
		l.line(in+"  ", "labels:")
		l.line(in+"    ", "app: "+l.scalar("web"))
	}
	l.line(in+"  ", "annotations:")
	asks := rapid.SampledFrom([]string{"shipper", "front,shipper", "shipper,envy", "envy", "plain,late", "copier", "texts", "nobody"}).Draw(l.t, "asks")
	l.line(in+"    ", "pillion.dev/inject: "+l.scalar(asks))
	l.line(in+"    ", "pillion.dev/shipper.endpoint: "+l.scalar("http://logs.example:4318"))
	if l.chance(40, "block scalar") {
		l.WriteString(in + "    other.example/text: |" + l.eol + in + "      two" + l.eol + in + "      lines" + l.eol)
	}
	l.line(in+"    ", "pillion.dev/front.upstream: \"9000\"")
	l.line(in, "spec:")
	if l.chance(30, "grace period") {
		l.line(in+"  ", "terminationGracePeriodSeconds: 45")
	}
	if l.chance(30, "init containers") {
		l.line(in+"  ", "initContainers:")
		l.container(in, "migrate")
	}
	l.line(in+"  ", "containers:")
	for i := range rapid.IntRange(1, 3).Draw(l.t, "containers") {
		l.container(in, fmt.Sprintf("app-%d", i))
	}
	if l.chance(50, "volumes") {
		l.line(in+"  ", "volumes:")
		l.line(in+"  "+l.dash, "- name: data")
		l.line(in+"  "+l.dash, "  emptyDir: {}")
	}
	if l.chance(30, "future field") {
		l.line(in+"  ", "futureField: ~")
	}
}

func (l *layout) container(in, name string) {
	at := in + "  " + l.dash
	l.line(at, "- name: "+l.scalar(name))
	at += "  "
	l.line(at, "image: "+l.scalar("registry.example/app:1"))
	if l.chance(50, "env") {
		l.line(at, "env:")
		l.line(at+l.dash, "- {name: A, value: \"1\"}")
		l.line(at+l.dash, "- name: B")
		l.line(at+l.dash, "  value: >-")
		l.WriteString(at + l.dash + "    folded" + l.eol + at + l.dash + "    text" + l.eol)
	}
	if l.chance(40, "mounts") {
		l.line(at, "volumeMounts:")
		path := rapid.SampledFrom([]string{"/data", "/var/log/app"}).Draw(l.t, "path")
		l.line(at+l.dash, "- mountPath: "+l.scalar(path))
		l.line(at+l.dash, "  name: data")
	}
	if l.chance(50, "resources") {
		l.line(at, "resources: {requests: {cpu: 100m, memory: 64Mi}}")
	}
}
