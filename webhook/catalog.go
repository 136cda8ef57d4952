package webhook

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/pillion-dev/pillion/sidecars"
)

// CatalogSource holds the catalog in force and, where it comes from a directory, keeps it up to date.
type CatalogSource struct {
	// dir is empty where the catalog is the embedded one, which never changes.
	dir     string
	current atomic.Pointer[sidecars.Catalog]
	// failure is why the newest content of dir is not in force; nil where it is.
	failure atomic.Pointer[error]
	// read is the digest of what was last read of dir, in force or not. Only Watch's goroutine uses it.
	read    [sha256.Size]byte
	log     *slog.Logger
	metrics *Metrics
}

// EmbeddedCatalog is the source of the catalog that the binary carries.
func EmbeddedCatalog(m *Metrics) *CatalogSource {
	s := &CatalogSource{metrics: m}
	c := sidecars.Builtin()
	s.current.Store(c)
	m.catalogLoaded(c, nil)
	return s
}

// CatalogDir is the source of the catalog in a directory: its .yaml files, or those below its link ..data, as Kubernetes
// mounts a ConfigMap. The error of a catalog that cannot be loaded lists every mistake in it, one a line. Call Watch to
// have changes taken up.
func CatalogDir(dir string, log *slog.Logger, m *Metrics) (*CatalogSource, error) {
	s := &CatalogSource{dir: dir, log: log, metrics: m}
	digest, c, err := s.load()
	if err != nil {
		return nil, fmt.Errorf("catalog directory %q:\n%w", dir, err)
	}
	s.read = digest
	s.current.Store(c)
	m.catalogLoaded(c, nil)
	return s, nil
}

// Current gives the catalog in force. It never blocks.
func (s *CatalogSource) Current() *sidecars.Catalog { return s.current.Load() }

// Failure says why the newest content of the directory is not in force, or nil where it is.
func (s *CatalogSource) Failure() error {
	if err := s.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// load reads the directory. The digest is taken first: what changes in between is seen the next time. It is zero where
// the directory cannot be read.
func (s *CatalogSource) load() (digest [sha256.Size]byte, c *sidecars.Catalog, err error) {
	if digest, err = s.digest(); err != nil || digest == s.read {
		return digest, nil, err
	}
	c, err = sidecars.Load(os.DirFS(s.root()))
	return digest, c, err
}

// reload takes the directory's content up, where it changed since it was last read. A catalog with a mistake is not taken
// up: the last good one stays in force.
func (s *CatalogSource) reload() {
	digest, c, err := s.load()
	if digest == s.read && (err == nil || sameText(err, s.Failure())) {
		return
	}
	s.read = digest
	was := s.Current()
	if err != nil {
		s.failure.Store(&err)
		s.metrics.catalogLoaded(was, err)
		s.log.Error("catalog not reloaded", "directory", s.dir, "catalog", was.Revision(), "error", cut(err.Error(), maxMessage))
		return
	}
	s.current.Store(c)
	s.failure.Store(nil)
	s.metrics.catalogLoaded(c, nil)
	s.log.Info("catalog reloaded", "directory", s.dir, "catalog", c.Revision(), "was", was.Revision())
}

func sameText(a, b error) bool { return a != nil && b != nil && a.Error() == b.Error() }

// root is the directory that holds the files: where the link ..data of a mounted ConfigMap points to, so that all of them
// are of one version, or else dir itself.
func (s *CatalogSource) root() string {
	if real, err := filepath.EvalSymlinks(filepath.Join(s.dir, "..data")); err == nil {
		return real
	}
	return s.dir
}

// maxCatalog bounds the files of a catalog together, in bytes: as much as Kubernetes lets a dozen ConfigMaps hold.
const maxCatalog = 12 << 20

// digest hashes names and contents of the files that make the catalog.
func (s *CatalogSource) digest() (sum [sha256.Size]byte, err error) {
	root := os.DirFS(s.root())
	files, err := fs.ReadDir(root, ".")
	if err != nil {
		return sum, err
	}
	h := sha256.New()
	size := 0
	for _, f := range files {
		if f.IsDir() || strings.HasPrefix(f.Name(), ".") || !strings.HasSuffix(f.Name(), ".yaml") && !strings.HasSuffix(f.Name(), ".yml") {
			continue
		}
		content, err := fs.ReadFile(root, f.Name())
		if err != nil {
			return sum, err
		}
		if size += len(content); size > maxCatalog {
			return sum, errors.New("the catalog's files are larger than 12 MiB together")
		}
		fmt.Fprintf(h, "%q %d\n", f.Name(), len(content))
		h.Write(content)
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}
