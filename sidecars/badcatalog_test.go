package sidecars_test

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// goodEntry has something of everything; every bad entry is this one with one change.
const goodEntry = `apiVersion: pillion.dev/v1alpha1
kind: ClusterSidecar
metadata:
  name: good
spec:
  description: An entry without a mistake.
  parameters:
    mode: {type: string, enum: [a, b], default: a, description: one of two}
    text: {type: string, description: any text}
    word: {type: string, pattern: "[a-z]+", example: abc, description: a word}
    port: {type: port, default: 8080, description: a port}
    list: {type: list, items: {type: path}, default: [/a], description: paths}
    containers: {type: list, items: {type: string}, default: ["*"], description: names}
  files:
    - name: config
      mountPath: /etc/good/config.yaml
      format: yaml
      data:
        mode: $(params.mode)
        text: $(params.text)
        list: [{$each: params.list, $item: $(item)}]
    - name: lines
      mountPath: /etc/good/lines
      format: lines
      lines:
        - port $(params.port)
        - {line: word $(params.word), when: {word: ["*"]}}
  volumes:
    - name: good-data
      emptyDir: {sizeLimit: 1Mi}
      share:
        - {containers: $(params.containers), mountPath: /data}
  containers:
    - name: good
      image: registry.example/good:1
      args: ["--port=$(params.port)"]
      ports: [{name: http, containerPort: $(params.port)}]
      volumeMounts: [{name: good-data, mountPath: /data}]
      resources:
        limits: {cpu: 100m, memory: 32Mi}
      securityContext:
        runAsNonRoot: true
  appEnv:
    - {name: GOOD_PORT, value: $(params.port)}
  flushSeconds: 5
`

// badEntry is a change of goodEntry and what Load says to it, without the name of the file.
type badEntry struct {
	name, old, new string
	want           []string
}

