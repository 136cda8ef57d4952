package confd

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	yaml "go.yaml.in/yaml/v3"
)

// machine is one on which everything is known.
func machine() *Machine {
	return &Machine{
		Now:      func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) },
		Hostname: func() (string, error) { return "front-0", nil },
		Getenv:   func(name string) string { return map[string]string{"CONFD_TEST": "set"}[name] },
		FileExists: func(path string) bool {
			return path == "/"
		},
		LookupIP: func(host string) []string {
			return map[string][]string{"db": {"10.0.0.1", "10.0.0.2", "2001:db8::1"}}[host]
		},
		LookupSRV: func(_, _, _ string) []SRV {
			return []SRV{{"b.", 80, 10, 5}, {"a.", 8080, 10, 5}, {"a.", 80, 20, 5}}
		},
		InterfaceIP: func(name string, v6 bool) string { return fmt.Sprint(name, " ", v6) },
	}
}

func render(t *testing.T, text string, keys map[string]string) (string, error) {
	t.Helper()
	var pairs []KVPair
	for k, v := range keys {
		pairs = append(pairs, KVPair{k, v})
	}
	parsed, err := ParseTemplate(fstest.MapFS{"t": {Data: []byte(text)}}, "t", machine())
	if err != nil {
		return "", err
	}
	return parsed.Render(NewStore("/", pairs))
}

func TestTemplatesRenderAsUpstreams(t *testing.T) {
	text, err := os.ReadFile("testdata/upstream.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var table struct {
		Keys  map[string]string
		Cases []struct{ Name, Template, Want, Error string }
	}
	if err := yaml.Unmarshal(text, &table); err != nil {
		t.Fatal(err)
	}
	called := map[string]bool{}
	for _, c := range table.Cases {
		for _, word := range regexp.MustCompile(`[A-Za-z0-9]+`).FindAllString(c.Template, -1) {
			called[word] = true
		}
		got, err := render(t, c.Template, table.Keys)
		switch {
		case c.Error != "" && (err == nil || !strings.Contains(err.Error(), c.Error)):
			t.Errorf("%s: the error is %v, want one with %q", c.Name, err, c.Error)
		case c.Error == "" && err != nil:
			t.Errorf("%s: %v", c.Name, err)
		case got != c.Want:
			t.Errorf("%s: renders\n%q\nwant\n%q", c.Name, got, c.Want)
		}
	}
	// The others depend on the machine or the folder, and are tested below.
	elsewhere := []string{"datetime", "hostname", "include", "lookupIP", "lookupIPV4", "lookupIPV6", "lookupIfaceIPV4", "lookupIfaceIPV6", "lookupSRV"}
	for _, name := range names() {
		if called[name] == slices.Contains(elsewhere, name) {
			t.Errorf("function %s: in the table is %v", name, called[name])
		}
	}
}

