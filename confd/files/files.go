// Package files has the backends that need no network: YAML and JSON files, as a mounted ConfigMap holds them, and the
// environment. It also tells of changed files.
package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	yaml "go.yaml.in/yaml/v3"

	"github.com/pillion-dev/pillion/confd"
)

// Backend reads the YAML and JSON files of a folder. Keys are paths into the documents, as upstream's backend file makes
// them: {database: {hosts: [a, b]}} gives /database/hosts/0 and /database/hosts/1.
type Backend struct{ Directory string }

// Follow keeps keys up to date until the context ends, or reading fails; what was read before stays.
func (b *Backend) Follow(ctx context.Context, _ []string, keys *confd.Keys) error {
	changes, err := Changes(ctx, b.Directory)
	if err != nil {
		return err
	}
	for {
		pairs, err := b.read()
		if err != nil {
			return err
		}
		keys.Replace(pairs)
		select {
		case <-ctx.Done():
			return nil
		case <-changes:
		}
	}
}

// Selects compares as upstream's backend does: by text, so that /up selects /upstream too.
func (b *Backend) Selects(path, key string) bool { return strings.HasPrefix(key, path) }

// read walks all files; where two have a key, the one that comes later by name wins.
func (b *Backend) read() ([]confd.KVPair, error) {
	values := map[string]string{}
	found, err := Find(b.Directory, func(name string) bool {
		switch path.Ext(name) {
		case ".yaml", ".yml", ".json":
			return true
		}
		return false
	})
	if err != nil {
		return nil, err
	}
	for _, name := range found {
		text, err := os.ReadFile(filepath.Join(b.Directory, name))
		if err != nil {
			return nil, err
		}
		var doc any
		if err := yaml.Unmarshal(text, &doc); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(b.Directory, name), err)
		}
		flatten("/", doc, values)
	}
	pairs := make([]confd.KVPair, 0, len(values))
	for key, value := range values {
		pairs = append(pairs, confd.KVPair{Key: key, Value: value})
	}
	return pairs, nil
}

// flatten adds the scalars of a document, each under its path; nulls are left out.
func flatten(key string, node any, values map[string]string) {
	switch v := node.(type) {
	case map[string]any:
		for k, child := range v {
			flatten(path.Join(key, k), child, values)
		}
	case map[any]any:
		for k, child := range v {
			flatten(path.Join(key, fmt.Sprint(k)), child, values)
		}
	case []any:
		for i, child := range v {
			flatten(path.Join(key, strconv.Itoa(i)), child, values)
		}
	case float64:
		values[key] = strconv.FormatFloat(v, 'f', -1, 64)
	case nil:
	default:
		values[key] = fmt.Sprint(v)
	}
}

// Find lists the files below a folder that are wanted by name, sorted, relative to it. Names that begin with two dots are
// the kubelet's own in a mounted ConfigMap, and are not looked into.
func Find(folder string, wanted func(name string) bool) ([]string, error) {
	var found []string
	err := filepath.WalkDir(folder, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name != folder && strings.HasPrefix(d.Name(), ".."):
			if d.IsDir() {
				return fs.SkipDir
			}
		case !d.IsDir() && wanted(d.Name()):
			relative, err := filepath.Rel(folder, name)
			if err != nil {
				return err
			}
			found = append(found, relative)
		}
		return nil
	})
	var path *fs.PathError
	if errors.As(err, &path) && errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: there is no such folder", path.Path)
	}
	return found, err
}