func badEntries() []badEntry {
	return []badEntry{
		{"another kind", "kind: ClusterSidecar", "kind: ConfigMap", []string{
			`:2: kind: Unsupported value: "ConfigMap": supported values: "ClusterSidecar", "Sidecar"`,
		}},
		{"no kind", "kind: ClusterSidecar\n", "", []string{
			`:1: kind: Unsupported value: "": supported values: "ClusterSidecar", "Sidecar"`,
		}},
		{"another version", "apiVersion: pillion.dev/v1alpha1", "apiVersion: pillion.dev/v1", []string{
			`:1: apiVersion: Unsupported value: "pillion.dev/v1": supported values: "pillion.dev/v1alpha1"`,
		}},
		{"a misspelled top-level field", "metadata:", "metdata:", []string{
			`:3: metdata: Invalid value: "metdata": unknown field; did you mean "metadata"? The fields are apiVersion, kind, metadata, spec, status`,
		}},
		{"no name", "  name: good\nspec", "  labels: {}\nspec", []string{
			`:3: metadata.name: Invalid value: "": must be a DNS label: lower-case letters, digits and -, starting with a letter and not ending with -`,
		}},
		{"a misspelled field of the metadata", "  name: good\nspec", "  name: good\n  lables: {}\nspec", []string{
			`:5: metadata.lables: Invalid value: "lables": unknown field; did you mean "labels"? The fields are annotations, creationTimestamp, deletionGracePeriodSeconds, deletionTimestamp, finalizers, generateName, generation, labels, managedFields, name, namespace, ownerReferences and 3 more`,
		}},
		{"a name with capitals", "  name: good\nspec", "  name: Good\nspec", []string{
			`:4: metadata.name: Invalid value: "Good": must be a DNS label: lower-case letters, digits and -, starting with a letter and not ending with -`,
			`:29: spec.volumes[0].name: Invalid value: "good-data": must be named Good-<x>`,
			`:34: spec.containers[0].name: Invalid value: "good": the first container must be named like the entry, Good`,
		}},
		{"a name that is too long", "  name: good\nspec", "  name: goooooooooooooooooooooooooooood\nspec", []string{
			`:4: metadata.name: Invalid value: "goooooooooooooooooooooooooooood": must have at most 30 characters`,
			`:29: spec.volumes[0].name: Invalid value: "good-data": must be named goooooooooooooooooooooooooooood-<x>`,
			`:34: spec.containers[0].name: Invalid value: "good": the first container must be named like the entry, goooooooooooooooooooooooooooood`,
		}},
		{"a reserved name", "  name: good\nspec", "  name: status\nspec", []string{
			`:4: metadata.name: Invalid value: "status": is reserved`,
			`:29: spec.volumes[0].name: Invalid value: "good-data": must be named status-<x>`,
			`:34: spec.containers[0].name: Invalid value: "good": the first container must be named like the entry, status`,
		}},
		{"a spec that is no object", "spec:\n", "spec: 5\nother:\n", []string{
			":5: spec: Invalid value: 5: want an object",
			`:6: other: Invalid value: "other": unknown field; the fields are apiVersion, kind, metadata, spec, status`,
		}},
		{"tabs", "  flushSeconds: 5", "\tflushSeconds: 5", []string{
			":45: found character that cannot start any token",
		}},
		{"a colon too many", "  flushSeconds: 5", "  flushSeconds: 5: 6", []string{
			":45: mapping values are not allowed in this context",
		}},
		{"a list that does not end", "  flushSeconds: 5", "  flushSeconds: [5", []string{
			":45: did not find expected ',' or ']'",
		}},
		{"a quote that does not end", "  flushSeconds: 5", `  flushSeconds: "5`, []string{
			":45: found unexpected end of stream",
		}},
		{"an anchor that is not there", "  flushSeconds: 5", "  flushSeconds: *nothing", []string{
			":45: unknown anchor 'nothing' referenced",
		}},
		{"an anchor within itself", "  flushSeconds: 5", "  order: &a {after: [*a]}", []string{
			":45: the document holds more than 100000 values, or 64 in one another",
		}},
		{"a key twice", "  flushSeconds: 5", "  flushSeconds: 5\n  flushSeconds: 6", []string{
			`:46: spec.flushSeconds: Duplicate value: "flushSeconds": is set above`,
		}},
		{"a key twice, deep", "limits: {cpu: 100m, memory: 32Mi}", "limits: {cpu: 100m, memory: 32Mi, cpu: 200m}", []string{
			`:40: spec.containers[0].resources.limits.cpu: Duplicate value: "cpu": is set above`,
		}},
		{"a control character", "  flushSeconds: 5", "  flushSeconds: 5\n  description: \"\x01\"", []string{
			":46: control characters are not allowed",
		}},
		{"a bad indentation", "  flushSeconds: 5", " flushSeconds: 5", []string{
			":45: did not find expected key",
		}},
		{"a misspelled field of the spec", "  description: An", "  descriptoin: An", []string{
			`:6: spec.descriptoin: Invalid value: "descriptoin": unknown field; did you mean "description"? The fields are appEnv, containers, description, files, flushSeconds, hostNetwork, initContainers, namespaceSelector, node, order, parameters, runAsUserOf and 3 more`,
		}},
		{"a string for a number", "flushSeconds: 5", "flushSeconds: five", []string{
			`:45: spec.flushSeconds: Invalid value: "five": want a whole number`,
		}},
		{"a fraction for a whole number", "flushSeconds: 5", "flushSeconds: 5.5", []string{
			":45: spec.flushSeconds: Invalid value: 5.5: want a whole number",
		}},
		{"a number out of bounds", "flushSeconds: 5", "flushSeconds: 601", []string{
			":45: spec.flushSeconds: Invalid value: 601: must be between 0 and 600",
		}},
		{"yes for a string", "flushSeconds: 5", "hostNetwork: yes", []string{
			":45: spec.hostNetwork: Invalid value: true: want a string: put it in quotes",
		}},
		{"another hostNetwork", "flushSeconds: 5", "hostNetwork: maybe", []string{
			`:45: spec.hostNetwork: Unsupported value: "maybe": supported values: "refused", "allowed"`,
		}},
		{"a string for a boolean", "flushSeconds: 5", `shareProcessNamespace: "true"`, []string{
			`:45: spec.shareProcessNamespace: Invalid value: "true": want true or false`,
		}},
		{"an unknown parameter in runAsUserOf", "flushSeconds: 5", "runAsUserOf: $(params.target)", []string{
			`:45: spec.runAsUserOf: Unsupported value: "params.target": supported values: "containers", "list", "mode", "port", "text", "word"`,
		}},
		{"order against itself", "flushSeconds: 5", "order: {after: [good]}", []string{
			`:45: spec.order.after[0]: Invalid value: "good": an entry cannot be ordered against itself`,
		}},
		{"a misspelled order", "flushSeconds: 5", "order: {conflictWith: [x]}", []string{
			`:45: spec.order.conflictWith: Invalid value: "conflictWith": unknown field; did you mean "conflictsWith"? The fields are after, conflictsWith`,
		}},
		{"an order that is no list", "flushSeconds: 5", "order: {after: x}", []string{
			`:45: spec.order.after: Invalid value: "x": want a list`,
		}},
		{"a misspelled selector", "flushSeconds: 5", "namespaceSelector: {matchLabel: {a: b}}", []string{
			`:45: spec.namespaceSelector.matchLabel: Invalid value: "matchLabel": unknown field; did you mean "matchLabels"? The fields are matchExpressions, matchLabels`,
		}},
		{"a selector with another operator", "flushSeconds: 5", "namespaceSelector: {matchExpressions: [{key: a, operator: Is}]}", []string{
			`:45: spec.namespaceSelector.matchExpressions[0].operator: Invalid value: "Is": not a valid selector operator`,
		}},
		{"a selector with a bad label", "flushSeconds: 5", `namespaceSelector: {matchLabels: {"a b": c}}`, []string{
			`:45: spec.namespaceSelector.matchLabels: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
		}},
		{"a misspelled field of a parameter", "type: port,", "typ: port,", []string{
			`:11: spec.parameters[port].typ: Invalid value: "typ": unknown field; did you mean "type"? The fields are default, description, enum, example, items, maxLength, maximum, minimum, pattern, required, schemes, type`,
		}},
		{"another type", "type: port,", "type: prt,", []string{
			`:11: spec.parameters[port].type: Unsupported value: "prt": supported values: "string", "integer", "boolean", "quantity", "duration", "port", "path", "url", "secretName", "configMapName", "list"`,
		}},
		{"a type that is no string", "type: port,", "type: 5,", []string{
			":11: spec.parameters[port].type: Invalid value: 5: want a string: put it in quotes",
		}},
		{"a parameter's name with capitals", "    port: {type", "    Port: {type", []string{
			`:11: spec.parameters[Port]: Invalid value: "Port": must be a DNS label: lower-case letters, digits and -, starting with a letter and not ending with -`,
			`:26: spec.files[1].lines[0].line: Unsupported value: "params.port": supported values: "Port", "containers", "list", "mode", "text", "word"`,
			`:36: spec.containers[0].args[0]: Unsupported value: "params.port": supported values: "Port", "containers", "list", "mode", "text", "word"`,
			`:37: spec.containers[0].ports[0].containerPort: Unsupported value: "params.port": supported values: "Port", "containers", "list", "mode", "text", "word"`,
			`:44: spec.appEnv[0].value: Unsupported value: "params.port": supported values: "Port", "containers", "list", "mode", "text", "word"`,
		}},
		{"a default out of bounds", "type: port, default: 8080", `type: port, default: 80, minimum: "1024"`, []string{
			`:11: spec.parameters[port].default: Invalid value: "80": must be at least 1024`,
		}},
		{"a default that is not among the choices", "default: a,", "default: c,", []string{
			`:8: spec.parameters[mode].default: Invalid value: "c": must be one of a, b`,
		}},
		{"a default that is no scalar", "default: a,", "default: {a: b},", []string{
			`:8: spec.parameters[mode].default: Invalid value: "object": want a string, number or boolean or a list`,
		}},
		{"a scalar as default of a list", "default: [/a]", "default: /a", []string{
			`:12: spec.parameters[list].default: Invalid value: "/a": want a list`,
		}},
		{"a list as default of a scalar", "default: a,", "default: [a],", []string{
			`:8: spec.parameters[mode].default: Invalid value: "a": want a scalar`,
		}},
		{"a bad item in a default", "default: [/a]", "default: [/a, b]", []string{
			`:12: spec.parameters[list].default: Invalid value: "/a,b": item 2: must be a clean absolute path of letters, digits and . _ @ + , = -`,
		}},
		{"required with a default", "type: port,", "type: port, required: true,", []string{
			`:11: spec.parameters[port].default: Invalid value: "8080": a required parameter has no default`,
		}},
		{"a minimum that is no string", "type: port,", "type: port, minimum: 1024,", []string{
			":11: spec.parameters[port].minimum: Invalid value: 1024: want a string: put it in quotes",
		}},
		{"a minimum that is no number", "type: port,", "type: port, minimum: low,", []string{
			`:11: spec.parameters[port].minimum: Invalid value: "low": is no port`,
		}},
		{"a minimum above the maximum", "type: port,", `type: port, minimum: "9000", maximum: "9",`, []string{
			`:11: spec.parameters[port].default: Invalid value: "8080": must be between 9000 and 9`,
			`:11: spec.parameters[port].maximum: Invalid value: "9": is below the minimum`,
		}},
		{"a minimum of a string", "text: {type: string,", "text: {type: string, minimum: a,", []string{
			`:9: spec.parameters[text].minimum: Invalid value: "a": a string has no minimum or maximum`,
		}},
		{"a pattern that is none", `pattern: "[a-z]+"`, `pattern: "[a-z"`, []string{
			":10: spec.parameters[word].pattern: Invalid value: \"[a-z\": error parsing regexp: missing closing ]: `[a-z`",
		}},
		{"a pattern without an example", "example: abc, ", "", []string{
			":10: spec.parameters[word].example: Required value: a parameter with a pattern and no default needs a valid example",
		}},
		{"an example that does not match", "example: abc", "example: ABC", []string{
			`:10: spec.parameters[word].example: Invalid value: "ABC": must match [a-z]+`,
		}},
		{"a choice that the type does not allow", "type: port, default: 8080,", `type: port, enum: ["80", http],`, []string{
			`:11: spec.parameters[port].enum[1]: Invalid value: "http": must be a port between 1 and 65535`,
		}},
		{"a choice in another form", "type: port, default: 8080,", `type: port, enum: ["080"],`, []string{
			`:11: spec.parameters[port].enum[0]: Invalid value: "080": is written 80`,
		}},
		{"a choice twice", "enum: [a, b]", "enum: [a, b, a]", []string{
			`:8: spec.parameters[mode].enum[2]: Duplicate value: "a"`,
		}},
		{"choices that are no strings", "enum: [a, b]", "enum: [a, 5]", []string{
			":8: spec.parameters[mode].enum[1]: Invalid value: 5: want a string: put it in quotes",
		}},
		{"a maxLength beyond the most", "text: {type: string,", "text: {type: string, maxLength: 5000,", []string{
			":9: spec.parameters[text].maxLength: Invalid value: 5000: must be between 0 and 4096",
		}},
		{"schemes of another type", "text: {type: string,", "text: {type: string, schemes: [http],", []string{
			`:9: spec.parameters[text].schemes: Invalid value: ["http"]: only a url has schemes`,
		}},
		{"items of another type", "text: {type: string,", "text: {type: string, items: {type: string},", []string{
			`:9: spec.parameters[text].items: Invalid value: "string": only a list has items`,
		}},
		{"a list without items", "items: {type: path}, ", "", []string{
			":12: spec.parameters[list].items: Required value: a list declares its items",
		}},
		{"a misspelled field of items", "items: {type: path}", "items: {type: path, maxItem: 3}", []string{
			`:12: spec.parameters[list].items.maxItem: Invalid value: "maxItem": unknown field; did you mean "maxItems"? The fields are default, description, enum, example, fields, maxItems, maxLength, maximum, minimum, pattern, required, schemes and 1 more`,
		}},
		{"items that are lists", "items: {type: path}", "items: {type: list}", []string{
			`:12: spec.parameters[list].items.type: Invalid value: "list": a list cannot hold lists`,
		}},
		{"a bound of a list", "items: {type: path}", "pattern: a, items: {type: path}", []string{
			`:12: spec.parameters[list].pattern: Invalid value: "pattern": belongs to the items`,
		}},
		{"a bad field of an item", "items: {type: path}", "items: {fields: {A: {type: pth}}}", []string{
			`:12: spec.parameters[list].default: Invalid value: "/a": item 1: want name=value, the names are A`,
			`:12: spec.parameters[list].items.fields[A].type: Unsupported value: "pth": supported values: "string", "integer", "boolean", "quantity", "duration", "port", "path", "url", "secretName", "configMapName", "list"`,
			`:12: spec.parameters[list].items.fields[A]: Invalid value: "A": must be a DNS label: lower-case letters, digits and -, starting with a letter and not ending with -`,
			`:21: spec.files[0].data.list[0]: Invalid value: "$(item)": the items have fields: A`,
		}},
		{"a parameter that is not used", "        text: $(params.text)\n", "", []string{
			`:9: spec.parameters[text]: Invalid value: "text": is not used anywhere in the entry`,
		}},
		{"a misspelled field of a file", "mountPath: /etc/good/lines", "mountPth: /etc/good/lines", []string{
			`:23: spec.files[1].mountPth: Invalid value: "mountPth": unknown field; did you mean "mountPath"? The fields are containers, data, dollarExpands, format, lines, mountPath, name, when`,
		}},
		{"another format", "format: lines", "format: txt", []string{
			`:24: spec.files[1].format: Unsupported value: "txt": supported values: "yaml", "json", "toml", "lines"`,
		}},
		{"data and no format", "      format: yaml\n", "", []string{
			`:15: spec.files[0].format: Unsupported value: "": supported values: "yaml", "json", "toml", "lines"`,
		}},
		{"lines of a YAML file", "      format: lines", "      format: yaml", []string{
			":22: spec.files[1].data: Required value: a yaml file needs data",
		}},
		{"a file's path that is not absolute", "mountPath: /etc/good/lines", "mountPath: lines", []string{
			`:23: spec.files[1].mountPath: Invalid value: "lines": must be a clean absolute path`,
		}},
		{"two files of one name", "name: lines", "name: config", []string{
			`:22: spec.files[1].name: Duplicate value: "config"`,
		}},
		{"a file for a container that is not there", "      format: yaml\n", "      format: yaml\n      containers: [other]\n", []string{
			`:18: spec.files[0].containers[0]: Not found: "other"`,
		}},
		{"an unsafe parameter in a line", "port $(params.port)", "text $(params.text)", []string{
			`:26: spec.files[1].lines[0].line: Invalid value: "$(params.text)": only a parameter whose pattern excludes white space, quotes and \ # $ { } may enter a line`,
		}},
		{"a line break in a line", "- port $(params.port)", `- "port\n$(params.port)"`, []string{
			`:26: spec.files[1].lines[0]: Invalid value: "port\n$(params.port)": a line holds no line break`,
		}},
		{"a line that is a number", "- port $(params.port)", "- 5", []string{
			":26: spec.files[1].lines[0]: Invalid value: 5: want a string or an object",
		}},
		{"an unknown parameter in a file", "mode: $(params.mode)", "mode: $(params.mod)", []string{
			`:19: spec.files[0].data.mode: Unsupported value: "params.mod": supported values: "containers", "list", "mode", "port", "text", "word"`,
		}},
		{"a dollar before a hole", "mode: $(params.mode)", "mode: $$(params.mode)", []string{
			`:19: spec.files[0].data.mode: Invalid value: "$$(params.mode)": a dollar stands before $(…): write the hole alone`,
		}},
		{"a hole in a key", "mode: $(params.mode)", "$(params.mode): x", []string{
			`:18: spec.files[0].data: Invalid value: "$(params.mode)": a key cannot hold a parameter`,
		}},
		{"$each of a scalar", "$each: params.list", "$each: params.mode", []string{
			`:21: spec.files[0].data.list[0].$each: Invalid value: "params.mode": want params.NAME of a list parameter`,
			`:21: spec.files[0].data.list[0]: Invalid value: "$(item)": there is no item here: use it under each`,
		}},
		{"$each on no item of a list", "mode: $(params.mode)", "mode: {$each: params.list, a: $(item)}", []string{
			`:19: spec.files[0].data.mode.$each: Invalid value: "params.list": only an item of a list can be repeated`,
		}},
		{"$item without $each", "[{$each: params.list, $item: $(item)}]", `[{$when: {list: ["*"]}, $item: x}]`, []string{
			":21: spec.files[0].data.list[0].$each: Required value: $item goes with $each",
		}},
		{"$item and more", "$item: $(item)}]", "$item: $(item), other: x}]", []string{
			`:21: spec.files[0].data.list[0].other: Invalid value: "other": would be lost: $item is the whole item`,
		}},
		{"a field of items that have none", "$item: $(item)}]", "$item: $(item.path)}]", []string{
			`:21: spec.files[0].data.list[0]: Invalid value: "$(item.path)": the items have no such field; fields: `,
		}},
		{"null in TOML", "format: yaml\n      data:\n", "format: toml\n      data:\n        nothing: null\n", []string{
			":19: spec.files[0].data.nothing: Required value: TOML has no null",
		}},
		{"null in a list in TOML", "format: yaml\n      data:\n", "format: toml\n      data:\n        nothing: [null]\n", []string{
			":19: spec.files[0].data.nothing[0]: Required value: TOML has no null",
		}},
		{"a number that is not given", "    port: {type: port, default: 8080, description: a port}\n", "    port: {type: port, description: a port}\n", []string{
			`:37: spec.containers[0].ports[0].containerPort: Required value: a number stands here: give it a default, or a condition such as {port: ["*"]}`,
		}},
		{"a misspelled when", `when: {word: ["*"]}`, `wen: {word: ["*"]}`, []string{
			`:27: spec.files[1].lines[1].wen: Invalid value: "wen": unknown field; did you mean "when"? The fields are each, line, when`,
		}},
		{"when of an unknown parameter", `when: {word: ["*"]}`, `when: {wrod: ["*"]}`, []string{
			`:27: spec.files[1].lines[1].when: Unsupported value: "wrod": supported values: "containers", "list", "mode", "port", "text", "word"`,
		}},
		{"when that is no map", `when: {word: ["*"]}`, "when: word", []string{
			`:27: spec.files[1].lines[1].when: Invalid value: "word": want a map`,
		}},
		{"when with a map of values", `when: {word: ["*"]}`, "when: {word: {a: b}}", []string{
			`:27: spec.files[1].lines[1].when[word]: Invalid value: "object": want a string, number or boolean or a list`,
		}},
		{"when that can never hold: a value that does not match", `when: {word: ["*"]}`, "when: {word: [ABC]}", []string{
			`:27: spec.files[1].lines[1].when[word]: Invalid value: "ABC": can never hold: must match [a-z]+`,
		}},
		{"when that can never hold: no choice", `when: {word: ["*"]}`, `when: {word: ["*"], mode: [c]}`, []string{
			`:27: spec.files[1].lines[1].when[mode]: Invalid value: "c": can never hold: must be one of a, b`,
		}},
		{"when that can never hold: nothing listed", `when: {word: ["*"]}`, "when: {word: []}", []string{
			`:27: spec.files[1].lines[1].when[word]: Invalid value: "": can never hold: it lists no value`,
		}},
		{"when that can never hold: never empty", `when: {word: ["*"]}`, `when: {word: ["*"], port: [""]}`, []string{
			`:27: spec.files[1].lines[1].when[port]: Invalid value: "": can never hold: the parameter always has a value`,
		}},
		{"$when that is no map", "mode: $(params.mode)", "mode: {$when: 5, a: $(params.mode)}", []string{
			`:19: spec.files[0].data.mode.$when: Invalid value: "5": want a map of parameters to lists of values`,
		}},
		{"a volume that is not named like the entry", "    - name: good-data", "    - name: data", []string{
			`:29: spec.volumes[0].name: Invalid value: "data": must be named good-<x>`,
			`:38: spec.containers[0].volumeMounts[0].name: Unsupported value: "good-data": supported values: "data"`,
		}},
		{"a volume with the name of that of the files", "    - name: good-data", "    - name: good-files", []string{
			`:29: spec.volumes[0].name: Invalid value: "good-files": is the name of the volume of the entry's files`,
			`:38: spec.containers[0].volumeMounts[0].name: Unsupported value: "good-data": supported values: "good-files"`,
		}},
		{"a volume without a size limit", "emptyDir: {sizeLimit: 1Mi}", "emptyDir: {}", []string{
			":30: spec.volumes[0].emptyDir.sizeLimit: Required value: an emptyDir without a limit can fill the node",
		}},
		{"a misspelled size limit", "sizeLimit: 1Mi", "sizeLmit: 1Mi", []string{
			":30: spec.volumes[0].emptyDir.sizeLimit: Required value: an emptyDir without a limit can fill the node",
			`:30: spec.volumes[0].emptyDir.sizeLmit: Invalid value: "sizeLmit": is no field of this Kubernetes object`,
		}},
		{"a size limit that is none", "sizeLimit: 1Mi", "sizeLimit: much", []string{
			`:30: spec.volumes[0].emptyDir.sizeLimit: Invalid value: "much": quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'`,
		}},
		{"a misspelled kind of volume", "emptyDir: {sizeLimit: 1Mi}", "emptyDr: {sizeLimit: 1Mi}", []string{
			`:30: spec.volumes[0].emptyDr: Invalid value: "emptyDr": is no field of this Kubernetes object`,
			`:31: spec.volumes[0].share: Invalid value: "good-data": only an emptyDir is shared`,
		}},
		{"a shared hostPath", "emptyDir: {sizeLimit: 1Mi}", "hostPath: {path: /data}", []string{
			`:31: spec.volumes[0].share: Invalid value: "good-data": only an emptyDir is shared`,
		}},
		{"a parameter in a hostPath", "      share:\n        - {containers: $(params.containers), mountPath: /data}\n", "    - name: good-host\n      hostPath: {path: $(params.containers)}\n", []string{
			`:32: spec.volumes[1].hostPath.path: Invalid value: "$(params.containers)": no parameter may stand in hostPath`,
		}},
		{"a share without containers", "{containers: $(params.containers), mountPath: /data}", "{mountPath: /data}", []string{
			":32: spec.volumes[0].share[0]: Required value: a share names containers or sidecars",
		}},
		{"a share without a path", "{containers: $(params.containers), mountPath: /data}", "{containers: $(params.containers)}", []string{
			":32: spec.volumes[0].share[0].mountPath: Required value: where it is mounted",
		}},
		{"a misspelled field of a share", "{containers: $(params.containers), mountPath: /data}", "{container: $(params.containers), mountPath: /data}", []string{
			`:32: spec.volumes[0].share[0].container: Invalid value: "container": unknown field; did you mean "containers"? The fields are containers, mountPath, readOnly, sidecars, when`,
			":32: spec.volumes[0].share[0]: Required value: a share names containers or sidecars",
		}},
		{"a share with a bad glob", "{containers: $(params.containers), mountPath: /data}", `{containers: [$(params.containers), "["], mountPath: /data}`, []string{
			`:32: spec.volumes[0].share[0].containers[0]: Invalid value: "$(params.containers)": want a container name, a glob, or one $(params.NAME) of a list`,
			`:32: spec.volumes[0].share[0].containers[1]: Invalid value: "[": want a container name, a glob, or one $(params.NAME) of a list`,
		}},
		{"a share for the containers in a scalar", "containers: $(params.containers)", "containers: $(params.mode)", []string{
			`:32: spec.volumes[0].share[0].containers: Invalid value: "params.mode": want params.NAME of a list parameter`,
		}},
		{"no container", "  containers:\n    - name: good\n", "  other:\n    - name: good\n", []string{
			":5: spec.containers: Required value: an entry has at least one container",
			`:33: spec.other: Invalid value: "other": unknown field; did you mean "order"? The fields are appEnv, containers, description, files, flushSeconds, hostNetwork, initContainers, namespaceSelector, node, order, parameters, runAsUserOf and 3 more`,
		}},
		{"the first container with another name", "    - name: good\n", "    - name: other\n", []string{
			`:34: spec.containers[0].name: Invalid value: "other": the first container must be named like the entry, good`,
		}},
		{"a container's name that is a number", "    - name: good\n", "    - name: 5\n", []string{
			":34: spec.containers[0].name: Invalid value: 5: want a string: put it in quotes",
		}},
		{"the first container with a condition", "    - name: good\n", "    - name: good\n      when: {word: [\"*\"]}\n", []string{
			":35: spec.containers[0].when: Forbidden: the first container has no condition",
		}},
		{"a misspelled image", "image: registry.example/good:1", "imag: registry.example/good:1", []string{
			":34: spec.containers[0].image: Required value: a container needs an image",
			`:35: spec.containers[0].imag: Invalid value: "imag": is no field of this Kubernetes object`,
		}},
		{"an image that is a number", "image: registry.example/good:1", "image: 5", []string{
			":35: spec.containers[0].image: Invalid value: 5: want a string: put it in quotes",
		}},
		{"any text in an image", "registry.example/good:1", "registry.example/good:$(params.text)", []string{
			`:35: spec.containers[0].image: Invalid value: "$(params.text)": only a parameter with a pattern or an enum may enter an image`,
		}},
		{"arguments that are no list", `args: ["--port=$(params.port)"]`, "args: --port=$(params.port)", []string{
			`:36: spec.containers[0].args: Invalid value: "--port=$(params.port)": want a list`,
		}},
		{"an unknown parameter in an argument", "--port=$(params.port)", "--port=$(params.prt)", []string{
			`:36: spec.containers[0].args[0]: Unsupported value: "params.prt": supported values: "containers", "list", "mode", "port", "text", "word"`,
		}},
		{"a parameter in a reference", "--port=$(params.port)", "$(PORT_$(params.port))", []string{
			`:36: spec.containers[0].args[0]: Invalid value: "$(PORT_$(params.port))": a parameter cannot stand inside a reference: its value would choose what is read`,
		}},
		{"a port that is no number", "containerPort: $(params.port)", "containerPort: http", []string{
			`:37: spec.containers[0].ports[0].containerPort: Invalid value: "http": want a whole number`,
		}},
		{"a port that is any text", "containerPort: $(params.port)", "containerPort: $(params.text)", []string{
			`:37: spec.containers[0].ports[0].containerPort: Invalid value: "$(params.text)": want a whole number`,
		}},
		{"a parameter in a hostPort", "containerPort: $(params.port)", "containerPort: 80, hostPort: $(params.port)", []string{
			`:37: spec.containers[0].ports[0].hostPort: Invalid value: "$(params.port)": no parameter may stand in hostPort`,
		}},
		{"a parameter in a name", "name: http", "name: $(params.word)", []string{
			`:37: spec.containers[0].ports[0].name: Invalid value: "$(params.word)": no parameter may stand in a name`,
		}},
		{"a parameter in a securityContext", "runAsNonRoot: true", "runAsUser: $(params.port)", []string{
			`:41: spec.containers[0].securityContext: Invalid value: "$(…)": no parameter may stand in a securityContext`,
		}},
		{"a misspelled field of a securityContext", "runAsNonRoot: true", "runAsNonroot: true", []string{
			`:42: spec.containers[0].securityContext.runAsNonroot: Invalid value: "runAsNonroot": is no field of this Kubernetes object`,
		}},
		{"a wrong value in a securityContext", "runAsNonRoot: true", `runAsNonRoot: "yes"`, []string{
			`:42: spec.containers[0].securityContext.runAsNonRoot: Invalid value: "yes": want true or false`,
		}},
		{"a parameter in a lifecycle", "      securityContext:", "      lifecycle: {preStop: {exec: {command: [a, $(params.text)]}}}\n      securityContext:", []string{
			`:41: spec.containers[0].lifecycle.preStop.exec.command[1]: Invalid value: "$(params.text)": no parameter may stand in lifecycle`,
		}},
		{"a restart policy", "      securityContext:", "      restartPolicy: Always\n      securityContext:", []string{
			":41: spec.containers[0].restartPolicy: Forbidden: is set by the placement",
		}},
		{"another placement", "      securityContext:", "      placement: behind\n      securityContext:", []string{
			`:41: spec.containers[0].placement: Unsupported value: "behind": supported values: "first", "beforeInit", "afterInit", "regular"`,
		}},
		{"no memory limit", "limits: {cpu: 100m, memory: 32Mi}", "limits: {cpu: 100m}", []string{
			":40: spec.containers[0].resources.limits.memory: Required value: without it a Guaranteed Pod could not stay Guaranteed",
		}},
		{"no resources", "      resources:\n        limits: {cpu: 100m, memory: 32Mi}\n", "", []string{
			":34: spec.containers[0].resources.limits.cpu: Required value: without it a Guaranteed Pod could not stay Guaranteed",
			":34: spec.containers[0].resources.limits.memory: Required value: without it a Guaranteed Pod could not stay Guaranteed",
		}},
		{"misspelled limits", "limits: {cpu: 100m, memory: 32Mi}", "limit: {cpu: 100m, memory: 32Mi}", []string{
			":39: spec.containers[0].resources.limits.cpu: Required value: without it a Guaranteed Pod could not stay Guaranteed",
			":39: spec.containers[0].resources.limits.memory: Required value: without it a Guaranteed Pod could not stay Guaranteed",
			`:40: spec.containers[0].resources.limit: Invalid value: "limit": is no field of this Kubernetes object`,
		}},
		{"a limit that is none", "cpu: 100m", "cpu: lots", []string{
			`:40: spec.containers[0].resources.limits.cpu: Invalid value: "lots": quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'`,
		}},
		{"resources that are a list", "limits: {cpu: 100m, memory: 32Mi}", "- limits", []string{
			`:39: spec.containers[0].resources: Invalid value: "list": want an object`,
		}},
		{"a mount of a volume that is not there", "[{name: good-data, mountPath: /data}]", "[{name: good-dat, mountPath: /data}]", []string{
			`:38: spec.containers[0].volumeMounts[0].name: Unsupported value: "good-dat": supported values: "good-data"`,
		}},
		{"a misspelled field of a mount", "[{name: good-data, mountPath: /data}]", "[{name: good-data, mountPth: /data}]", []string{
			`:38: spec.containers[0].volumeMounts[0].mountPth: Invalid value: "mountPth": unknown field; did you mean "mountPath"? The fields are $when, mountPath, name, readOnly, subPath`,
		}},
		{"a mount that Kubernetes knows and a joined volume cannot have", "[{name: good-data, mountPath: /data}]", "[{name: good-data, mountPath: /data, mountPropagation: None}]", []string{
			`:38: spec.containers[0].volumeMounts[0].mountPropagation: Invalid value: "mountPropagation": unknown field; the fields are $when, mountPath, name, readOnly, subPath`,
		}},
		{"mounts that are no list", "[{name: good-data, mountPath: /data}]", "{name: good-data, mountPath: /data}", []string{
			`:38: spec.containers[0].volumeMounts: Invalid value: "object": want a list`,
		}},
		{"a mount without a path", "[{name: good-data, mountPath: /data}]", "[{name: good-data}]", []string{
			":38: spec.containers[0].volumeMounts[0].mountPath: Required value: where it is mounted",
		}},
		{"a mount at a relative path", "[{name: good-data, mountPath: /data}]", "[{name: good-data, mountPath: data}]", []string{
			`:38: spec.containers[0].volumeMounts[0].mountPath: Invalid value: "data": want a clean absolute path without a colon`,
		}},
		{"two mounts at one path", "[{name: good-data, mountPath: /data}]", "[{name: good-data, mountPath: /etc/good/lines}]", []string{
			`:5: spec: Invalid value: "/etc/good/lines": cannot be injected: container good of sidecar good would mount volumes good-data and good-files there`,
		}},
		{"a probe that is misspelled", "      securityContext:", "      livenessProbe: {httpGet: {port: 1, pth: /}}\n      securityContext:", []string{
			`:41: spec.containers[0].livenessProbe.httpGet.pth: Invalid value: "pth": is no field of this Kubernetes object`,
		}},
		{"a placement of an init container", "  appEnv:", "  initContainers:\n    - {name: good-init, image: a, placement: regular, resources: {limits: {cpu: 1m, memory: 1Mi}}}\n  appEnv:", []string{
			`:44: spec.initContainers[0].placement: Invalid value: "regular": an init container runs to completion: its placement is first, or it has none`,
		}},
		{"two containers of one name", "  appEnv:", "  initContainers:\n    - {name: good-a, image: a, resources: {limits: {cpu: 1m, memory: 1Mi}}}\n    - {name: good-a, image: a, resources: {limits: {cpu: 1m, memory: 1Mi}}}\n  appEnv:", []string{
			`:45: spec.initContainers[1].name: Duplicate value: "good-a"`,
		}},
		{"an init container with another name", "  appEnv:", "  initContainers:\n    - {name: setup, image: a, resources: {limits: {cpu: 1m, memory: 1Mi}}}\n  appEnv:", []string{
			`:44: spec.initContainers[0].name: Invalid value: "setup": must be named good-<x>`,
		}},
		{"two containers on one port", "  appEnv:", "    - {name: good-b, image: a, ports: [{containerPort: $(params.port)}], resources: {limits: {cpu: 1m, memory: 1Mi}}}\n  appEnv:", []string{
			":5: spec: Invalid value: 8080: cannot be injected: containers good and good-b would listen on one port",
		}},
		{"a variable's name that is none", "name: GOOD_PORT", "name: GOOD-PORT", []string{
			`:44: spec.appEnv[0].name: Invalid value: "GOOD-PORT": must be a C identifier`,
		}},
		{"a misspelled field of a variable", "name: GOOD_PORT", "nam: GOOD_PORT", []string{
			`:44: spec.appEnv[0].nam: Invalid value: "nam": unknown field; did you mean "name"? The fields are containers, name, value, when`,
		}},
		{"a variable that is a number", "value: $(params.port)", "value: 5", []string{
			":44: spec.appEnv[0].value: Invalid value: 5: want a string: put it in quotes",
		}},
		{"mistakes everywhere at once", "  flushSeconds: 5", "  flushSeconds: 601\n  flushSecond: 1\n  hostNetwork: maybe\n  order: {after: [good], befor: []}\n  runAsUserOf: $(params.nobody)", []string{
			`:46: spec.flushSecond: Invalid value: "flushSecond": unknown field; did you mean "flushSeconds"? The fields are appEnv, containers, description, files, flushSeconds, hostNetwork, initContainers, namespaceSelector, node, order, parameters, runAsUserOf and 3 more`,
			`:47: spec.hostNetwork: Unsupported value: "maybe": supported values: "refused", "allowed"`,
			`:48: spec.order.after[0]: Invalid value: "good": an entry cannot be ordered against itself`,
			`:48: spec.order.befor: Invalid value: "befor": unknown field; the fields are after, conflictsWith`,
			`:49: spec.runAsUserOf: Unsupported value: "params.nobody": supported values: "containers", "list", "mode", "port", "text", "word"`,
		}},
	}
}

func TestBadEntries(t *testing.T) {
	if _, err := sidecars.Load(fstest.MapFS{"good.yaml": {Data: []byte(goodEntry)}}); err != nil {
		t.Fatalf("the good entry: %v", err)
	}
	for _, c := range badEntries() {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(goodEntry, c.old) {
				t.Fatalf("the good entry has no %q", c.old)
			}
			text := strings.Replace(goodEntry, c.old, c.new, 1)
			got := said(t, fstest.MapFS{"good.yaml": {Data: []byte(text)}})
			for i := range got {
				got[i] = strings.TrimPrefix(got[i], "good.yaml")
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// place is what every mistake in an entry starts with: file, line and, but for text that is no YAML, the field.
var place = regexp.MustCompile(`^:\d+: (([a-z][A-Za-z]*)(\.[A-Za-z$]+|\[[^]]*\])*: |control characters|did not find|found |mapping values|the document holds|unknown anchor)`)

// notForPeople are words of Go's and of libraries.
var notForPeople = regexp.MustCompile(`v1alpha1\.|corev1|json:|yaml:|Go (struct|value)|unmarshal|interface|\[\]string|%!|<nil>`)

func TestBadEntriesAreToldWell(t *testing.T) {
	for _, c := range badEntries() {
		for _, w := range c.want {
			if !place.MatchString(w) {
				t.Errorf("%s: %q does not start with line and field", c.name, w)
			}
			if notForPeople.MatchString(w) {
				t.Errorf("%s: %q is not for people", c.name, w)
			}
		}
		if len(c.want) == 0 {
			t.Errorf("%s: nothing is wrong with it", c.name)
		}
	}
	if n := len(badEntries()); n < 60 {
		t.Errorf("there are %d, want at least 60", n)
	}
}

// said lists what Load says to a catalog, a mistake a line, and checks that it is nothing but LoadErrors.
func said(t *testing.T, files fs.FS) []string {
	t.Helper()
	var catalog *sidecars.Catalog
	var err error
	spends(t, atOnce, func() { catalog, err = sidecars.Load(files) })
	if err == nil {
		return nil
	}
	if catalog != nil {
		t.Error("there is a catalog beside the error")
	}
	var many interface{ Unwrap() []error }
	if !errors.As(err, &many) {
		t.Fatalf("is no list of mistakes: %v", err)
	}
	var out []string
	for _, e := range many.Unwrap() {
		out = append(out, e.Error())
	}
	return out
}

func entryNamed(name string, more ...string) string {
	text := strings.ReplaceAll(strings.ReplaceAll(goodEntry, "good", name), "GOOD", "X")
	for i := 0; i+1 < len(more); i += 2 {
		text = strings.Replace(text, more[i], more[i+1], 1)
	}
	return text
}

func TestBadCatalogs(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += fmt.Sprintf("%c: &%c [*%[3]c,*%[3]c,*%[3]c,*%[3]c,*%[3]c,*%[3]c,*%[3]c,*%[3]c,*%[3]c,*%[3]c]\n", c, c, c-1)
	}
	after := func(names string) []string { return []string{"  flushSeconds: 5", "  order: {after: [" + names + "]}"} }
	manyAfter := fstest.MapFS{}
	var before []string
	for i := range 60 {
		name := fmt.Sprintf("e%02d", i)
		manyAfter[name+".yaml"] = &fstest.MapFile{Data: []byte(entryNamed(name, after(strings.Join(before, ","))...))}
		before = append(before, name)
	}
	for _, c := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"nothing", map[string]string{}, []string{"no catalog entry: want .yaml files with kind ClusterSidecar"}},
		{"no YAML file", map[string]string{"README.md": "x", "entry.json": "{}", ".hidden.yaml": "x: ["}, []string{"no catalog entry: want .yaml files with kind ClusterSidecar"}},
		{"empty documents", map[string]string{"a.yaml": "", "b.yaml": "---\n# nothing\n---\n"}, []string{"no catalog entry: want .yaml files with kind ClusterSidecar"}},
		{"a scalar", map[string]string{"a.yaml": "hello\n"}, []string{"a.yaml:1: want an object with apiVersion, kind, metadata and spec, got a string"}},
		{"a list", map[string]string{"a.yaml": "\n- a\n"}, []string{"a.yaml:1: want an object with apiVersion, kind, metadata and spec, got a list"}},
		{"no YAML", map[string]string{"a.yaml": "\x00\x01\x02"}, []string{"a.yaml:1: control characters are not allowed"}},
		{"no UTF-8", map[string]string{"a.yaml": "a: b\nc: \"\xff\"\n"}, []string{"a.yaml:2: invalid leading UTF-8 octet"}},
		{"an entry behind empty documents", map[string]string{"a.yaml": "---\n# nothing\n---\n---\nkind: x\n"}, []string{`a.yaml:5: kind: Unsupported value: "x": supported values: "ClusterSidecar", "Sidecar"`}},
		{"markers of every form", map[string]string{"a.yaml": "%YAML 1.1\n# first\n--- # here\nkind: a\n... # end\n# second\nkind: b\n---\t\r\nkind: c\r\n---\r\nkind: |\n  ---d\n---- e\n...\n"},
			[]string{`a.yaml:4: kind: Unsupported value: "a": supported values: "ClusterSidecar", "Sidecar"`, `a.yaml:7: kind: Unsupported value: "b": supported values: "ClusterSidecar", "Sidecar"`,
				`a.yaml:9: kind: Unsupported value: "c": supported values: "ClusterSidecar", "Sidecar"`, "a.yaml:13: could not find expected ':'"}},
		{"keys that are none", map[string]string{"a.yaml": "kind: ClusterSidecar\n~: x\n? [a]\n: b\nspec:\n  {a: b}: c\n"},
			[]string{`a.yaml:2: ~: Invalid value: "~": is no key: want a string`, `a.yaml:3: ~: Invalid value: "!!seq": is no key: want a string`, `a.yaml:6: spec.~: Invalid value: "!!map": is no key: want a string`}},
		{"values that JSON does not have", map[string]string{"a.yaml": entryNamed("one", "flushSeconds: 5", "flushSeconds: .inf", "GOOD_PORT", "x")}, []string{`a.yaml:45: spec.flushSeconds: Invalid value: ".inf": want a string, number or boolean of JSON`}},
		{"a merge of nothing", map[string]string{"a.yaml": entryNamed("one", "flushSeconds: 5", "order: {<<: 5}")}, []string{`a.yaml:45: spec.order.<<: Invalid value: "": want an alias of an object, or a list of those`}},
		{"a mistake in what is merged", map[string]string{"a.yaml": entryNamed("one", "    - {name: X_PORT, value: $(params.port)}", "    - &a {name: X-PORT, value: $(params.port)}\n    - {<<: *a, containers: [a, \"[\"]}")},
			[]string{`a.yaml:44: spec.appEnv[0].name: Invalid value: "X-PORT": must be a C identifier`, `a.yaml:44: spec.appEnv[1].name: Invalid value: "X-PORT": must be a C identifier`,
				`a.yaml:45: spec.appEnv[1].containers[1]: Invalid value: "[": want a container name, a glob, or one $(params.NAME) of a list`}},
		{"two entries of one name", map[string]string{"a.yaml": entryNamed("one"), "b.yaml": "# first\n" + entryNamed("one")},
			[]string{`b.yaml:5: metadata.name: Duplicate value: "one": is also in a.yaml`}},
		{"two entries of one name in a file, the second with a mistake", map[string]string{"a.yaml": entryNamed("one") + "---\n" + entryNamed("one", "flushSeconds: 5", "flushSeconds: -1")},
			[]string{`a.yaml:50: metadata.name: Duplicate value: "one": is also in a.yaml`, "a.yaml:91: spec.flushSeconds: Invalid value: -1: must be between 0 and 600"}},
		{"a document that is no YAML between others with mistakes", map[string]string{
			"a.yaml": entryNamed("one", "flushSeconds: 5", "flushSeconds: -1") + "---\n  : [\n...\n--- # the third\n" + entryNamed("two", "format: lines", "format: txt")},
			[]string{"a.yaml:45: spec.flushSeconds: Invalid value: -1: must be between 0 and 600", "a.yaml:47: did not find expected key",
				`a.yaml:73: spec.files[1].format: Unsupported value: "txt": supported values: "yaml", "json", "toml", "lines"`}},
		{"mistakes in every file, found at every stage", map[string]string{
			"a.yaml": entryNamed("one", "  flushSeconds: 5", "\tflushSeconds: 5"), "b.yaml": entryNamed("two", "description:", "descriptoin:"), "c.yml": entryNamed("three", "$(params.mode)", "$(params.mod)"),
			"d.yaml": entryNamed("four", "[{name: four-data, mountPath: /data}]", "[{name: four-data, mountPath: /etc/four/lines}]"), "e.yaml": entryNamed("five", after("six")...), "f.yaml": entryNamed("six", after("five")...)},
			[]string{
				"a.yaml:45: found character that cannot start any token",
				`b.yaml:6: spec.descriptoin: Invalid value: "descriptoin": unknown field; did you mean "description"? The fields are appEnv, containers, description, files, flushSeconds, hostNetwork, initContainers, namespaceSelector, node, order, parameters, runAsUserOf and 3 more`,
				`c.yml:19: spec.files[0].data.mode: Unsupported value: "params.mod": supported values: "containers", "list", "mode", "port", "text", "word"`,
				`d.yaml:5: spec: Invalid value: "/etc/four/lines": cannot be injected: container four of sidecar four would mount volumes four-data and four-files there`,
				`e.yaml:45: spec.order.after: Invalid value: "five": entries wait for one another: five after six after five`}},
		{"a circle of three, and two that wait for it", map[string]string{"a.yaml": entryNamed("a", after("b")...), "b.yaml": entryNamed("b", after("c")...), "c.yaml": entryNamed("c", after("a")...),
			"d.yaml": entryNamed("d", after("a, e")...), "e.yaml": entryNamed("e", after("b")...)},
			[]string{`a.yaml:45: spec.order.after: Invalid value: "a": entries wait for one another: a after b after c after a`}},
		{"a thousand million laughs", map[string]string{"a.yaml": bomb}, []string{"a.yaml:1: the document holds more than 100000 values, or 64 in one another"}},
		{"lists in lists", map[string]string{"a.yaml": "a: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000)}, []string{"a.yaml:1: the document holds more than 100000 values, or 64 in one another"}},
		{"lists in lists that do not end", map[string]string{"a.yaml": strings.Repeat("[", 50000)}, []string{"a.yaml:1: exceeded max depth of 10000"}},
		{"a file that is too large", map[string]string{"a.yaml": entryNamed("a"), "b.yaml": strings.Repeat("# nothing\n", 300_000)}, []string{"b.yaml: has 3000000 bytes, the most is 2097152"}},
		{"many values", map[string]string{"a.yaml": "a:\n" + strings.Repeat("- x\n", 200_000)}, []string{"a.yaml:100000: the document holds more than 100000 values, or 64 in one another"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := fstest.MapFS{}
			for name, text := range c.files {
				files[name] = &fstest.MapFile{Data: []byte(text)}
			}
			if diff := cmp.Diff(c.want, said(t, files)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	t.Run("sixty entries, each after all before it", func(t *testing.T) {
		if got := said(t, manyAfter); got != nil {
			t.Error(got)
		}
	})
	t.Run("a directory that cannot be read", func(t *testing.T) {
		if diff := cmp.Diff([]string{"open .: file does not exist"}, said(t, nowhere{})); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a file that cannot be read", func(t *testing.T) {
		got := said(t, unreadable{fstest.MapFS{"a.yaml": {Data: []byte(goodEntry)}, "b.yaml": {Data: []byte("kind: x\n")}}})
		want := []string{"a.yaml: open a.yaml: permission denied", `b.yaml:1: kind: Unsupported value: "x": supported values: "ClusterSidecar", "Sidecar"`}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

type nowhere struct{}

func (nowhere) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

type unreadable struct{ fstest.MapFS }

func (u unreadable) Open(name string) (fs.File, error) {
	if name == "a.yaml" {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return u.MapFS.Open(name)
}

func (u unreadable) ReadFile(name string) ([]byte, error) {
	if name == "a.yaml" {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return u.MapFS.ReadFile(name)
}

// TestOrderInACircleEnds injects entries that wait for one another from a catalog that Load did not see.
func TestOrderInACircleEnds(t *testing.T) {
	var entries []*sidecars.Entry
	for name, after := range map[string]string{"a": "b", "b": "c", "c": "a"} {
		spec := &v1alpha1.SidecarSpec{Order: v1alpha1.Order{After: []string{after}}, Containers: []v1alpha1.Container{{Name: name, Body: v1alpha1.Object{
			"image": []byte(`"a"`), "resources": []byte(`{"limits":{"cpu":"1m","memory":"1Mi"}}`)}}}}
		e, errs := sidecars.Compile(name, spec)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		entries = append(entries, e)
	}
	pod := hostilePod(t, map[string]string{v1alpha1.AnnotationInject: "c,b,a"})
	res, _, err := run(sidecars.NewCatalog(entries...), pod, &sidecars.Namespace{})
	if diff := cmp.Diff([]string{"b", "a", "c"}, res.Sidecars); err != nil || diff != "" {
		t.Error(err, diff)
	}
}
