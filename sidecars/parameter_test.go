package sidecars

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// declare compiles one declaration, which must be without a mistake.
func declare(t *testing.T, d v1alpha1.Parameter) *param {
	t.Helper()
	c := &compiler{entry: &Entry{}, used: map[int]bool{}, list: -1}
	p := c.parameter(field.NewPath("p"), "p", &d)
	if len(c.errs) > 0 {
		t.Fatal(c.errs)
	}
	return &p
}

func TestParameterOfEveryType(t *testing.T) {
	text := func(typ v1alpha1.ParameterType) v1alpha1.Parameter {
		return v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: typ}}
	}
	const (
		anInteger  = "must be a whole number"
		aBoolean   = "must be true or false"
		aQuantity  = "must be a quantity such as 256Mi or 100m"
		aDuration  = "must be a duration such as 500ms or 1m30s"
		aPort      = "must be a port between 1 and 65535"
		aPath      = "must be a clean absolute path of letters, digits and . _ @ + , = -"
		aURL       = "must be a URL such as http://host:port/path without user info; schemes: http, https"
		aName      = "must be the name of an object: letters in lower case, digits, dots and hyphens"
		printables = "must hold printable characters only"
	)
	for _, c := range []struct {
		decl      v1alpha1.Parameter
		in        string
		want, err string
	}{
		{text("string"), "", "", ""},
		{text("string"), " é $(X) \"'\\ #", " é $(X) \"'\\ #", ""},
		{text("string"), strings.Repeat("a", 253), strings.Repeat("a", 253), ""},
		{text("string"), strings.Repeat("a", 254), "", "must have at most 253 bytes, has 254"},
		{text("string"), strings.Repeat("é", 127), "", "must have at most 253 bytes, has 254"},
		{text("string"), "a\nb", "", printables},
		{text("string"), "a\tb", "", printables},
		{text("string"), "a\x00", "", printables},
		{text("string"), "a\x7f", "", printables},
		{text("string"), "\u2028", "", printables},
		{text("string"), "\ufeff", "", printables},
		{text("string"), "\u202e", "", printables},
		{text("string"), "\u00a0", "", printables},
		{text("string"), "\xff", "", printables},
		{v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: "string", MaxLength: 2}}, "abc", "", "must have at most 2 bytes, has 3"},
		{v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: "string", Pattern: "a|b", Example: &v1alpha1.Value{Text: "a"}}}, "ab", "", "must match a|b"},
		{v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: "string", Pattern: "(?m)^a$", Example: &v1alpha1.Value{Text: "a"}}}, "a", "a", ""},
		{v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: "string", Enum: []string{"x", "y"}}}, "y", "y", ""},
		{v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: "string", Enum: []string{"x", "y"}}}, "z", "", "must be one of x, y"},
		{v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: "string", Enum: []string{"x", "y"}}}, "", "", "must be one of x, y"},

		{text("integer"), "007", "7", ""},
		{text("integer"), "+5", "5", ""},
		{text("integer"), "-0", "0", ""},
		{text("integer"), "-9223372036854775808", "-9223372036854775808", ""},
		{text("integer"), "9223372036854775808", "", anInteger},
		{text("integer"), "1.0", "", anInteger},
		{text("integer"), "1e3", "", anInteger},
		{text("integer"), "0x10", "", anInteger},
		{text("integer"), "1_000", "", anInteger},
		{text("integer"), " 1", "", anInteger},
		{text("integer"), "", "", anInteger},
		{v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: "integer", Minimum: "2", Maximum: "4"}}, "1", "", "must be between 2 and 4"},
		{v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: "integer", Minimum: "2", Maximum: "4"}}, "2", "2", ""},
		{v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: "integer", Minimum: "2", Maximum: "4"}}, "4", "4", ""},
		{v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: "integer", Minimum: "2", Maximum: "4"}}, "5", "", "must be between 2 and 4"},
		{v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: "integer", Minimum: "2"}}, "1", "", "must be at least 2"},
		{v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: "integer", Maximum: "4"}}, "5", "", "must be at most 4"},
		{v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: "integer", Enum: []string{"7"}}}, "007", "7", ""},

		{text("boolean"), "true", "true", ""},
		{text("boolean"), "false", "false", ""},
		{text("boolean"), "True", "", aBoolean},
		{text("boolean"), "1", "", aBoolean},
		{text("boolean"), "yes", "", aBoolean},
		{text("boolean"), "", "", aBoolean},

		{text("quantity"), "256Mi", "256Mi", ""},
		{text("quantity"), "0.5", "0.5", ""},
		{text("quantity"), "1e3", "1e3", ""},
		{text("quantity"), "-1", "", aQuantity},
		{text("quantity"), "1 Mi", "", aQuantity},
		{text("quantity"), "Mi", "", aQuantity},
		{text("quantity"), "", "", aQuantity},
		{v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: "quantity", Minimum: "64Mi", Maximum: "1Gi"}}, "67108863", "", "must be between 64Mi and 1Gi"},
		{v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: "quantity", Minimum: "64Mi", Maximum: "1Gi"}}, "67108864", "67108864", ""},
		{v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: "quantity", Minimum: "64Mi", Maximum: "1Gi"}}, "1024Mi", "1024Mi", ""},
		{v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: "quantity", Minimum: "64Mi", Maximum: "1Gi"}}, "1025Mi", "", "must be between 64Mi and 1Gi"},

		{text("duration"), "1m30s", "1m30s", ""},
		{text("duration"), "0", "0", ""},
		{text("duration"), "-1s", "", aDuration},
		{text("duration"), "10", "", aDuration},
		{text("duration"), "1d", "", aDuration},
		{text("duration"), "", "", aDuration},
		{v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: "duration", Minimum: "1s", Maximum: "1h"}}, "999ms", "", "must be between 1s and 1h"},
		{v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: "duration", Minimum: "1s", Maximum: "1h"}}, "1000ms", "1000ms", ""},
		{v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: "duration", Minimum: "1s", Maximum: "1h"}}, "60m", "60m", ""},
		{v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: "duration", Minimum: "1s", Maximum: "1h"}}, "60m1ns", "", "must be between 1s and 1h"},

		{text("port"), "1", "1", ""},
		{text("port"), "065535", "65535", ""},
		{text("port"), "0", "", aPort},
		{text("port"), "65536", "", aPort},
		{text("port"), "4294967297", "", aPort},
		{text("port"), "http", "", aPort},
		{v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: "port", Minimum: "1024"}}, "1023", "", "must be at least 1024"},
		{v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: "port", Minimum: "1024"}}, "1024", "1024", ""},

		{text("path"), "/a", "/a", ""},
		{text("path"), "/a/b.c_d@e+f,g=h-i", "/a/b.c_d@e+f,g=h-i", ""},
		{text("path"), "/", "", aPath},
		{text("path"), "a", "", aPath},
		{text("path"), "/a/", "", aPath},
		{text("path"), "/a//b", "", aPath},
		{text("path"), "/a/../b", "", aPath},
		{text("path"), "/..", "", aPath},
		{text("path"), "/a/.", "", aPath},
		{text("path"), "/a:b", "", aPath},
		{text("path"), "/a b", "", aPath},
		{text("path"), "/a*", "", aPath},
		{text("path"), "/é", "", aPath},
		{text("path"), "", "", aPath},

		{text("url"), "http://a", "http://a", ""},
		{text("url"), "https://a.example:8443/b?c=d#e", "https://a.example:8443/b?c=d#e", ""},
		{text("url"), "http://[::1]:80", "http://[::1]:80", ""},
		{text("url"), "ftp://a", "", aURL},
		{text("url"), "http:a", "", aURL},
		{text("url"), "//a", "", aURL},
		{text("url"), "http://", "", aURL},
		{text("url"), "http://:80", "", aURL},
		{text("url"), "http://u:p@a", "", aURL},
		{text("url"), "http://u@a", "", aURL},
		{text("url"), "http://a:99999", "", aURL},
		{text("url"), "http://a:b", "", aURL},
		{text("url"), "http://a/b c", "", aURL},
		{text("url"), "http://a/%zz", "", aURL},
		{text("url"), "http://a\\b", "", aURL},
		{text("url"), "", "", aURL},
		{v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: "url", Schemes: []string{"unix"}}}, "http://a", "", "must be a URL such as unix://host:port/path without user info; schemes: unix"},

		{text("secretName"), "a.b-c", "a.b-c", ""},
		{text("secretName"), "A", "", aName},
		{text("secretName"), "a/b", "", aName},
		{text("secretName"), "", "", aName},
		{text("configMapName"), "..", "", aName},
	} {
		t.Run(string(c.decl.Type)+" "+c.in, func(t *testing.T) {
			got, err := declare(t, c.decl).parse(c.in)
			if message(err) != c.err || err == nil && got.text != c.want {
				t.Errorf("got %q and error %v, want %q and %q", got.text, err, c.want, c.err)
			}
		})
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestParameterList(t *testing.T) {
	list := func(it v1alpha1.Items) v1alpha1.Parameter {
		return v1alpha1.Parameter{Bounds: v1alpha1.Bounds{Type: "list"}, Items: &it}
	}
	digits := list(v1alpha1.Items{Bounds: v1alpha1.Bounds{Type: "integer", Minimum: "0", Maximum: "9"}, MaxItems: 3})
	routes := list(v1alpha1.Items{Fields: map[string]v1alpha1.Bounds{
		"path": {Type: "path", Required: true}, "port": {Type: "port", Default: &v1alpha1.Value{Text: "80"}}, "note": {Type: "string"}}})
	for _, c := range []struct {
		name, in string
		decl     v1alpha1.Parameter
		text     string
		items    []item
		err      string
	}{
		{"one item", "1", digits, "1", []item{{text: "1"}}, ""},
		{"items are made canonical", "01, 2 ,+3", digits, "1,2,3", []item{{text: "1"}, {text: "2"}, {text: "3"}}, ""},
		{"empty items do not count", ",1,,2,", digits, "1,2", []item{{text: "1"}, {text: "2"}}, ""},
		{"nothing", "", digits, "", []item{}, ""},
		{"only separators", " , ,", digits, "", []item{}, ""},
		{"too many items", "1,2,3,4", digits, "", nil, "must have at most 3 items, has 4"},
		{"a bad item", "1,x", digits, "", nil, "item 2: must be a whole number"},
		{"an item out of bounds", "1,2,10", digits, "", nil, "item 3: must be between 0 and 9"},

		{"fields in the order of their names", "port=1,path=/a", routes, "port=1,path=/a", []item{{fields: []string{"", "/a", "1"}}}, ""},
		{"a field's default", "path=/a", routes, "path=/a", []item{{fields: []string{"", "/a", "80"}}}, ""},
		{"two items", "path=/a ; path=/b,port=2;", routes, "path=/a;path=/b,port=2", []item{{fields: []string{"", "/a", "80"}}, {fields: []string{"", "/b", "2"}}}, ""},
		{"an equals sign in a value", "note=a=b,path=/c=d", routes, "note=a=b,path=/c=d", []item{{fields: []string{"a=b", "/c=d", "80"}}}, ""},
		{"a field that is missing", "port=1", routes, "", nil, `item 1: field "path" is required`},
		{"a field given twice", "path=/a,path=/b", routes, "", nil, `item 1: field "path" is given twice`},
		{"an unknown field", "path=/a,prot=1", routes, "", nil, `item 1: unknown field "prot", the names are note, path, port`},
		{"no field", "/a", routes, "", nil, "item 1: want name=value, the names are note, path, port"},
		{"a comma too many", "path=/a,", routes, "", nil, "item 1: want name=value, the names are note, path, port"},
		{"a bad field", "path=/a,port=x", routes, "", nil, "item 1: port: must be a port between 1 and 65535"},
		{"an item that is a list of fields with commas", "path=/a;path", routes, "", nil, "item 2: want name=value, the names are note, path, port"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := declare(t, c.decl).parse(c.in)
			if diff := cmp.Diff(message(err), c.err); diff != "" {
				t.Fatal(diff)
			}
			if got.text != c.text || !cmp.Equal(got.items, c.items, cmp.AllowUnexported(item{})) {
				t.Errorf("got %q %v, want %q %v", got.text, got.items, c.text, c.items)
			}
		})
	}
}

