package images

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// debian fetches packages with apt and unpacks them, and changes nothing of the machine: apt's lists and the packages are
// below dir, and to apt nothing is installed. It needs no root.
type debian struct {
	dir string
	log io.Writer
}

// deb is one package file that apt named.
type deb struct {
	name, version string
	file          string // as apt names it
}

// unpack puts the files of packages, and of the libraries that they depend on, below root. It returns the version of the
// first package.
func (d *debian) unpack(ctx context.Context, root string, packages []string) (version string, err error) {
	debs, err := d.fetch(ctx, packages)
	if err != nil {
		return "", err
	}
	for _, p := range debs {
		if p.name == packages[0] {
			version = p.version
		}
		if _, err := run(ctx, "", "dpkg-deb", "--extract", filepath.Join(d.dir, "debs", p.file), root); err != nil {
			return "", err
		}
	}
	return version, nil
}

// fetch makes sure that the packages are in the cache. Lists that name a package which is no longer served are out of
// date: then it takes new ones, once.
func (d *debian) fetch(ctx context.Context, packages []string) ([]deb, error) {
	lists := filepath.Join(d.dir, "state", "lists")
	_, err := os.Stat(filepath.Join(lists, "complete"))
	if fresh := err != nil; fresh {
		if err := d.update(ctx, lists); err != nil {
			return nil, err
		}
		return d.try(ctx, packages)
	}
	debs, err := d.try(ctx, packages)
	if err == nil || ctx.Err() != nil {
		return debs, err
	}
	fmt.Fprintf(d.log, "images: %v\nimages: taking new package lists\n", err)
	if err := d.update(ctx, lists); err != nil {
		return nil, err
	}
	return d.try(ctx, packages)
}

// update takes the lists of the machine's own sources.
func (d *debian) update(ctx context.Context, lists string) error {
	for _, dir := range []string{filepath.Join(lists, "partial"), filepath.Join(d.dir, "cache", "archives", "partial"), filepath.Join(d.dir, "debs")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(d.status(), nil, 0o644); err != nil {
		return err
	}
	fmt.Fprintln(d.log, "images: reading Debian's package lists")
	if _, err := d.apt(ctx, "", "-o", "APT::Update::Error-Mode=any", "update"); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(lists, "complete"), nil, 0o644)
}

func (d *debian) try(ctx context.Context, packages []string) ([]deb, error) {
	debs, err := d.resolve(ctx, packages)
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, p := range debs {
		if _, err := os.Stat(filepath.Join(d.dir, "debs", p.file)); err != nil {
			missing = append(missing, p.name+"="+p.version)
		}
	}
	if len(missing) == 0 {
		return debs, nil
	}
	fmt.Fprintf(d.log, "images: %s: downloading %d packages\n", packages[0], len(missing))
	return debs, d.download(ctx, missing)
}

// resolve asks apt what it would install on a machine with nothing, and keeps the packages themselves and libraries.
func (d *debian) resolve(ctx context.Context, packages []string) ([]deb, error) {
	args := append([]string{"--print-uris", "--yes", "--no-install-recommends", "install"}, packages...)
	out, err := d.apt(ctx, "", args...)
	if err != nil {
		return nil, err
	}
	var debs []deb
	for line := range strings.Lines(out) {
		// 'URI' FILE SIZE HASH, and other lines
		fields := strings.Fields(line)
		if len(fields) < 3 || !strings.HasPrefix(fields[0], "'") || !strings.HasSuffix(fields[1], ".deb") {
			continue
		}
		name, rest, _ := strings.Cut(fields[1], "_")
		version, _, _ := strings.Cut(rest, "_")
		if version, err = url.PathUnescape(version); err != nil {
			return nil, fmt.Errorf("package file %s: %w", fields[1], err)
		}
		if slices.Contains(packages, name) || strings.HasPrefix(name, "lib") || name == "zlib1g" {
			debs = append(debs, deb{name: name, version: version, file: fields[1]})
		}
	}
	return debs, nil
}

// download has apt fetch and verify packages; one that is in debs is whole.
func (d *debian) download(ctx context.Context, packages []string) error {
	partial, err := os.MkdirTemp(d.dir, "download-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(partial)
	if _, err := d.apt(ctx, partial, append([]string{"download"}, packages...)...); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(partial, "*.deb"))
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := os.Rename(file, filepath.Join(d.dir, "debs", filepath.Base(file))); err != nil {
			return err
		}
	}
	return nil
}

// status is the list of installed packages that apt is shown: an empty one.
func (d *debian) status() string { return filepath.Join(d.dir, "state", "status") }

func (d *debian) apt(ctx context.Context, dir string, args ...string) (string, error) {
	if _, err := exec.LookPath("apt-get"); err != nil {
		return "", fmt.Errorf("%w: images of other programs are made of Debian's packages", err)
	}
	return run(ctx, dir, "apt-get", append([]string{
		"-qq", "-o", "Dir::State=" + filepath.Join(d.dir, "state"), "-o", "Dir::State::status=" + d.status(),
		"-o", "Dir::Cache=" + filepath.Join(d.dir, "cache"), "-o", "APT::Sandbox::User=root", "-o", "Debug::NoLocking=1",
		// The machine's hooks clean its own cache.
		"-o", "APT::Update::Post-Invoke=", "-o", "APT::Update::Post-Invoke-Success=", "-o", "Acquire::Retries=3",
	}, args...)...)
}

// run returns what a program prints; its errors are in the error. dir may be empty.
func run(ctx context.Context, dir, name string, args ...string) (string, error) {
	return output(exec.CommandContext(ctx, name, args...), dir)
}

func output(cmd *exec.Cmd, dir string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", filepath.Base(cmd.Args[0]), err, lastLines(stderr.String()+stdout.String(), 30))
	}
	return stdout.String(), nil
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
