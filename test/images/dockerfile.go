package images

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// dockerfile builds the project's Dockerfile with buildah, which has storage of its own below dir and runs in a mount
// namespace of its own: nothing is left on the machine when dir is removed. The public Go image that the Dockerfile begins
// with is replaced by one of the same name, which has a shell and into which this machine's Go and its caches are mounted.
type dockerfile struct {
	dir     string
	context string // a copy of the checkout
	volumes []string
	proxy   string // GOPROXY
}

// errRoot is what everyone without root is told.
var errRoot = errors.New("the project's own images are built from its Dockerfile by buildah, which needs root here: run as root")

var (
	targetLine = regexp.MustCompile(`(?m)^FROM program AS (\S+)$`)
	baseLine   = regexp.MustCompile(`(?m)^FROM (?:--platform=\S+ )?(\S+/golang:)\$\{GO_VERSION\}(\S*) AS build$`)
	goVersion  = regexp.MustCompile(`(?m)^ARG GO_VERSION=(\S+)$`)
)

// targets lists the images that the Dockerfile makes, in its order.
func targets(root string) ([]string, error) {
	b, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, m := range targetLine.FindAllSubmatch(b, -1) {
		out = append(out, string(m[1]))
	}
	if len(out) == 0 {
		return nil, errors.New(`the Dockerfile has no target, which is a line "FROM program AS NAME"`)
	}
	return out, nil
}

// productRecipes makes an image of each target, called as the catalog calls our images, with the version that it names.
func productRecipes(root string, named []string) ([]recipe, error) {
	version, err := catalogVersion(named)
	if err != nil {
		return nil, err
	}
	all, err := targets(root)
	if err != nil {
		return nil, err
	}
	var out []recipe
	for _, target := range all {
		out = append(out, recipe{
			name: target, refs: []string{ours + target + ":" + version}, context: true,
			make: func(ctx context.Context, b *builder) (v1.Image, error) { return b.product(ctx, target, version) },
		})
	}
	return out, nil
}

// catalogVersion is the one that the catalog wants of our images: the same of all.
func catalogVersion(named []string) (string, error) {
	var versions []string
	for _, ref := range named {
		if _, version, ok := strings.Cut(path.Base(ref), ":"); ok && strings.HasPrefix(ref, ours) {
			versions = append(versions, version)
		}
	}
	slices.Sort(versions)
	return only(slices.Compact(versions), func(string) bool { return true })
}

// product builds one target; the first in a builder sets buildah up for all.
func (b *builder) product(ctx context.Context, target, version string) (v1.Image, error) {
	if b.dockerfile == nil {
		dir, err := b.scratch("dockerfile")
		if err != nil {
			return nil, err
		}
		if b.dockerfile, err = newDockerfile(ctx, b.root, dir, b.debian); err != nil {
			return nil, err
		}
	}
	return b.dockerfile.image(ctx, target, version)
}