func TestSamplesAreValid(t *testing.T) {
	for _, d := range []v1alpha1.Parameter{
		{Bounds: v1alpha1.Bounds{Type: "string"}}, {Bounds: v1alpha1.Bounds{Type: "string", MaxLength: 3}}, {Bounds: v1alpha1.Bounds{Type: "string", Enum: []string{"x"}}}, {Bounds: v1alpha1.Bounds{Type: "integer"}}, {Bounds: v1alpha1.Bounds{Type: "integer", Minimum: "5", Maximum: "6"}},
		{Bounds: v1alpha1.Bounds{Type: "boolean"}}, {Bounds: v1alpha1.Bounds{Type: "quantity"}}, {Bounds: v1alpha1.Bounds{Type: "quantity", Minimum: "2", Maximum: "3"}}, {Bounds: v1alpha1.Bounds{Type: "duration", Minimum: "2h"}}, {Bounds: v1alpha1.Bounds{Type: "port", Minimum: "1024"}},
		{Bounds: v1alpha1.Bounds{Type: "path"}}, {Bounds: v1alpha1.Bounds{Type: "url"}}, {Bounds: v1alpha1.Bounds{Type: "url", Schemes: []string{"unix"}}}, {Bounds: v1alpha1.Bounds{Type: "secretName"}}, {Bounds: v1alpha1.Bounds{Type: "configMapName"}},
		{Bounds: v1alpha1.Bounds{Type: "string", Pattern: "[0-9]{3}", Example: &v1alpha1.Value{Text: "123"}}},
		{Bounds: v1alpha1.Bounds{Type: "list"}, Items: &v1alpha1.Items{Bounds: v1alpha1.Bounds{Type: "port"}}},
		{Bounds: v1alpha1.Bounds{Type: "list", Default: &v1alpha1.Value{List: []string{"a", "b"}}}, Items: &v1alpha1.Items{Bounds: v1alpha1.Bounds{Type: "string"}}},
		{Bounds: v1alpha1.Bounds{Type: "list"}, Items: &v1alpha1.Items{Fields: map[string]v1alpha1.Bounds{"a": {Type: "path", Required: true}, "b": {Type: "string"}}}},
	} {
		p := declare(t, d)
		if len(p.samples()) == 0 {
			t.Errorf("%+v has no sample", d)
		}
		for _, s := range p.samples() {
			if _, err := p.parse(s); err != nil {
				t.Errorf("%+v: sample %q: %v", d, s, err)
			}
		}
	}
}

