package apiserver

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// badEntry is a change of goodEntry that the API server refuses without a webhook: what it says, field by field, and the
// field at which the core refuses it; none where that is the same one.
type badEntry struct {
	name, old, new string
	want           []string
	core           string
}

func badEntries() []badEntry {
	const unchecked = "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation"
	return []badEntry{
		{"a name that starts with a digit", "  name: good\nspec", "  name: 1good\nspec", []string{
			"metadata: Invalid value: metadata.name must be a DNS label of at most 30 characters: lower-case letters, digits and -, starting with a letter and not ending with -",
			"spec.containers: Invalid value: the first container must be named like the entry",
			"spec.containers: Invalid value: a container that is not the first must be named <entry>-<x>",
			"spec.initContainers: Invalid value: a container that is not the first must be named <entry>-<x>",
			"spec.volumes: Invalid value: a volume must be named <entry>-<x>",
		}, "metadata.name"},
		{"a name with a dot", "  name: good\nspec", "  name: go.od\nspec", []string{
			"metadata: Invalid value: metadata.name must be a DNS label of at most 30 characters: lower-case letters, digits and -, starting with a letter and not ending with -",
			"spec.containers: Invalid value: the first container must be named like the entry",
			"spec.containers: Invalid value: a container that is not the first must be named <entry>-<x>",
			"spec.initContainers: Invalid value: a container that is not the first must be named <entry>-<x>",
			"spec.volumes: Invalid value: a volume must be named <entry>-<x>",
		}, "metadata.name"},
		{"a name that is too long", "  name: good\nspec", "  name: goooooooooooooooooooooooooooood\nspec", []string{
			"metadata: Invalid value: metadata.name must be a DNS label of at most 30 characters: lower-case letters, digits and -, starting with a letter and not ending with -",
			"spec.containers: Invalid value: the first container must be named like the entry",
			"spec.containers: Invalid value: a container that is not the first must be named <entry>-<x>",
			"spec.initContainers: Invalid value: a container that is not the first must be named <entry>-<x>",
			"spec.volumes: Invalid value: a volume must be named <entry>-<x>",
		}, "metadata.name"},
		{"a reserved name", "  name: good\nspec", "  name: status\nspec", []string{
			"metadata: Invalid value: metadata.name is reserved",
			"spec.containers: Invalid value: the first container must be named like the entry",
			"spec.containers: Invalid value: a container that is not the first must be named <entry>-<x>",
			"spec.initContainers: Invalid value: a container that is not the first must be named <entry>-<x>",
			"spec.volumes: Invalid value: a volume must be named <entry>-<x>",
		}, "metadata.name"},
		{"a number out of bounds", "flushSeconds: 5", "flushSeconds: 601", []string{
			"spec.flushSeconds: Invalid value: 601: spec.flushSeconds in body should be less than or equal to 600",
		}, ""},
		{"a negative number", "flushSeconds: 5", "flushSeconds: -1", []string{
			"spec.flushSeconds: Invalid value: -1: spec.flushSeconds in body should be greater than or equal to 0",
		}, ""},
		{"a string for a number", "flushSeconds: 5", "flushSeconds: five", []string{
			`spec.flushSeconds: Invalid value: "string": spec.flushSeconds in body must be of type integer: "string"`,
			unchecked,
		}, ""},
		{"a number for a string", "description: An entry without a mistake.", "description: 5", []string{
			`spec.description: Invalid value: "integer": spec.description in body must be of type string: "integer"`,
			unchecked,
		}, ""},
		{"a string for a boolean", "flushSeconds: 5", "shareProcessNamespace: \"true\"", []string{
			`spec.shareProcessNamespace: Invalid value: "string": spec.shareProcessNamespace in body must be of type boolean: "string"`,
			unchecked,
		}, ""},
		{"another hostNetwork", "hostNetwork: refused", "hostNetwork: maybe", []string{
			`spec.hostNetwork: Unsupported value: "maybe": supported values: "", "refused", "allowed"`,
			unchecked,
		}, ""},
		{"an order that is no list", "after: [one]", "after: one", []string{
			`spec.order.after: Invalid value: "string": spec.order.after in body must be of type array: "string"`,
			unchecked,
		}, ""},
		{"order against itself", "after: [one]", "after: [one, good]", []string{
			"spec.order.after: Invalid value: an entry cannot be ordered against itself",
		}, "spec.order.after[1]"},
		{"a conflict with itself", "conflictsWith: [two]", "conflictsWith: [good]", []string{
			"spec.order.conflictsWith: Invalid value: an entry cannot be ordered against itself",
		}, "spec.order.conflictsWith[0]"},
		{"another type", "type: port, default: 8080", "type: prt, default: 8080", []string{
			`spec.parameters.port.type: Unsupported value: "prt": supported values: "string", "integer", "boolean", "quantity", "duration", "port", "path", "url", "secretName", "configMapName", "list"`,
			unchecked,
		}, "spec.parameters[port].type"},
		{"no type", "type: port, default: 8080", "default: 8080", []string{
			"spec.parameters[port].type: Required value: a parameter has a type",
			"spec.parameters[port].minimum: Invalid value: only an integer, quantity, duration or port has a minimum",
		}, ""},
		{"a parameter's name with capitals", "    word: {type", "    Word: {type", []string{
			"spec.parameters: Invalid value: a parameter's name must be a DNS label of at most 30 characters: lower-case letters, digits and -, starting with a letter and not ending with -",
		}, "spec.parameters[Word]"},
		{"a parameter's name that is too long", "    word: {type", "    wooooooooooooooooooooooooooooord: {type", []string{
			"spec.parameters: Invalid value: a parameter's name must be a DNS label of at most 30 characters: lower-case letters, digits and -, starting with a letter and not ending with -",
		}, "spec.parameters[wooooooooooooooooooooooooooooord]"},
		{"required with a default", "required: true}\n    port", "required: true, default: abc}\n    port", []string{
			"spec.parameters[must].default: Invalid value: a required parameter has no default",
		}, ""},
		{"a pattern without an example", "example: abc, maxLength", "maxLength", []string{
			"spec.parameters[word].example: Required value: a parameter with a pattern and no default needs a valid example",
		}, ""},
		{"a minimum of a string", "example: abc, maxLength", "minimum: \"1\", example: abc, maxLength", []string{
			"spec.parameters[word].minimum: Invalid value: only an integer, quantity, duration or port has a minimum",
		}, ""},
		{"a maximum of a list", "items: {type: path, maxItems: 4}", "maximum: \"1\", items: {type: path, maxItems: 4}", []string{
			"spec.parameters[list].maximum: Invalid value: only an integer, quantity, duration or port has a maximum",
		}, ""},
		{"a minimum that is no string", "minimum: \"1024\"", "minimum: 1024", []string{
			`spec.parameters.port.minimum: Invalid value: "integer": spec.parameters.port.minimum in body must be of type string: "integer"`,
			unchecked,
		}, "spec.parameters[port].minimum"},
		{"a maxLength beyond the most", "maxLength: 20", "maxLength: 5000", []string{
			"spec.parameters.word.maxLength: Invalid value: 5000: spec.parameters.word.maxLength in body should be less than or equal to 4096",
		}, "spec.parameters[word].maxLength"},
		{"schemes of another type", "type: url, schemes", "type: string, schemes", []string{
			"spec.parameters[link].schemes: Invalid value: only a url has schemes, and then at least one",
		}, ""},
		{"items of a scalar", "type: url, ", "type: url, items: {type: path}, ", []string{
			"spec.parameters[link].items: Invalid value: only a list has items",
		}, ""},
		{"a list without items", "items: {type: path, maxItems: 4}, ", "", []string{
			"spec.parameters[list].items: Required value: a list declares its items",
		}, ""},
		{"a bound of a list", "items: {type: path, maxItems: 4}", "pattern: a, items: {type: path, maxItems: 4}", []string{
			"spec.parameters[list]: Invalid value: pattern, enum, maxLength and schemes of a list belong to its items",
		}, "spec.parameters[list].pattern"},
		{"items that are lists", "type: path, maxItems", "type: list, maxItems", []string{
			"spec.parameters[list].items.type: Invalid value: items have fields, or a type that is not list",
		}, ""},
		{"items without a type", "{type: path, maxItems", "{maxItems", []string{
			"spec.parameters[list].items.type: Invalid value: items have fields, or a type that is not list",
		}, ""},
		{"more items than the most", "maxItems: 4", "maxItems: 65", []string{
			"spec.parameters.list.items.maxItems: Invalid value: 65: spec.parameters.list.items.maxItems in body should be less than or equal to 64",
		}, "spec.parameters[list].items.maxItems"},
		{"a required item with a default", "type: path, maxItems", "type: path, required: true, default: /a, maxItems", []string{
			"spec.parameters[list].items.default: Invalid value: a required parameter has no default",
		}, ""},
		{"a field's name with capitals", "fields: {path:", "fields: {Path:", []string{
			"spec.parameters[rows].items.fields: Invalid value: a field's name must be a DNS label of at most 30 characters: lower-case letters, digits and -, starting with a letter and not ending with -",
		}, "spec.parameters[rows].items.fields[Path]"},
		{"a field without a type", "port: {type: port, default: 80}", "port: {default: 80}", []string{
			"spec.parameters[rows].items.fields: Invalid value: a field has a type that is not list",
		}, "spec.parameters[rows].items.fields[port].type"},
		{"a field that is a list", "port: {type: port, default: 80}", "port: {type: list}", []string{
			"spec.parameters[rows].items.fields: Invalid value: a field has a type that is not list",
		}, "spec.parameters[rows].items.fields[port].type"},
		{"a field that is a list, and a default", "port: {type: port, default: 80}}}", "port: {type: list}}}, default: [\"path=/a,port=80\"]", []string{
			"spec.parameters[rows].items.fields: Invalid value: a field has a type that is not list",
		}, "spec.parameters[rows].items.fields[port].type"},
		{"no scheme", "schemes: [https]", "schemes: [], default: \"https://a.example\"", []string{
			"spec.parameters[link].schemes: Invalid value: only a url has schemes, and then at least one",
		}, ""},
		{"items of nothing", "items: {type: path, maxItems: 4}", "items: {fields: {}}", []string{
			"spec.parameters[list].items.type: Invalid value: items have fields, or a type that is not list",
		}, ""},
		{"a minimum of a field that is a path", "path: {type: path, required", "path: {type: path, minimum: a, required", []string{
			"spec.parameters[rows].items.fields[path].minimum: Invalid value: only an integer, quantity, duration or port has a minimum",
		}, ""},
		{"a required field with a default", "path: {type: path, required: true}", "path: {type: path, required: true, default: /a}", []string{
			"spec.parameters[rows].items.fields[path].default: Invalid value: a required parameter has no default",
		}, ""},
		{"a file without a path", "      mountPath: /etc/good/lines\n", "", []string{
			"spec.files[1].mountPath: Required value",
			unchecked,
		}, ""},
		{"a file's path that is not absolute", "mountPath: /etc/good/lines", "mountPath: lines", []string{
			`spec.files[1].mountPath: Invalid value: "lines": must be a clean absolute path`,
		}, ""},
		{"a file's path that is not clean", "mountPath: /etc/good/lines", "mountPath: /etc/../lines", []string{
			`spec.files[1].mountPath: Invalid value: "/etc/../lines": must be a clean absolute path`,
		}, ""},
		{"a file's name that is too long", "    - name: lines", "    - name: liiiiiiiiiiiiiiiiiines", []string{
			"spec.files[1].name: Too long: may not be more than 20 bytes",
			unchecked,
		}, ""},
		{"two files of one name", "    - name: lines", "    - name: config", []string{
			`spec.files[1]: Duplicate value: {"name":"config"}`,
		}, "spec.files[1].name"},
		{"another format", "format: lines", "format: txt", []string{
			`spec.files[1].format: Unsupported value: "txt": supported values: "yaml", "json", "toml", "lines"`,
			unchecked,
		}, ""},
		{"a YAML file without data", "      format: lines", "      format: yaml", []string{
			"spec.files[1].data: Required value: a yaml, json or toml file needs data",
		}, ""},
		{"a file of lines without lines", "      format: yaml", "      format: lines", []string{
			"spec.files[0].lines: Required value: a lines file needs lines",
		}, ""},
		{"data that is a list", "      data:\n        mode", "      data: []\n      when:\n        mode", []string{
			`spec.files[0].data: Invalid value: "array": spec.files[0].data in body must be of type object: "array"`,
			unchecked,
		}, ""},
		{"lines that are no list", "lines:\n        - port $(params.port)\n        - {line: word $(params.word), when: {word: [\"*\"]}}", "lines: port $(params.port)", []string{
			`spec.files[1].lines: Invalid value: "string": spec.files[1].lines in body must be of type array: "string"`,
			unchecked,
		}, ""},
		{"when that is no map", "when: {mode: [a]}", "when: mode", []string{
			`spec.containers[1].when: Invalid value: "string": spec.containers[1].when in body must be of type object: "string"`,
			unchecked,
		}, ""},
		{"a volume that is not named like the entry", "    - name: good-more", "    - name: more", []string{
			"spec.volumes: Invalid value: a volume must be named <entry>-<x>",
		}, "spec.volumes[1].name"},
		{"a volume with the name of the files'", "    - name: good-more", "    - name: good-files", []string{
			"spec.volumes: Invalid value: <entry>-files is the name of the volume of the entry's files",
		}, "spec.volumes[1].name"},
		{"two volumes of one name", "    - name: good-more", "    - name: good-data", []string{
			`spec.volumes[1]: Duplicate value: {"name":"good-data"}`,
		}, "spec.volumes[1].name"},
		{"a volume's name that ends with a hyphen", "    - name: good-more", "    - name: good-", []string{
			`spec.volumes[1].name: Invalid value: "good-": spec.volumes[1].name in body should match '^[a-z]([a-z0-9-]*[a-z0-9])?$'`,
		}, ""},
		{"a share without a path", "{sidecars: [other], mountPath: /data}", "{sidecars: [other]}", []string{
			"spec.volumes[0].share[1].mountPath: Required value",
			unchecked,
		}, ""},
		{"a share with an empty path", "{sidecars: [other], mountPath: /data}", "{sidecars: [other], mountPath: \"\"}", []string{
			`spec.volumes[0].share[1].mountPath: Invalid value: "": spec.volumes[0].share[1].mountPath in body should be at least 1 chars long`,
		}, ""},
		{"a share with nobody", "{sidecars: [other], mountPath: /data}", "{sidecars: [], mountPath: /data}", []string{
			"spec.volumes[0].share[1]: Required value: a share names containers or sidecars",
		}, ""},
		{"the first container with another name", "    - name: good\n", "    - name: other\n", []string{
			"spec.containers: Invalid value: the first container must be named like the entry",
		}, "spec.containers[0].name"},
		{"a container without a name", "    - name: good\n      image", "    - image", []string{
			"spec.containers[0].name: Required value",
			unchecked,
		}, ""},
		{"a container's name that is a number", "    - name: good\n", "    - name: 5\n", []string{
			`spec.containers[0].name: Invalid value: "integer": spec.containers[0].name in body must be of type string: "integer"`,
			unchecked,
		}, ""},
		{"the first container with a condition", "    - name: good\n", "    - name: good\n      when: {}\n", []string{
			"spec.containers: Forbidden: the first container has no condition",
		}, "spec.containers[0].when"},
		{"another container with another name", "    - name: good-second", "    - name: second", []string{
			"spec.containers: Invalid value: a container that is not the first must be named <entry>-<x>",
		}, "spec.containers[1].name"},
		{"two containers of one name", "    - name: good-second", "    - name: good", []string{
			`spec.containers[1]: Duplicate value: {"name":"good"}`,
		}, "spec.containers[1].name"},
		{"another placement", "placement: regular", "placement: behind", []string{
			`spec.containers[1].placement: Unsupported value: "behind": supported values: "", "first", "beforeInit", "afterInit", "regular"`,
			unchecked,
		}, ""},
		{"an init container with another name", "    - name: good-init", "    - name: init", []string{
			"spec.initContainers: Invalid value: a container that is not the first must be named <entry>-<x>",
		}, "spec.initContainers[0].name"},
		{"an init container with a container's name", "    - name: good-init", "    - name: good-second", []string{
			"spec.initContainers: Invalid value: one of the containers has this name already",
		}, "spec.initContainers[0].name"},
		{"a placement of an init container", "    - name: good-init", "    - name: good-init\n      placement: regular", []string{
			"spec.initContainers[0].placement: Invalid value: an init container runs to completion: its placement is first, or it has none",
		}, ""},
		{"a variable's name that is none", "name: GOOD_PORT", "name: GOOD-PORT", []string{
			`spec.appEnv[0].name: Invalid value: "GOOD-PORT": spec.appEnv[0].name in body should match '^[A-Za-z_][A-Za-z0-9_]*$'`,
		}, ""},
		{"a variable that is a number", "value: $(params.port), containers", "value: 5, containers", []string{
			`spec.appEnv[0].value: Invalid value: "integer": spec.appEnv[0].value in body must be of type string: "integer"`,
			unchecked,
		}, ""},
		{"no container", goodContainers, "", []string{
			"spec.containers: Required value: an entry has at least one container",
		}, ""},
		{"an init container alone, with another name", goodContainers, "  initContainers:\n    - {name: good-init, image: a, resources: {limits: {cpu: 1m, memory: 1Mi}}}\n", []string{
			"spec.initContainers: Invalid value: the first container must be named like the entry",
		}, "spec.initContainers[0].name"},
		{"an init container alone, with a condition", goodContainers, "  initContainers:\n    - {name: good, image: a, when: {mode: [a]}, resources: {limits: {cpu: 1m, memory: 1Mi}}}\n", []string{
			"spec.initContainers: Forbidden: the first container has no condition",
		}, "spec.initContainers[0].when"},
	}
}

func TestDefinitionsRefuseBadEntries(t *testing.T) {
	useDefinitions(t)
	wantStatus(t, ask(t, http.MethodPost, clusterPath+dryRun, "", toJSON(t, goodEntry)), http.StatusCreated)
	for _, c := range badEntries() {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(goodEntry, c.old) {
				t.Fatalf("the good entry has no %q", c.old)
			}
			object := toJSON(t, strings.Replace(goodEntry, c.old, c.new, 1))
			a := ask(t, http.MethodPost, clusterPath+dryRun, "", object)
			if diff := gocmp.Diff(c.want, refusals(t, a)); diff != "" || a.Status != http.StatusUnprocessableEntity {
				t.Errorf("%d (-want +got)\n%s", a.Status, diff)
			}
			at, _, _ := strings.Cut(strings.Join(c.want, ""), ": ")
			if c.core != "" {
				at = c.core
			}
			_, errs := parse(t, object)
			if !slices.ContainsFunc(errs, func(e *field.Error) bool { return e.Field == at }) {
				t.Errorf("the core says %v, want a mistake at %s", errs.ToAggregate(), at)
			}
		})
	}
	if n := len(badEntries()); n < 20 {
		t.Errorf("there are %d, want at least 20", n)
	}
}