// newDockerfile copies the checkout to below dir and makes the stand-in for the Go image.
func newDockerfile(ctx context.Context, root, dir string, packages *debian) (*dockerfile, error) {
	if os.Geteuid() != 0 {
		return nil, errRoot
	}
	if _, err := exec.LookPath("buildah"); err != nil {
		return nil, fmt.Errorf("%w: install Debian's package buildah", err)
	}
	d := &dockerfile{dir: dir, context: filepath.Join(dir, "context")}
	for _, sub := range []string{"context", "tmp", "base"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	if err := copyContext(root, d.context); err != nil {
		return nil, err
	}
	if err := d.configure(); err != nil {
		return nil, err
	}
	return d, d.makeBase(ctx, packages)
}

// configure gives buildah settings of its own in place of the machine's.
func (d *dockerfile) configure() error {
	const policy = `{"default": [{"type": "insecureAcceptAnything"}]}`
	if err := os.WriteFile(filepath.Join(d.dir, "policy.json"), []byte(policy), 0o644); err != nil {
		return err
	}
	storage := fmt.Sprintf("[storage]\ndriver = \"vfs\"\ngraphroot = %q\nrunroot = %q\n",
		filepath.Join(d.dir, "storage"), filepath.Join(d.dir, "run"))
	if err := os.WriteFile(filepath.Join(d.dir, "storage.conf"), []byte(storage), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(d.dir, "containers.conf"), nil, 0o644)
}

// makeBase makes the stand-in under the name that the Dockerfile has.
func (d *dockerfile) makeBase(ctx context.Context, packages *debian) error {
	wanted, name, err := d.base()
	if err != nil {
		return err
	}
	environment, err := run(ctx, d.context, "go", "env", "GOROOT", "GOMODCACHE", "GOCACHE", "GOPROXY", "GOVERSION")
	if err != nil {
		return err
	}
	env := strings.Split(strings.TrimSpace(environment), "\n")
	if have := env[4]; have != "go"+wanted && !strings.HasPrefix(have, "go"+wanted+".") {
		return fmt.Errorf("the Dockerfile wants Go %s, this machine has %s", wanted, have)
	}
	d.volumes = []string{env[0] + ":/usr/local/go:ro", env[1] + ":/go/pkg/mod", env[2] + ":/root/.cache/go-build"}
	d.proxy = env[3]

	root := filepath.Join(d.dir, "base")
	if _, err := packages.unpack(ctx, root, []string{"busybox-static"}); err != nil {
		return err
	}
	image, err := assemble(goBase(root), v1.Config{
		Env: []string{"PATH=/go/bin:/usr/local/go/bin:/bin", "GOPATH=/go", "GOTOOLCHAIN=local"}, WorkingDir: "/go",
	})
	if err != nil {
		return err
	}
	archive := filepath.Join(d.dir, "base.tar")
	if err := writeFile(archive, image, []string{name}); err != nil {
		return err
	}
	id, err := d.buildah(ctx, "pull", "--quiet", "oci-archive:"+archive)
	if err != nil {
		return err
	}
	_, err = d.buildah(ctx, "tag", strings.TrimSpace(id), name)
	return err
}

// base reads which Go the Dockerfile begins with, and what that image is called.
func (d *dockerfile) base() (version, name string, err error) {
	b, err := os.ReadFile(filepath.Join(d.context, "Dockerfile"))
	if err != nil {
		return "", "", err
	}
	v, base := goVersion.FindSubmatch(b), baseLine.FindSubmatch(b)
	if v == nil || base == nil {
		return "", "", errors.New("the Dockerfile does not begin with ARG GO_VERSION and the Go image of that version")
	}
	return string(v[1]), string(base[1]) + string(v[1]) + string(base[2]), nil
}

// goBase has what RUN needs besides Go: a shell, and the roots that this machine trusts.
func goBase(root string) []file {
	files := append(busybox(root), directory("/tmp", modeTmp, 0), directory("/root", 0o700, 0), directory("/go", 0o755, 0),
		text("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"))
	const roots = "/etc/ssl/certs/ca-certificates.crt"
	if _, err := os.Stat(roots); err == nil {
		files = append(files, file{path: roots, mode: 0o644, source: roots})
	}
	return files
}

// image builds one target. Its files lie below dir until the image is written.
func (d *dockerfile) image(ctx context.Context, target, version string) (v1.Image, error) {
	args := []string{
		"build", "--isolation", "chroot", "--pull-never", "--layers", "--timestamp", "0", "--quiet",
		"--platform", "linux/" + runtime.GOARCH, "--target", target,
		"--build-arg", "VERSION=" + version, "--build-arg", "GOPROXY=" + d.proxy, "--tag", "localhost/" + target,
	}
	for _, v := range d.volumes {
		args = append(args, "--volume", v)
	}
	if _, err := d.buildah(ctx, append(args, d.context)...); err != nil {
		return nil, err
	}
	at := filepath.Join(d.dir, "out-"+target)
	if _, err := d.buildah(ctx, "push", "--quiet", "localhost/"+target, "oci:"+at+":out"); err != nil {
		return nil, err
	}
	index, err := layout.ImageIndexFromPath(at)
	if err != nil {
		return nil, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	return index.Image(manifest.Manifests[0].Digest)
}

func (d *dockerfile) buildah(ctx context.Context, args ...string) (string, error) {
	global := []string{"--root", filepath.Join(d.dir, "storage"), "--runroot", filepath.Join(d.dir, "run"), "--storage-driver", "vfs"}
	if args[0] == "build" || args[0] == "pull" || args[0] == "push" {
		args = append([]string{args[0], "--signature-policy", filepath.Join(d.dir, "policy.json")}, args[1:]...)
	}
	cmd := nice(ctx, "buildah", append(global, args...)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+filepath.Join(d.dir, "tmp"), "CONTAINERS_CONF="+filepath.Join(d.dir, "containers.conf"),
		"CONTAINERS_STORAGE_CONF="+filepath.Join(d.dir, "storage.conf"))
	// Its own mounts; and its own group, so that ending it ends the compilers too.
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	return output(cmd, d.dir)
}
