package apiserver

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pillion-dev/pillion/test/serving"
)

const dryRun = "?dryRun=All&fieldValidation=Strict"

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

// tableOf reads what kubectl get shows of an object.
func tableOf(t *testing.T, path string) *metav1.Table {
	t.Helper()
	a := askFor(t, http.MethodGet, path, "", "application/json;as=Table;v=v1;g=meta.k8s.io", nil)
	wantStatus(t, a, http.StatusOK)
	table := new(metav1.Table)
	if err := json.Unmarshal(a.Body, table); err != nil || len(table.Rows) != 1 {
		t.Fatalf("%v %s", err, a.Body)
	}
	return table
}

// tells wants 200 and a text from an URL.
func tells(url, want string) error {
	res, err := http.Get(url)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(text), want) {
		lines := strings.Split(string(text), "\n")
		return fmt.Errorf("%s: %s, %w, no %q in:\n%s", url, res.Status, err, want, strings.Join(slices.DeleteFunc(lines, func(l string) bool {
			return strings.HasPrefix(l, "#") || strings.HasPrefix(l, "go_") || strings.HasPrefix(l, "process_")
		}), "\n"))
	}
	return nil
}
