package confd

import (
	"encoding/base64"
	"path"
	"strconv"
	"strings"
	"text/template"
)

// Function is one that templates may call.
type Function struct {
	Name string
	// Usage is a call as a template would have it; Does says what comes of it.
	Usage, Does string
	call        any
}

// Functions lists every function, in the order of the reference. What they return depends on the arguments: without them
// the list is good for reading only.
func Functions(s *Store, m *Machine, include func(name string, data ...any) (string, error)) []Function {
	return append(storeFunctions(s), append(upstreamFunctions(m), append(laterFunctions(m), Function{
		"include", `include "part.tmpl" .`, "The text of another template of the folder; the second argument is its dot.", include,
	})...)...)
}

// storeFunctions read keys and values.
func storeFunctions(s *Store) []Function {
	return []Function{
		{"exists", `exists "/key"`, "Whether the key is there.", s.Exists},
		{"get", `get "/key"`, "The pair, with .Key and .Value; an error where the key is not there.", s.Get},
		{"gets", `gets "/dir/*"`, "The pairs whose keys match the pattern of path.Match, by key; none is no error.", s.GetAll},
		{"getv", `getv "/key" "default"`, "The value, or the default where there is one and the key is not there.", s.Value},
		{"getvs", `getvs "/dir/*"`, "The values of the keys that match the pattern, sorted as text.", s.Values},
		{"ls", `ls "/dir"`, "The names of keys and directories directly below, sorted.", s.List},
		{"lsdir", `lsdir "/dir"`, "The names of directories directly below, sorted.", s.ListDir},
	}
}

// upstreamFunctions are those of kelseyhightower/confd besides.
func upstreamFunctions(m *Machine) []Function {
	return []Function{
		{"base", `base "/a/b"`, "The last element of a path: b.", path.Base},
		{"dir", `dir "/a/b"`, "All but the last element of a path: /a.", path.Dir},
		{"split", `split "a,b" ","`, "The parts of a text, a list.", strings.Split},
		{"join", `join (getvs "/dir/*") ","`, "A list of texts as one.", strings.Join},
		{"toUpper", `toUpper "a"`, "Upper case.", strings.ToUpper},
		{"toLower", `toLower "A"`, "Lower case.", strings.ToLower},
		{"contains", `contains "abc" "b"`, "Whether the first text holds the second.", strings.Contains},
		{"replace", `replace "a-a" "-" "_" -1`, "A text with another in place of a part, so many times at most; -1: always.", strings.Replace},
		{"trimSuffix", `trimSuffix "a.conf" ".conf"`, "A text without its end.", strings.TrimSuffix},
		{"json", `json (getv "/key")`, "A JSON object as a map.", jsonObject},
		{"jsonArray", `jsonArray (getv "/key")`, "A JSON array as a list.", jsonArray},
		{"map", `map "name" "web" "port" 80`, "A map of keys and values in turn.", makeMap},
		{"base64Encode", `base64Encode "a"`, "Base 64, with padding.", func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }},
		{"base64Decode", `base64Decode "YQ=="`, "The text that is encoded.", base64Decode},
		{"parseBool", `parseBool "true"`, "A truth value; 1, t, true, 0, f and false in either case.", strconv.ParseBool},
		{"atoi", `atoi "80"`, "A text as a whole number.", strconv.Atoi},
		{"add", `add 1 2`, "The sum.", func(a, b int) int { return a + b }},
		{"sub", `sub 3 2`, "The difference.", func(a, b int) int { return a - b }},
		{"mul", `mul 2 3`, "The product.", func(a, b int) int { return a * b }},
		{"div", `div 7 2`, "The quotient, a whole number; an error where the second is 0.", divide},
		{"mod", `mod 7 2`, "The remainder; an error where the second is 0.", modulo},
		{"seq", `seq 1 3`, "The whole numbers from the first to the last: 1 2 3; none where the last is the smaller.", sequence},
		{"reverse", `reverse (getvs "/dir/*")`, "A list of texts or pairs in the other order.", reverse},
		{"sortByLength", `sortByLength (getvs "/dir/*")`, "Texts, the shortest first.", sortByLength},
		{"sortKVByLength", `sortKVByLength (gets "/dir/*")`, "Pairs, those with the shortest keys first.", sortPairsByLength},
		{"datetime", `datetime.Format "2006-01-02"`, "The time of rendering. A file that holds it differs each time it is rendered.", m.Now},
		{"getenv", `getenv "NAME" "default"`, "A variable of confd's environment, or the default where it is unset or empty.", m.getenv},
		{"fileExists", `fileExists "/path"`, "Whether confd sees a file of that name.", m.FileExists},
		{"lookupIP", `lookupIP "name"`, "The addresses of a host, sorted; none where the DNS does not know it.", m.LookupIP},
		{"lookupIPV4", `lookupIPV4 "name"`, "Its IPv4 addresses.", func(host string) []string { return m.lookup(host, ".") }},
		{"lookupIPV6", `lookupIPV6 "name"`, "Its IPv6 addresses.", func(host string) []string { return m.lookup(host, ":") }},
		{"lookupSRV", `lookupSRV "http" "tcp" "example.com"`, "A service's records, with .Target, .Port, .Priority and .Weight, sorted by them.", m.lookupSRV},
	}
}

