package webhook

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/google/go-cmp/cmp"
)

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// mount lays a directory out as kubelet mounts a ConfigMap: a version, a link ..data to it, a link for every file. Done
// again, it swaps ..data in one step and removes the old version.
func mount(t *testing.T, dir, version string, files map[string]string) {
	t.Helper()
	old, _ := os.Readlink(filepath.Join(dir, "..data"))
	for name, content := range files {
		write(t, filepath.Join(dir, ".."+version), name, content)
		if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			if err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Symlink(".."+version, filepath.Join(dir, "..data_tmp")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	if old != "" {
		if err := os.RemoveAll(filepath.Join(dir, old)); err != nil {
			t.Fatal(err)
		}
	}
}

func catalogDir(t *testing.T, dir string) (*CatalogSource, *Metrics, *logBuffer) {
	t.Helper()
	log, lines := newLog(slog.LevelInfo)
	m := NewMetrics()
	s, err := CatalogDir(dir, log, m)
	if err != nil {
		t.Fatal(err)
	}
	return s, m, lines
}

// image gives the image of the entry alpha in force.
func image(s *CatalogSource) string {
	return strings.Trim(string(s.Current().Entry("", "alpha").Spec.Containers[0].Body["image"]), `"`)
}

func TestABadCatalogLeavesTheLastGoodOneInForce(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "alpha.yaml", entryYAML("alpha", "registry.example/alpha:1"))
	s, m, lines := catalogDir(t, dir)
	first := s.Current().Revision()

	write(t, dir, "alpha.yaml", strings.Replace(entryYAML("alpha", "registry.example/alpha:2"), "description:", "descripton:", 1))
	s.reload()
	s.reload() // the same mistake is told once
	if got := image(s); got != "registry.example/alpha:1" || s.Current().Revision() != first {
		t.Errorf("the bad catalog is in force: %s", got)
	}
	if err := s.Failure(); err == nil || !strings.Contains(err.Error(), "alpha.yaml") {
		t.Errorf("failure: %v", err)
	}
	if got := value(t, m.catalogLast); got != 0 {
		t.Errorf("pillion_catalog_last_reload_success is %v", got)
	}

	write(t, dir, "alpha.yaml", entryYAML("alpha", "registry.example/alpha:3"))
	s.reload()
	if got := image(s); got != "registry.example/alpha:3" || s.Failure() != nil {
		t.Errorf("%s, failure %v", got, s.Failure())
	}
	want := []string{
		"pillion_catalog_entries{layer=\"directory\"} 1\n",
		"pillion_catalog_entry_errors 0\n",
		"pillion_catalog_info{revision=\"" + s.Current().Revision() + "\"} 1\n",
		"pillion_catalog_last_reload_success 1\n",
		"pillion_catalog_reloads_total{result=\"failure\"} 1\n",
		"pillion_catalog_reloads_total{result=\"success\"} 2\n",
	}
	if diff := cmp.Diff(want, exposed(t, m, "pillion_catalog_")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := strings.Count(lines.String(), "catalog not reloaded"); got != 1 {
		t.Errorf("told %d times", got)
	}
}

func TestACatalogThatGoesAndComesBackIsTheSame(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "catalog")
	write(t, dir, "alpha.yaml", entryYAML("alpha", "registry.example/alpha:1"))
	s, m, _ := catalogDir(t, dir)
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	s.reload()
	s.reload()
	if s.Failure() == nil || image(s) != "registry.example/alpha:1" {
		t.Errorf("failure %v, image %s", s.Failure(), image(s))
	}
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	s.reload()
	if s.Failure() != nil || value(t, m.catalogLast) != 1 {
		t.Errorf("failure %v", s.Failure())
	}
}

func TestACatalogDirectoryThatCannotBeLoadedListsEveryMistake(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "alpha.yaml", strings.Replace(entryYAML("alpha", "x:1"), "description:", "descripton:", 1))
	write(t, dir, "beta.yaml", strings.Replace(entryYAML("beta", "x:1"), "kind: ClusterSidecar", "kind: ClusterSidecat", 1))
	log, _ := newLog(slog.LevelInfo)
	_, err := CatalogDir(dir, log, NewMetrics())
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{dir, "alpha.yaml", "descripton", "beta.yaml", "ClusterSidecat"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in: %v", want, err)
		}
	}
	if _, err := CatalogDir(filepath.Join(dir, "none"), log, NewMetrics()); err == nil {
		t.Error("a directory that is not there is no error")
	}
}

