package chart

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSchemasAreMet holds every object of every variant against the schemas that the API server publishes, definitions that
// others make among them, with kubeconform. Of a field that a schema does not have, and of a key that is there twice, it is told.
func TestSchemasAreMet(t *testing.T) {
	useChart(t)
	dir, kinds := t.TempDir(), map[string]bool{}
	for _, args := range variants(t) {
		for _, o := range objects(t, render(t, args...)) {
			group, version, found := strings.Cut(o.APIVersion, "/")
			if !found {
				group, version = "", o.APIVersion
			}
			kinds[schemaFile(group, version, o.Kind)] = true
		}
	}
	if n := writeSchemas(t, dir, kinds); n != len(kinds) || n < 20 {
		t.Errorf("the chart has %d kinds, the API server schemas for %d", len(kinds), n)
	}
	wrong := strings.ReplaceAll(render(t), "replicas: 2", "replica: 2")
	if got := kubeconform(t, dir, wrong); got.Invalid != 1 {
		t.Errorf("a field that is no field: %+v", got)
	}
	for name, args := range variants(t) {
		manifest := render(t, args...)
		got := kubeconform(t, dir, manifest)
		if want := (conformity{Valid: len(objects(t, manifest))}); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}

// conformity is what kubeconform counts.
type conformity struct{ Valid, Invalid, Errors, Skipped int }

func kubeconform(t *testing.T, schemas, manifest string) conformity {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), tool(t, "kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform"),
		"-strict", "-summary", "-output=json", "-schema-location="+schemas+"/{{ .Group }}_{{ .ResourceAPIVersion }}_{{ .ResourceKind }}.json")
	cmd.Stdin = strings.NewReader(manifest)
	out, errs, err := output(cmd)
	var result struct {
		Resources []struct{ Kind, Name, Msg string }
		Summary   conformity
	}
	if jsonErr := json.Unmarshal([]byte(out), &result); jsonErr != nil {
		t.Fatalf("%v %v\n%s%s", err, jsonErr, out, errs)
	}
	for _, r := range result.Resources {
		t.Logf("%s %s: %s", r.Kind, r.Name, r.Msg)
	}
	return result.Summary
}

// schemaFile names a file as kubeconform looks for it: the core's group is its version.
func schemaFile(group, version, kind string) string {
	if group == "" {
		group = version
	}
	return group + "_" + version + "_" + strings.ToLower(kind) + ".json"
}

// writeSchemas writes a JSON schema for each of the kinds wanted, by the names of their files, from the API server's OpenAPI.
func writeSchemas(t *testing.T, dir string, wanted map[string]bool) (n int) {
	t.Helper()
	var index struct {
		Paths map[string]struct{ ServerRelativeURL string }
	}
	get(t, "/openapi/v3", &index)
	for path, at := range index.Paths {
		if path != "api/v1" && strings.Count(path, "/") != 2 { // no group and version
			continue
		}
		var doc struct {
			Components struct{ Schemas map[string]map[string]any }
		}
		get(t, at.ServerRelativeURL, &doc)
		definitions := strictly(doc.Components.Schemas)
		for name, schema := range doc.Components.Schemas {
			kinds, _ := schema["x-kubernetes-group-version-kind"].([]any)
			if len(kinds) != 1 { // those of many groups, such as DeleteOptions, are no objects
				continue
			}
			kind := kinds[0].(map[string]any)
			file := schemaFile(kind["group"].(string), kind["version"].(string), kind["kind"].(string))
			if !wanted[file] {
				continue
			}
			text, err := json.Marshal(map[string]any{"$ref": "#/definitions/" + name, "definitions": definitions})
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, file), text, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
	}
	return n
}

func get(t *testing.T, path string, into any) {
	t.Helper()
	a := do(t, http.MethodGet, path, nil)
	if a.Status != http.StatusOK {
		t.Fatalf("%s: %d %s", path, a.Status, a.Message())
	}
	if err := json.Unmarshal(a.Body, into); err != nil {
		t.Fatal(err)
	}
}

// strictly makes JSON schemas of OpenAPI's: references lead to definitions, what may be null may be, and an object has no
// properties but its own.
func strictly(schemas map[string]map[string]any) map[string]any {
	out := map[string]any{}
	for name, schema := range schemas {
		out[name] = strictSchema(schema)
	}
	return out
}

func strictSchema(schema map[string]any) map[string]any {
	out := maps.Clone(schema)
	for key, value := range schema {
		switch v := value.(type) {
		case string:
			if key == "$ref" {
				out[key] = strings.Replace(v, "#/components/schemas/", "#/definitions/", 1)
			}
		case map[string]any:
			switch key {
			case "properties":
				properties := map[string]any{}
				for name, p := range v {
					properties[name] = strictSchema(p.(map[string]any))
				}
				out[key] = properties
			case "items", "additionalProperties", "not":
				out[key] = strictSchema(v)
			}
		case []any:
			if key == "allOf" || key == "anyOf" || key == "oneOf" {
				var all []any
				for _, s := range v {
					all = append(all, strictSchema(s.(map[string]any)))
				}
				out[key] = all
			}
		}
	}
	_, has := out["properties"]
	_, others := out["additionalProperties"]
	if has && !others && out["x-kubernetes-preserve-unknown-fields"] != true && out["type"] == "object" {
		out["additionalProperties"] = false
	}
	if of, ok := out["type"].(string); ok && out["nullable"] == true {
		out["type"] = []any{of, "null"}
	}
	return out
}
