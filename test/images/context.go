package images

import (
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// walkContext calls do with every file that a build from the checkout sends to the builder: all but what .dockerignore
// names. Names are relative to root.
func walkContext(root string, do func(name string, entry fs.DirEntry) error) error {
	ignored, err := ignored(root)
	if err != nil {
		return err
	}
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		skip, err := ignored.MatchesOrParentMatches(name)
		switch {
		case err != nil:
			return err
		case skip && entry.IsDir() && !ignored.Exclusions():
			return fs.SkipDir
		case skip || entry.IsDir():
			return nil
		}
		return do(name, entry)
	})
}

func ignored(root string) (*patternmatcher.PatternMatcher, error) {
	f, err := os.Open(filepath.Join(root, ".dockerignore"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	patterns, err := ignorefile.ReadAll(f)
	if err != nil {
		return nil, err
	}
	return patternmatcher.New(patterns)
}

// hashContext adds the Dockerfile and all that it builds from.
func hashContext(sum hash.Hash, root string) error {
	if err := hashFile(sum, root, "Dockerfile"); err != nil {
		return err
	}
	return walkContext(root, func(name string, _ fs.DirEntry) error { return hashFile(sum, root, name) })
}

// copyContext copies the same to a folder, which others do not change while it is built from.
func copyContext(root, to string) error {
	do := func(name string) error {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o755); err != nil {
			return err
		}
		return copyFile(filepath.Join(root, name), filepath.Join(to, name))
	}
	for _, name := range []string{"Dockerfile", ".dockerignore"} {
		if err := do(name); err != nil {
			return err
		}
	}
	return walkContext(root, func(name string, _ fs.DirEntry) error { return do(name) })
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if closed := out.Close(); err == nil {
		err = closed
	}
	return err
}
