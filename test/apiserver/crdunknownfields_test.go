package apiserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

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
