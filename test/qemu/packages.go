package qemu

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// kernelPackage depends on the newest kernel for clouds; its name has the version in it.
const kernelPackage = "linux-image-cloud-amd64"

// Packages unpacks the emulator, what it needs that the machine lacks, a kernel and busybox below a directory that is named
// after their versions. It returns that directory; the packages are fetched once. cache is where such directories are kept.
func Packages(ctx context.Context, cache string, log io.Writer) (dir string, err error) {
	names, err := wanted(ctx)
	if err != nil {
		return "", fmt.Errorf("an emulator is needed, from Debian's packages: %w", err)
	}
	sum := sha256.Sum256([]byte(strings.Join(names, "\n")))
	dir = filepath.Join(cache, hex.EncodeToString(sum[:])[:12])
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(cache, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	fmt.Fprintf(log, "qemu: fetching %d packages of Debian into %s\n", len(names), dir)
	making, err := os.MkdirTemp(cache, "making-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(making)
	if err := unpack(ctx, making, names); err != nil {
		return "", err
	}
	return dir, os.Rename(making, dir)
}

// wanted lists packages as NAME=VERSION.
func wanted(ctx context.Context) ([]string, error) {
	for _, program := range []string{"apt-get", "apt-cache", "dpkg-deb"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, err
		}
	}
	kernel, err := output(ctx, "", "apt-cache", "depends", kernelPackage)
	if err != nil {
		return nil, err
	}
	var names []string
	for line := range strings.Lines(kernel) {
		if _, name, ok := strings.Cut(line, "Depends: "); ok && strings.HasPrefix(name, "linux-image-") {
			names = append(names, strings.TrimSpace(name))
		}
	}
	if len(names) != 1 {
		return nil, fmt.Errorf("apt-cache depends %s names %q", kernelPackage, names)
	}
	names = append(names, "busybox-static")
	for i, name := range names {
		policy, err := output(ctx, "", "apt-cache", "policy", name)
		if err != nil {
			return nil, err
		}
		_, rest, _ := strings.Cut(policy, "Candidate: ")
		version, _, _ := strings.Cut(rest, "\n")
		if version == "" || version == "(none)" {
			return nil, fmt.Errorf("apt knows no version of %s", name)
		}
		names[i] += "=" + version
	}
	more, err := lacking(ctx)
	names = append(names, more...)
	slices.Sort(names)
	return names, err
}

// lacking lists what an installation of the emulator would add to this machine.
func lacking(ctx context.Context) ([]string, error) {
	plan, err := output(ctx, "", "apt-get", "--simulate", "--no-install-recommends", "install", "qemu-system-x86")
	if err != nil {
		return nil, err
	}
	var names []string
	for line := range strings.Lines(plan) {
		f := strings.Fields(line)
		if len(f) < 3 || f[0] != "Inst" {
			continue
		}
		// Inst NAME (VERSION …, or Inst NAME [VERSION NOW] (VERSION …
		for _, word := range f[2:] {
			if version, ok := strings.CutPrefix(word, "("); ok {
				names = append(names, f[1]+"="+version)
				break
			}
		}
	}
	return names, nil
}

// unpack fetches packages and puts their files below dir/root.
func unpack(ctx context.Context, dir string, names []string) error {
	if _, err := output(ctx, dir, "apt-get", append([]string{"--quiet", "download"}, names...)...); err != nil {
		return err
	}
	debs, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil {
		return err
	}
	if len(debs) != len(names) {
		return fmt.Errorf("%d packages were fetched of %d", len(debs), len(names))
	}
	for _, deb := range debs {
		if _, err := output(ctx, dir, "dpkg-deb", "--extract", deb, "root"); err != nil {
			return err
		}
		if err := os.Remove(deb); err != nil {
			return err
		}
	}
	return nil
}

// output runs a program and gives what it says; where it fails, the error has all of it.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			out = append(out, exit.Stderr...)
		}
		return "", fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args[:min(len(cmd.Args), 6)], " "), err, out)
	}
	return string(out), nil
}

// lock waits for the advisory lock of a file.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return func() { _ = f.Close() }, nil
}