// laterFunctions are those that abtreece/confd added.
func laterFunctions(m *Machine) []Function {
	return []Function{
		{"hostname", `hostname`, "The name of the Pod.", m.Hostname},
		{"lookupIfaceIPV4", `lookupIfaceIPV4 "eth0"`, "The first IPv4 address of a network interface.", func(n string) string { return m.InterfaceIP(n, false) }},
		{"lookupIfaceIPV6", `lookupIfaceIPV6 "eth0"`, "The first IPv6 address of a network interface.", func(n string) string { return m.InterfaceIP(n, true) }},
		{"default", `default "a" .Value`, "The second, or the first where that is empty: no text, 0, false or nothing.", func(d, v any) any { return coalesce(v, d) }},
		{"coalesce", `coalesce .A .B "c"`, "The first that is not empty.", coalesce},
		{"empty", `empty .A`, "Whether it is empty.", empty},
		{"ternary", `ternary "yes" "no" .Flag`, "The first where the condition, which comes last, holds; else the second.", ternary},
		{"toJson", `toJson .`, "As JSON.", toJSON},
		{"toPrettyJson", `toPrettyJson .`, "As JSON on several lines.", toPrettyJSON},
		{"fromJson", `fromJson (getv "/key")`, "What a JSON text holds.", fromJSON},
		{"indent", `indent 4 .`, "Every line with so many spaces before it.", indent},
		{"nindent", `nindent 4 .`, "The same after a line break.", func(n int, s string) string { return "\n" + indent(n, s) }},
		{"quote", `quote .`, "In double quotes, with what Go escapes escaped.", strconv.Quote},
		{"squote", `squote .`, "In single quotes, with single quotes doubled.", func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }},
		{"trimPrefix", `trimPrefix "v1" "v"`, "A text without its beginning.", strings.TrimPrefix},
		{"repeat", `repeat 3 "-"`, "A text so many times.", repeat},
		{"nospace", `nospace "a b"`, "Without white space.", nospace},
		{"snakecase", `snakecase "HTTPPort"`, "http_port.", func(s string) string { return recase(s, "_") }},
		{"kebabcase", `kebabcase "HTTPPort"`, "http-port.", func(s string) string { return recase(s, "-") }},
		{"camelcase", `camelcase "http_port"`, "httpPort.", camelcase},
		{"regexMatch", `regexMatch "^a+$" .`, "Whether a text matches.", regexMatch},
		{"regexFind", `regexFind "[0-9]+" .`, "The first part that matches, or no text.", regexFind},
		{"regexReplaceAll", `regexReplaceAll "a+" . "b"`, "A text with another in place of every match.", regexReplaceAll},
		{"dict", `dict "name" "web"`, "The same as map.", makeMap},
		{"list", `list "a" "b"`, "A list of its arguments.", func(v ...any) []any { return v }},
		{"hasKey", `hasKey .Map "name"`, "Whether a map has a key.", hasKey},
		{"keys", `keys .Map`, "A map's keys, sorted.", mapKeys},
		{"values", `values .Map`, "A map's values, by their keys.", mapValues},
		{"append", `append .List "c"`, "A list with one more.", func(l []any, v any) []any { return append(l[:len(l):len(l)], v) }},
		{"pluck", `pluck "name" .Map .Other`, "What maps have under a key, a list.", pluck},
		{"sha256sum", `sha256sum .`, "The SHA-256 sum in hexadecimal.", sha256sum},
	}
}

func funcMap(functions []Function) template.FuncMap {
	m := make(template.FuncMap, len(functions))
	for _, f := range functions {
		m[f.Name] = f.call
	}
	return m
}

// crypt lists upstream's functions that read values which crypt encrypted.
var crypt = []string{"cget", "cgets", "cgetv", "cgetvs"}