func TestNearest(t *testing.T) {
	valid := []string{"adapter", "confd", "log-shipper", "proxy"}
	for got, want := range map[string]string{
		"proxy": "proxy", "prxoy": "proxy", "Proxy": "proxy", "proxi": "proxy", "porxy ": "proxy", "roxy": "proxy",
		"log_shipper": "log-shipper", "logshipper": "log-shipper", "log-shiper": "log-shipper", "LOG-SHIPPER": "log-shipper",
		"conf": "confd", "confd2": "confd", "nginx": "", "": "", "x": "", "log": "", strings.Repeat("proxy", 100): "",
	} {
		if near := nearest(got, valid); near != want {
			t.Errorf("nearest to %q is %q, want %q", got, near, want)
		}
	}
}

func TestHintNamesTheNearestAndListsTheOthers(t *testing.T) {
	many := strings.Split("a b c d e f g h i j k l m n", " ")
	for _, c := range []struct {
		name, got string
		valid     []string
		want      string
	}{
		{"nothing is valid", "x", nil, ""},
		{"none is near", "nothing of the kind", []string{"a", "b"}, "; the catalog has a, b"},
		{"one is near", "prxy", []string{"confd", "proxy"}, `; did you mean "proxy"? The catalog has confd, proxy`},
		{"too many to list", "nothing of the kind", many, "; the catalog has a, b, c, d, e, f, g, h, i, j, k, l and 2 more"},
	} {
		if got := hint(c.got, c.valid, "the catalog has"); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "abc", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "abd", 1}, {"ca", "abc", 3}, {"kitten", "sitting", 3},
	} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("distance of %q and %q is %d, want %d", c.a, c.b, got, c.want)
		}
		if got := distance(c.b, c.a); got != c.want {
			t.Errorf("distance of %q and %q is %d, want %d", c.b, c.a, got, c.want)
		}
	}
}

func TestTargets(t *testing.T) {
	for _, c := range []struct {
		globs []string
		name  string
		want  bool
	}{
		{[]string{"app"}, "app", true},
		{[]string{"app"}, "app-2", false},
		{[]string{"app"}, "my-app", false},
		{[]string{"*"}, "app", true},
		{[]string{"app-*"}, "app-2", true},
		{[]string{"app-*"}, "app", false},
		{[]string{"app-?"}, "app-22", false},
		{[]string{"app-[12]"}, "app-2", true},
		{[]string{"app-[!1]"}, "app-!", true},
		{[]string{"app-[^1]"}, "app-2", true},
		{[]string{"[^a]*"}, "app", false},
		{[]string{"web", "app"}, "app", true},
		{[]string{"["}, "app", false},
		{nil, "app", false},
	} {
		literal := targets{globs: c.globs, param: -1}
		byParam := targets{param: 0}
		values := []value{{}}
		for _, g := range c.globs {
			values[0].items = append(values[0].items, item{text: g})
		}
		if got, same := literal.matches(c.name, nil), byParam.matches(c.name, values); got != c.want || same != c.want {
			t.Errorf("%q matches %q: %t and, from a parameter, %t; want %t", c.name, c.globs, got, same, c.want)
		}
	}
}
