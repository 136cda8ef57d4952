package images

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// key names what an image is made of: the recipe's inputs, this package and the Go version. It leaves out which versions
// Debian has at the moment; removing the cache takes new ones.
func (b *builder) key(r recipe) (string, error) {
	sum := sha256.New()
	fmt.Fprintln(sum, runtime.Version(), runtime.GOARCH, r.name, r.refs)
	own, err := filepath.Glob(filepath.Join(b.root, "test", "images", "*.go"))
	if err != nil {
		return "", err
	}
	inputs := []string{"test/images/go.sum", "test/images/files"}
	for _, name := range own {
		if !strings.HasSuffix(name, "_test.go") {
			inputs = append(inputs, "test/images/"+filepath.Base(name))
		}
	}
	for _, input := range append(inputs, r.inputs...) {
		if err := hashTree(sum, b.root, input); err != nil {
			return "", err
		}
	}
	if r.context {
		if err := hashContext(sum, b.root); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil))[:16], nil
}

// hashTree adds a file, or a folder with all it holds but tests.
func hashTree(sum hash.Hash, root, name string) error {
	return fs.WalkDir(os.DirFS(root), name, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(path, "_test.go") {
			return err
		}
		return hashFile(sum, root, path)
	})
}

func hashFile(sum hash.Hash, root, name string) error {
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		return err
	}
	fmt.Fprintln(sum, name, len(b))
	_, err = sum.Write(b)
	return err
}