func TestTemplatesAskTheMachine(t *testing.T) {
	for text, want := range map[string]string{
		`{{datetime.Format "2006-01-02"}}`:                                  "2026-03-01",
		`{{hostname}}`:                                                      "front-0",
		`{{lookupIP "db"}} {{lookupIP "no"}}`:                               "[10.0.0.1 10.0.0.2 2001:db8::1] []",
		`{{lookupIPV4 "db"}} {{lookupIPV6 "db"}}`:                           "[10.0.0.1 10.0.0.2] [2001:db8::1]",
		`{{lookupIfaceIPV4 "eth0"}} {{lookupIfaceIPV6 "eth0"}}`:             "eth0 false eth0 true",
		`{{range lookupSRV "x" "tcp" "y"}}{{.Target}}{{.Port}} {{end}}`:     "a.80 a.8080 b.80 ",
		`{{range lookupSRV "x" "tcp" "y"}}{{.Priority}}{{.Weight}} {{end}}`: "205 105 105 ",
		`{{seq 5 3}}`:                      "[]", // as kelseyhightower's; abtreece's counts down
		`{{reverse (gets "/*")}}`:          "[{/b 2} {/a 1}]",
		`{{getv "/no" (getenv "NO" "x")}}`: "x",
	} {
		got, err := render(t, text, map[string]string{"/a": "1", "/b": "2"})
		if err != nil || got != want {
			t.Errorf("%s renders %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestTemplatesThatFailSayWhere(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"syntax", "a\n{{if}}", "shop/a.tmpl:2: missing value for if"},
		{"unclosed", "a\n\n{{range gets \"/*\"}}", "shop/a.tmpl:3: unexpected EOF"},
		{"unknown function", "{{getx \"/a\"}}", `shop/a.tmpl:1: function "getx" is unknown; the functions are add, append, atoi,`},
		{"crypt", "\n{{cgetv \"/a\"}}", `shop/a.tmpl:2: function "cgetv" reads values that crypt encrypted, which is not supported: have the app read a Secret`},
		{"crypt in a definition", "{{define \"x\"}}\n{{cgets \"/a\"}}{{end}}", `shop/a.tmpl:2: function "cgets" reads`},
		{"no key", "a\nb {{getv \"/no\"}}", `shop/a.tmpl:2:4: executing "a.tmpl" at <getv "/no">: error calling getv: key does not exist: /no`},
		{"field of a text", `{{(getv "/a").x}}`, `shop/a.tmpl:1:`},
		{"too many numbers", `{{seq 1 2000000}}`, `shop/a.tmpl:1:2: executing "a.tmpl" at <seq 1 2000000>: error calling seq: 1 to 2000000 are more than 1048576 numbers`},
		{"too long", `{{$x := repeat 1000000 "x"}}{{range seq 1 100}}{{$x}}{{end}}`, `shop/a.tmpl: the result has more than 8388608 bytes`},
		{"repeats too much", `{{repeat 2000000 "xx"}}`, `shop/a.tmpl:1:2: executing "a.tmpl" at <repeat 2000000 "xx">: error calling repeat: 2000000 times 2 bytes are more than 1048576`},
		{"includes itself", `{{include "shop/b.tmpl"}}`, `shop/a.tmpl:1:2: executing "a.tmpl" at <include "shop/b.tmpl">: error calling include: shop/b.tmpl:1:2:`},
		{"includes nothing", `{{include "no.tmpl"}}`, `shop/a.tmpl:1:2: executing "a.tmpl" at <include "no.tmpl">: error calling include: no.tmpl: there is no such template`},
		{"includes from outside", `{{include "../secret"}}`, `shop/a.tmpl:1:2: executing "a.tmpl" at <include "../secret">: error calling include: "../secret" leads out of the folder of templates`},
	} {
		folder := fstest.MapFS{"shop/a.tmpl": {Data: []byte(tt.text)}, "shop/b.tmpl": {Data: []byte(`{{include "shop/b.tmpl"}}`)}}
		parsed, err := ParseTemplate(folder, "shop/a.tmpl", machine())
		if err == nil {
			_, err = parsed.Render(NewStore("/", []KVPair{{"/a", "1"}}))
		}
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: the error is\n%v\nwant\n%s", tt.name, err, tt.want)
		}
	}
	if _, err := ParseTemplate(fstest.MapFS{}, "no.tmpl", machine()); err == nil || err.Error() != "no.tmpl: there is no such template" {
		t.Errorf("a template that is not there: %v", err)
	}
}

func TestTemplateIncludesOthers(t *testing.T) {
	folder := fstest.MapFS{
		"a":      {Data: []byte(`{{include "part/b" (getv "/x")}}{{include "part/b" "2"}}`)},
		"part/b": {Data: []byte(`[{{.}} {{getv "/x"}}]`)},
	}
	parsed, err := ParseTemplate(folder, "a", machine())
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"1", "3"} {
		got, err := parsed.Render(NewStore("/demo", []KVPair{{"/demo/x", value}}))
		if want := "[" + value + " " + value + "][2 " + value + "]"; err != nil || got != want {
			t.Errorf("renders %q, %v; want %q", got, err, want)
		}
	}
}

func TestReferenceListsEveryFunction(t *testing.T) {
	text := FunctionReference()
	for _, f := range Functions(nil, &Machine{}, nil) {
		if reflect.ValueOf(f.call).Kind() != reflect.Func || strings.Count(text, "| `"+f.Name+"` | `{{ "+f.Name) != 1 {
			t.Errorf("function %s is not in the reference once, or its call is of another", f.Name)
		}
		call := strings.NewReplacer("."+"Value", `""`, ".List", "(list)", ".Map", "(dict)", ".Other", "(dict)", ".Flag", "true").Replace(f.Usage)
		if _, err := render(t, "{{"+call+"}}", nil); err != nil && strings.Contains(err.Error(), ": function") {
			t.Errorf("the reference's call of %s does not parse: %v", f.Name, err)
		}
	}
	if all := names(); !slices.IsSorted(all) || len(slices.Compact(all)) != len(Functions(nil, &Machine{}, nil)) {
		t.Error("a function is there twice")
	}
}
