package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

var (
	namedTest    = regexp.MustCompile("`(Test[A-Za-z0-9_]+)`")
	declaredTest = regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9_]+)\(`)
)

// checkTests fails where a page names a test that does not exist.
func checkTests(page string) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	declared := map[string]bool{}
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range declaredTest.FindAllSubmatch(source, -1) {
			declared[string(m[1])] = true
		}
		return err
	})
	for _, m := range namedTest.FindAllSubmatch(text, -1) {
		if name := string(m[1]); err == nil && !declared[name] {
			err = fmt.Errorf("%s names %s, which does not exist", page, name)
		}
	}
	return err
}
