package golden

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing/fstest"
)

// Catalog gives the catalog of all cases, as a directory of files: the golden entries, those that single cases bring, and
// the embedded ones. It is the same for every case, as one webhook answers for all.
func Catalog() (fs.FS, error) {
	out := fstest.MapFS{}
	for _, dir := range []string{filepath.Join(Dir(), "catalog"), filepath.Join(Dir(), "..", "..", "sidecars", "catalog")} {
		files, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			text, err := os.ReadFile(filepath.Join(dir, f.Name()))
			if err != nil {
				return nil, err
			}
			if filepath.Ext(f.Name()) != ".yaml" || out[f.Name()] != nil {
				return nil, fmt.Errorf("%s is no catalog entry, or there are two of this name", filepath.Join(dir, f.Name()))
			}
			out[f.Name()] = &fstest.MapFile{Data: text, Mode: 0o644}
		}
	}
	cases, err := Cases()
	if err != nil {
		return nil, err
	}
	for _, c := range cases {
		if text := c.file(fileEntries); text != nil {
			out["case-"+c.Name+".yaml"] = &fstest.MapFile{Data: text, Mode: 0o644}
		}
	}
	return out, nil
}

// WriteCatalog writes the files of Catalog into a directory.
func WriteCatalog(dir string) error {
	files, err := Catalog()
	if err != nil {
		return err
	}
	return os.CopyFS(dir, files)
}
