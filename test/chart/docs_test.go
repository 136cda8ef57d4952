package chart

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocumentedValuesExist looks up every value that the pages about the chart name, and every file that they link to.
func TestDocumentedValuesExist(t *testing.T) {
	var schema map[string]any
	read(t, "values.schema.json", &schema)
	top := schema["properties"].(map[string]any)
	named, linked := 0, 0
	for _, page := range []string{"../../docs/install.md", chartDir + "/README.md", chartDir + "/runbooks.md", chartDir + "/templates/NOTES.txt"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("[`=]([a-zA-Z]+(?:\\.[a-zA-Z]+)+)").FindAllStringSubmatch(string(text), -1) {
			words := strings.Split(m[1], ".")
			if top[words[0]] == nil {
				continue // a file, an API group
			}
			named++
			at := schema
			for _, word := range words {
				properties, _ := at["properties"].(map[string]any)
				next, ok := properties[word].(map[string]any)
				if !ok && at["additionalProperties"] != true {
					t.Errorf("%s: there is no value %s", page, m[1])
					break
				}
				at = next
			}
		}
		for _, m := range regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`).FindAllStringSubmatch(string(text), -1) {
			linked++
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
	if named < 100 || linked < 6 {
		t.Errorf("%d values and %d links were looked up", named, linked)
	}
}
