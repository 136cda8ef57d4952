package apiserver

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	kyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/pillion-dev/pillion/api/crds"
	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
	"github.com/pillion-dev/pillion/test/golden"
	"github.com/pillion-dev/pillion/test/serving"
)

const (
	definitionsPath = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
	clusterPath     = "/apis/pillion.dev/v1alpha1/clustersidecars"
	nsEntries       = "crd-entries"
	namespacedPath  = "/apis/pillion.dev/v1alpha1/namespaces/" + nsEntries + "/sidecars"
)

var defined = sync.OnceValue(func() error { return plane.define() })

// useDefinitions has the API server know ClusterSidecars and Sidecars. They stay for the tests that follow; entries do not.
func useDefinitions(t *testing.T) {
	t.Helper()
	useControlPlane(t)
	if err := defined(); err != nil {
		t.Fatal(err)
	}
}

func (p *controlPlane) define() error {
	for _, text := range crds.All() {
		object, err := yaml.YAMLToJSON(text)
		if err != nil {
			return err
		}
		a, err := serving.Post(p.client, p.url+definitionsPath, object)
		if err == nil && a.Status != http.StatusCreated && a.Status != http.StatusConflict {
			err = fmt.Errorf("create a definition: %d %s", a.Status, a.Message())
		}
		if err != nil {
			return err
		}
	}
	if err := p.namespace(nsEntries, nil, nil); err != nil {
		return err
	}
	return eventually("ClusterSidecars and Sidecars are served", func() error {
		for _, path := range []string{clusterPath, namespacedPath} {
			a, err := serving.Do(p.client, http.MethodGet, p.url+path, nil)
			if err == nil && a.Status != http.StatusOK {
				err = fmt.Errorf("%s: %d %s", path, a.Status, a.Message())
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// definition is what a test looks at of a CustomResourceDefinition.
type definition struct {
	Spec struct {
		Names struct {
			Kind                   string
			ShortNames, Categories []string
		}
		Scope    string
		Versions []struct {
			Name   string
			Schema struct{ OpenAPIV3Schema map[string]any }
		}
	}
	Status struct{ Conditions []metav1.Condition }
}

func TestDefinitionsAreEstablished(t *testing.T) {
	useDefinitions(t)
	for name, want := range map[string][]string{
		"clustersidecars.pillion.dev": {"ClusterSidecar", "Cluster", "csc", "pillion"},
		"sidecars.pillion.dev":        {"Sidecar", "Namespaced", "sc", "pillion"},
	} {
		await(t, name+" is established", func() error {
			var d definition
			a := ask(t, http.MethodGet, definitionsPath+"/"+name, "", nil)
			if err := json.Unmarshal(a.Body, &d); err != nil {
				return err
			}
			is := map[string]metav1.ConditionStatus{}
			for _, c := range d.Status.Conditions {
				is[c.Type] = c.Status
			}
			if is["Established"] != metav1.ConditionTrue || is["NamesAccepted"] != metav1.ConditionTrue || is["NonStructuralSchema"] != "" {
				return fmt.Errorf("its conditions are %v", d.Status.Conditions)
			}
			n := d.Spec.Names
			if diff := gocmp.Diff(want, slices.Concat([]string{n.Kind, d.Spec.Scope}, n.ShortNames, n.Categories)); diff != "" {
				t.Errorf("%s (-want +got)\n%s", name, diff)
			}
			return nil
		})
	}
}

// TestBothKindsAreOne compares the two schemas, whose rules the generator has from two places. A Sidecar has one rule more: it
// may not ask the node helper.
func TestBothKindsAreOne(t *testing.T) {
	var schemas []map[string]any
	for _, text := range crds.All() {
		var d definition
		if err := yaml.Unmarshal(text, &d); err != nil || len(d.Spec.Versions) != 1 {
			t.Fatal(err, d)
		}
		schema := d.Spec.Versions[0].Schema.OpenAPIV3Schema
		delete(schema, "description")
		if d.Spec.Names.Kind == v1alpha1.KindSidecar {
			rules, _ := schema["x-kubernetes-validations"].([]any)
			schema["x-kubernetes-validations"] = slices.DeleteFunc(rules, func(rule any) bool {
				r, _ := rule.(map[string]any)
				return r["rule"] == "!has(self.spec.node)"
			})
			if n, _ := schema["x-kubernetes-validations"].([]any); len(n) != len(rules)-1 {
				t.Error("a Sidecar may ask the node helper")
			}
		}
		schemas = append(schemas, schema)
	}
	if diff := gocmp.Diff(schemas[0], schemas[1]); diff != "" || len(schemas) != 2 {
		t.Errorf("ClusterSidecar and Sidecar (-first +second)\n%s", diff)
	}
}

// TestEntriesAreStoredAsTheyAre writes every entry of the embedded and the golden catalog, by POST and by server-side apply,
// and reads from the API server what was loaded from the file.
func TestEntriesAreStoredAsTheyAre(t *testing.T) {
	useDefinitions(t)
	files, err := golden.Catalog()
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := sidecars.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	documents := documentsOf(t, files)
	for _, want := range catalog.All() {
		t.Run(want.Name, func(t *testing.T) {
			object := documents[want.Key()]
			created := ask(t, http.MethodPost, clusterPath+"?fieldValidation=Strict", "", object)
			wantStatus(t, created, http.StatusCreated)
			t.Cleanup(func() { remove(t, clusterPath+"/"+want.Name) })
			wantEntry(t, want, v1alpha1.KindClusterSidecar, ask(t, http.MethodGet, clusterPath+"/"+want.Name, "", nil))

			mine := bytes.Replace(object, []byte(`"kind":"ClusterSidecar"`), []byte(`"kind":"Sidecar"`), 1)
			path := namespacedPath + "/" + want.Name
			if want.Spec.Node != nil {
				wantStatus(t, ask(t, http.MethodPatch, path+"?fieldManager=test", "application/apply-patch+yaml", mine), http.StatusUnprocessableEntity)
				return
			}
			for range 2 { // the second time changes nothing
				applied := ask(t, http.MethodPatch, path+"?fieldManager=test&fieldValidation=Strict", "application/apply-patch+yaml", mine)
				if applied.Status != http.StatusCreated {
					wantStatus(t, applied, http.StatusOK)
				}
				wantEntry(t, want, v1alpha1.KindSidecar, ask(t, http.MethodGet, path, "", nil))
			}
			t.Cleanup(func() { remove(t, path) })
		})
	}
	if n := len(catalog.All()); n < 20 {
		t.Errorf("there are %d entries, want those of both catalogs", n)
	}
}

// wantEntry reads an entry as the API server gives it and compares it with one from a file.
func wantEntry(t *testing.T, want *sidecars.Entry, kind string, a *serving.Answer) {
	t.Helper()
	wantStatus(t, a, http.StatusOK)
	got, errs := parse(t, a.Body)
	if len(errs) > 0 {
		t.Fatalf("as %s: %v", kind, errs.ToAggregate())
	}
	if got.Kind() != kind || got.Name != want.Name || got.Revision != want.Revision {
		t.Errorf("%s %s at revision %s, want %s %s at %s", got.Kind(), got.Key(), got.Revision, kind, want.Key(), want.Revision)
	}
}

// documentsOf gives the entries of a catalog's files as JSON.
func documentsOf(t *testing.T, files fs.FS) map[sidecars.Key][]byte {
	t.Helper()
	out := map[sidecars.Key][]byte{}
	names, err := fs.Glob(files, "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		for docs := kyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text))); ; {
			doc, err := docs.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			var is struct {
				Metadata struct{ Namespace, Name string }
			}
			if err != nil || yaml.Unmarshal(doc, &is) != nil {
				t.Fatal(name, err)
			}
			out[sidecars.Key{Namespace: is.Metadata.Namespace, Name: is.Metadata.Name}] = toJSON(t, string(doc))
		}
	}
	return out
}

func toJSON(t *testing.T, text string) []byte {
	t.Helper()
	object, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return object
}

// goodEntry has something of everything that the schema says more of than its type.
const goodEntry = `apiVersion: pillion.dev/v1alpha1
kind: ClusterSidecar
metadata:
  name: good
spec:
  description: An entry without a mistake.
  parameters:
    mode: {type: string, enum: [a, b], default: a, description: one of two}
    word: {type: string, pattern: "[a-z]+", example: abc, maxLength: 20}
    must: {type: string, pattern: "[a-z]+", example: abc, required: true}
    port: {type: port, default: 8080, minimum: "1024"}
    link: {type: url, schemes: [https]}
    list: {type: list, items: {type: path, maxItems: 4}, default: [/a]}
    rows: {type: list, items: {fields: {path: {type: path, required: true}, port: {type: port, default: 80}}}}
  files:
    - name: config
      mountPath: /etc/good/config.yaml
      format: yaml
      containers: [good]
      data:
        mode: $(params.mode)
        link: $(params.link)
        list: [{$each: params.list, $item: $(item)}]
        rows: [{$each: params.rows, path: $(item.path), port: $(item.port)}]
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
        - {containers: [app], mountPath: /data, when: {mode: a}}
        - {sidecars: [other], mountPath: /data}
    - name: good-more
      when: {word: ["*"]}
      emptyDir: {sizeLimit: 1Mi}
` + goodContainers + `  appEnv:
    - {name: GOOD_PORT, value: $(params.port), containers: ["app-*"]}
  flushSeconds: 5
  hostNetwork: refused
  order: {after: [one], conflictsWith: [two]}
  namespaceSelector: {matchLabels: {a: b}, matchExpressions: [{key: c, operator: In, values: [d]}]}
`

// goodContainers are its containers.
const goodContainers = `  containers:
    - name: good
      image: registry.example/good:1
      args: ["--must=$(params.must)"]
      ports: [{name: http, containerPort: $(params.port)}]
      volumeMounts: [{name: good-data, mountPath: /data}]
      resources: {limits: {cpu: 100m, memory: 32Mi}}
    - name: good-second
      placement: regular
      when: {mode: [a]}
      image: registry.example/good:1
      resources: {limits: {cpu: 100m, memory: 32Mi}}
  initContainers:
    - name: good-init
      image: registry.example/good:1
      resources: {limits: {cpu: 100m, memory: 32Mi}}
`

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

const dryRun = "?dryRun=All&fieldValidation=Strict"

// refusals lists what the API server says of single fields.
func refusals(t *testing.T, a *serving.Answer) []string {
	t.Helper()
	var s metav1.Status
	if err := json.Unmarshal(a.Body, &s); err != nil {
		t.Fatal(err)
	}
	var out []string
	if s.Details != nil {
		for _, c := range s.Details.Causes {
			out = append(out, c.Field+": "+c.Message)
		}
	}
	return out
}

// ask sends a request to the API server.
func ask(t *testing.T, method, path, contentType string, body []byte) *serving.Answer {
	t.Helper()
	return askFor(t, method, path, contentType, "application/json", body)
}

// askFor asks for an answer in another form.
func askFor(t *testing.T, method, path, contentType, accept string, body []byte) *serving.Answer {
	t.Helper()
	req, err := http.NewRequest(method, plane.url+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Content-Type": {cmp.Or(contentType, "application/json")}, "Accept": {accept}}
	res, err := plane.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return &serving.Answer{Status: res.StatusCode, Body: got, Warnings: res.Header.Values("Warning")}
}

func wantStatus(t *testing.T, a *serving.Answer, status int) {
	t.Helper()
	if a.Status != status {
		t.Fatalf("%d %s, want %d", a.Status, a.Message(), status)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if a := ask(t, http.MethodDelete, path, "", nil); a.Status != http.StatusOK {
		t.Errorf("delete %s: %d %s", path, a.Status, a.Message())
	}
}

// TestWhatTheServerRefusesTheCoreRefuses makes every small change to goodEntry: what a definition refuses is a mistake to the
// core as well, and what it takes is stored as it was written.
func TestWhatTheServerRefusesTheCoreRefuses(t *testing.T) {
	useDefinitions(t)
	tree, ok := decoded(t, toJSON(t, goodEntry)).(map[string]any)
	if !ok {
		t.Fatal("the good entry is no object")
	}
	refused, taken := 0, 0
	for _, spec := range variants(tree["spec"], false) {
		object, err := json.Marshal(map[string]any{"apiVersion": tree["apiVersion"], "kind": tree["kind"], "metadata": tree["metadata"], "spec": spec})
		if err != nil {
			t.Fatal(err)
		}
		a := ask(t, http.MethodPost, clusterPath+dryRun, "", object)
		was, errs := parse(t, object)
		if a.Status != http.StatusCreated {
			refused++
			if len(errs) == 0 {
				t.Errorf("%s\nthe API server refuses it and the core does not: %d %s", object, a.Status, a.Message())
			}
			continue
		}
		taken++
		is, isErrs := parse(t, withoutManagedFields(t, a.Body)) // those hold names, which the core looks for
		if diff := gocmp.Diff(errs.ToAggregate(), isErrs.ToAggregate(), gocmp.Transformer("text", func(err error) string { return fmt.Sprint(err) })); diff != "" {
			t.Errorf("%s\nthe core reads it another way once it was stored (-written +stored)\n%s", object, diff)
		}
		if was != nil && is != nil && was.Revision != is.Revision {
			t.Errorf("%s\nis stored as\n%s", object, a.Body)
		}
	}
	t.Logf("%d changes were refused, %d taken", refused, taken)
	if refused < 500 || taken < 500 {
		t.Errorf("%d changes were refused, %d taken: want many of both", refused, taken)
	}
}

// variants gives a value with every small change: each part removed, replaced or, in a list, there twice, and members of
// Bounds added to whatever declares a parameter.
func variants(v any, declaration bool) []any {
	var out []any
	switch v := v.(type) {
	case map[string]any:
		with := func(k string, changed any) {
			m := maps.Clone(v)
			m[k] = changed
			out = append(out, m)
		}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			m := maps.Clone(v)
			delete(m, k)
			out = append(out, m)
			for _, changed := range append(variants(v[k], declaration || k == "parameters"), replacements()...) {
				with(k, changed)
			}
		}
		for k, values := range additions() {
			for _, added := range values {
				if declaration && v[k] == nil {
					with(k, added)
				}
			}
		}
	case []any:
		for i := range v {
			out = append(out, slices.Delete(slices.Clone(v), i, i+1), append(slices.Clone(v), v[i]))
			for _, changed := range append(variants(v[i], declaration), replacements()...) {
				l := slices.Clone(v)
				l[i] = changed
				out = append(out, l)
			}
		}
	}
	return out
}

func replacements() []any {
	return []any{"", "x", 7, true, []any{}, map[string]any{}}
}

func additions() map[string][]any {
	return map[string][]any{
		"required": {true, false}, "default": {"/x", []any{"/x"}}, "example": {"x"}, "pattern": {"", "[a-z]+"}, "enum": {[]any{}, []any{"x"}},
		"maxLength": {0, 5}, "minimum": {"", "1"}, "maximum": {"", "9"}, "schemes": {[]any{}, []any{"http"}}, "maxItems": {0, 3},
		"items": {map[string]any{"type": "string"}, map[string]any{"fields": map[string]any{}, "schemes": []any{"http"}, "minimum": "1"}},
	}
}

func decoded(t *testing.T, text []byte) any {
	t.Helper()
	v, err := golden.Tree(text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestUnknownFields writes misspelled fields as kubectl does, with fieldValidation=Strict, and as old clients do, without:
// those get a warning and an entry that lacks the field.
func TestUnknownFields(t *testing.T) {
	useDefinitions(t)
	for at, change := range map[string][2]string{
		"spec.flushSecond":                              {"flushSeconds: 5", "flushSecond: 5"},
		"spec.parameters.word.exampl":                   {"example: abc, maxLength", "exampl: abc, default: abc, maxLength"},
		"spec.parameters.rows.items.fields.port.defalt": {"type: port, default: 80}}}", "type: port, defalt: 80}}}"},
		"spec.files[0].mountPth":                        {"format: yaml", "format: yaml\n      mountPth: /x"},
		"spec.volumes[0].share[1].sidecar":              {"{sidecars: [other]", "{sidecar: [x], sidecars: [other]"},
		"spec.appEnv[0].container":                      {`containers: ["app-*"]`, "container: [app]"},
		"spec.order.before":                             {"after: [one]", "before: [one]"},
	} {
		if !strings.Contains(goodEntry, change[0]) {
			t.Fatalf("the good entry has no %q", change[0])
		}
		object := toJSON(t, strings.Replace(goodEntry, change[0], change[1], 1))
		strict := ask(t, http.MethodPost, clusterPath+dryRun, "", object)
		if want := fmt.Sprintf("unknown field %q", at); strict.Status != http.StatusBadRequest || !strings.Contains(strict.Message(), want) {
			t.Errorf("strict: %d %s, want %s", strict.Status, strict.Message(), want)
		}
		loose := ask(t, http.MethodPost, clusterPath+"?dryRun=All", "", object)
		if loose.Status != http.StatusCreated || len(loose.Warnings) != 1 || !strings.Contains(loose.Warnings[0], "unknown field") || !strings.Contains(loose.Warnings[0], at) {
			t.Errorf("loose: %d %s, warnings %q, want one on %s", loose.Status, loose.Message(), loose.Warnings, at)
		}
		if name := at[strings.LastIndex(at, ".")+1:]; bytes.Contains(withoutManagedFields(t, loose.Body), []byte(`"`+name+`":`)) {
			t.Errorf("%s is stored", at)
		}
		if _, errs := parse(t, object); len(errs) == 0 {
			t.Errorf("%s: the core says nothing", at)
		}
	}
	// What belongs to Kubernetes is not typed: the core knows it, as holes may stand there.
	object := toJSON(t, strings.Replace(goodEntry, "image: ", "imag: ", 1))
	wantStatus(t, ask(t, http.MethodPost, clusterPath+dryRun, "", object), http.StatusCreated)
	if _, errs := parse(t, object); len(errs) == 0 {
		t.Error("a misspelled image: the core says nothing")
	}
}

func withoutManagedFields(t *testing.T, object []byte) []byte {
	t.Helper()
	m, _ := decoded(t, object).(map[string]any)
	meta, _ := m["metadata"].(map[string]any)
	delete(meta, "managedFields")
	out, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestStatusOfAnEntry writes a status as the controller does and reads it as kubectl does.
func TestStatusOfAnEntry(t *testing.T) {
	useDefinitions(t)
	early := strings.Replace(goodEntry, "spec:\n", "status: {revision: forged}\nspec:\n", 1)
	wantStatus(t, ask(t, http.MethodPost, clusterPath, "", toJSON(t, early)), http.StatusCreated)
	const path = clusterPath + "/good"
	t.Cleanup(func() { remove(t, path) })
	before := storedEntry(t, path)
	if diff := gocmp.Diff(v1alpha1.SidecarStatus{}, before.Status); diff != "" {
		t.Errorf("who writes an entry writes its status (-want +got)\n%s", diff)
	}

	status := v1alpha1.SidecarStatus{
		ObservedGeneration: before.Generation, Revision: "0123456789ab", PodSecurityLevel: "baseline", Pods: v1alpha1.PodCounts{Current: 5, Changed: 1},
		Conditions: []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonProved, LastTransitionTime: before.CreationTimestamp}},
	}
	patch, err := json.Marshal(map[string]any{"status": status, "spec": map[string]any{"flushSeconds": 6}})
	if err != nil {
		t.Fatal(err)
	}
	const mergePatch = "application/merge-patch+json"
	wantStatus(t, ask(t, http.MethodPatch, path+"/status?fieldValidation=Strict", mergePatch, patch), http.StatusOK)
	after := storedEntry(t, path)
	if diff := gocmp.Diff(status, after.Status); diff != "" {
		t.Errorf("status (-written +read)\n%s", diff)
	}
	if after.Generation != before.Generation || after.Spec.FlushSeconds != 5 {
		t.Errorf("the status changes the spec: generation %d, flushSeconds %d", after.Generation, after.Spec.FlushSeconds)
	}
	wrong := []byte(`{"status":{"conditions":[{"type":"Ready","status":"Maybe","reason":"Proved","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}`)
	wantStatus(t, ask(t, http.MethodPatch, path+"/status", mergePatch, wrong), http.StatusUnprocessableEntity)

	a := askFor(t, http.MethodGet, path, "", "application/json;as=Table;v=v1;g=meta.k8s.io", nil)
	wantStatus(t, a, http.StatusOK)
	var table metav1.Table
	if err := json.Unmarshal(a.Body, &table); err != nil || len(table.Rows) != 1 {
		t.Fatal(err, string(a.Body))
	}
	got := map[string]any{}
	var order, wide []string
	for i, c := range table.ColumnDefinitions {
		order, got[c.Name] = append(order, c.Name), table.Rows[0].Cells[i]
		if c.Priority > 0 {
			wide = append(wide, c.Name)
		}
	}
	if age, _ := got["Age"].(string); age == "" || age == "<unknown>" {
		t.Errorf("the age is %q", age)
	}
	delete(got, "Age")
	want := map[string]any{"Name": "good", "Ready": "True", "Reason": "Proved", "Level": "baseline", "Revision": "0123456789ab",
		"Current": 5.0, "Changed": 1.0, "Outdated": 0.0, "Description": "An entry without a mistake."}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("row (-want +got)\n%s", diff)
	}
	if diff := gocmp.Diff([]string{"Name", "Ready", "Reason", "Level", "Revision", "Current", "Changed", "Outdated", "Age", "Description"}, order); diff != "" {
		t.Errorf("columns (-want +got)\n%s", diff)
	}
	if diff := gocmp.Diff([]string{"Description"}, wide); diff != "" {
		t.Errorf("columns of -o wide (-want +got)\n%s", diff)
	}
}

func storedEntry(t *testing.T, path string) *v1alpha1.ClusterSidecar {
	t.Helper()
	a := ask(t, http.MethodGet, path, "", nil)
	wantStatus(t, a, http.StatusOK)
	entry := new(v1alpha1.ClusterSidecar)
	if err := json.Unmarshal(a.Body, entry); err != nil {
		t.Fatal(err)
	}
	return entry
}

// TestEntriesFromGoTypes writes what a program makes of the types in api/v1alpha1.
func TestEntriesFromGoTypes(t *testing.T) {
	useDefinitions(t)
	for _, want := range sidecars.Builtin().All() {
		entry := v1alpha1.Sidecar{Spec: *want.Spec}
		path, kind := namespacedPath, v1alpha1.KindSidecar
		entry.Name, entry.Namespace = want.Name, nsEntries
		if want.Spec.Node != nil { // which a Sidecar may not have; the other kind has the same fields
			path, kind, entry.Namespace = clusterPath, v1alpha1.KindClusterSidecar, ""
		}
		entry.APIVersion, entry.Kind = v1alpha1.GroupVersion, kind
		object, err := json.Marshal(&entry)
		if err != nil {
			t.Fatal(err)
		}
		a := ask(t, http.MethodPost, path+dryRun, "", object)
		wantStatus(t, a, http.StatusCreated)
		a.Status = http.StatusOK
		wantEntry(t, want, kind, a)
	}
}

// parse has the core read an entry.
func parse(t *testing.T, object []byte) (e *sidecars.Entry, errs field.ErrorList) {
	t.Helper()
	defer func() {
		if why := recover(); why != nil {
			t.Errorf("the core panics at %s: %v", object, why)
		}
	}()
	return sidecars.Parse(object)
}
