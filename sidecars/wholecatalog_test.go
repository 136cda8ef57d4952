package sidecars_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/pillion-dev/pillion/sidecars"
	"github.com/pillion-dev/pillion/test/golden"
)

// wholeCatalog holds the golden entries and the embedded ones.
var wholeCatalog = sync.OnceValues(func() (*sidecars.Catalog, error) {
	files, err := catalogFiles()
	if err != nil {
		return nil, err
	}
	return sidecars.Load(files)
})

func catalogFiles() (fstest.MapFS, error) {
	out := fstest.MapFS{}
	all, err := golden.Catalog()
	if err != nil {
		return nil, err
	}
	embedded, err := filepath.Glob("catalog/*.yaml")
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(all, "*")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		text, err := fs.ReadFile(all, name)
		if err != nil {
			return nil, err
		}
		out[name] = &fstest.MapFile{Data: text}
	}
	for _, name := range embedded {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		out[filepath.Base(name)] = &fstest.MapFile{Data: text}
	}
	return out, nil
}

func propertyCatalog(t *testing.T) *sidecars.Catalog {
	t.Helper()
	catalog, err := wholeCatalog()
	if err != nil {
		t.Fatal(err)
	}
	return catalog
}