func TestACatalogIsBounded(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "alpha.yaml", entryYAML("alpha", "registry.example/alpha:1"))
	s, _, _ := catalogDir(t, dir)
	write(t, dir, "large.yaml", strings.Repeat("# nothing\n", maxCatalog/10+1))
	s.reload()
	if err := s.Failure(); err == nil || err.Error() != "the catalog's files are larger than 12 MiB together" {
		t.Errorf("failure: %v", err)
	}
}

func TestAMountedConfigMapIsReadAtOneVersion(t *testing.T) {
	dir := t.TempDir()
	mount(t, dir, "v1", map[string]string{"alpha.yaml": entryYAML("alpha", "registry.example/alpha:1")})
	s, _, _ := catalogDir(t, dir)
	mount(t, dir, "v2", map[string]string{"alpha.yaml": entryYAML("alpha", "registry.example/alpha:2"), "beta.yaml": entryYAML("beta", "b:1")})
	s.reload()
	if diff := cmp.Diff([]string{"alpha", "beta"}, s.Current().Names("")); diff != "" || image(s) != "registry.example/alpha:2" {
		t.Errorf("image %s, names (-want +got):\n%s", image(s), diff)
	}
}

func TestWatchSettlesBeforeItReadsAndPollsBesides(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "alpha.yaml", entryYAML("alpha", "registry.example/alpha:1"))
	s, m, _ := catalogDir(t, dir)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		events, attached := make(chan fsnotify.Event), 0
		go s.watch(ctx, watchdog{events: events, attach: func() { attached++ }})
		synctest.Wait()
		reloads := func() float64 { return value(t, m.catalogReloads.WithLabelValues(reloadSuccess)) }

		write(t, dir, "alpha.yaml", entryYAML("alpha", "registry.example/alpha:2"))
		for range 5 {
			time.Sleep(settle - time.Millisecond)
			events <- fsnotify.Event{}
		}
		time.Sleep(settle - time.Millisecond)
		synctest.Wait()
		if got := reloads(); got != 1 {
			t.Errorf("read %v times while it changes, want 1", got)
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if got := reloads(); got != 2 {
			t.Errorf("read %v times once it is quiet, want 2", got)
		}

		write(t, dir, "alpha.yaml", entryYAML("alpha", "registry.example/alpha:3"))
		time.Sleep(pollEvery)
		synctest.Wait()
		if got := reloads(); got != 3 || attached != 2 {
			t.Errorf("read %v times, attached %d times after a poll, want 3 and 2", got, attached)
		}
		cancel()
	})
}

func TestWatchSeesFilesAndLinksChange(t *testing.T) {
	for _, c := range []struct {
		name  string
		write func(t *testing.T, dir, version, content string)
	}{
		{"a file is written", func(t *testing.T, dir, _, content string) { write(t, dir, "alpha.yaml", content) }},
		{"a file is replaced", func(t *testing.T, dir, _, content string) {
			write(t, dir, ".new", content)
			if err := os.Rename(filepath.Join(dir, ".new"), filepath.Join(dir, "alpha.yaml")); err != nil {
				t.Fatal(err)
			}
		}},
		{"a ConfigMap is updated", func(t *testing.T, dir, version, content string) {
			mount(t, dir, version, map[string]string{"alpha.yaml": content})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			c.write(t, dir, "v1", entryYAML("alpha", "registry.example/alpha:1"))
			s, _, lines := catalogDir(t, dir)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan bool)
			go func() { s.Watch(ctx); close(ended) }()
			// The first change may be seen by the reading with which the watch begins; the second one by an event only.
			for _, version := range []string{"2", "3"} {
				begin := time.Now()
				c.write(t, dir, "v"+version, entryYAML("alpha", "registry.example/alpha:"+version))
				lines.await(t, "catalog reloaded")
				if got, took := image(s), time.Since(begin); got != "registry.example/alpha:"+version || took > pollEvery/2 {
					t.Errorf("in force after %s: %s", took, got)
				}
			}
			cancel()
			<-ended
		})
	}
}

func TestTheEmbeddedCatalogNeedsNoWatch(t *testing.T) {
	s := EmbeddedCatalog(NewMetrics())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.Watch(ctx)
	if s.Current() == nil || s.Failure() != nil {
		t.Errorf("catalog %v, failure %v", s.Current(), s.Failure())
	}
}
