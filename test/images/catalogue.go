package images

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

const modeTmp = fs.ModeSticky | 0o777

// ours is what the names of the project's own images begin with.
const ours = "ghcr.io/pillion-dev/pillion/"

// recipe is how one image is made.
type recipe struct {
	name string   // of the archive
	refs []string // what the image is called, as Pods name it
	// inputs are files and folders of the checkout that decide on the image, besides this package's own source.
	inputs  []string
	context bool // made of all that the Dockerfile builds from
	make    func(ctx context.Context, b *builder) (v1.Image, error)
}

// recipes lists every image.
//
// Some stand in for a published image and have its name too, so that the examples run as they are written: what is inside
// is Debian's version. The names of our own images and of HAProxy's are those of the catalog.
func recipes(root string) ([]recipe, error) {
	named, err := catalogImages(root)
	if err != nil {
		return nil, err
	}
	haproxyRef, err := only(named, func(ref string) bool { return strings.HasPrefix(path.Base(ref), "haproxy:") })
	if err != nil {
		return nil, err
	}
	all := []recipe{
		goProgram("pause", "localhost/pillion/pause:v1", "test/cluster/pause", ".", pauseImage),
		goProgram("app", "localhost/app:v1", "test/images", "./app", appImage),
		bedProgram("etcd", "localhost/etcd:3.7", "etcd", "etcd", etcdImage),
		bedProgram("kubectl", "registry.k8s.io/kubectl:v1.36.3", "kubectl", "k8s", kubectlImage),
		bedProgram("cert-manager-controller", certManager+"controller"+certManagerVersion, "certmanager", "certmanager", roleImage("controller")),
		bedProgram("cert-manager-cainjector", certManager+"cainjector"+certManagerVersion, "certmanager", "certmanager", roleImage("cainjector")),
		bedProgram("cert-manager-webhook", certManager+"webhook"+certManagerVersion, "certmanager-webhook", "certmanager/webhook", roleImage("")),
		packagedRecipe("nginx", nginx(), "localhost/nginx:1.22", "docker.io/nginxinc/nginx-unprivileged:1.29-alpine"),
		packagedRecipe("haproxy", haproxy(), haproxyRef),
		packagedRecipe("tomcat", tomcat(), "localhost/tomcat:10.1", "docker.io/library/tomcat:11.0"),
		packagedRecipe("prometheus", prometheus(), "localhost/prometheus:2.42"),
	}
	all = append(all, append(sidecarImages(), receiverRecipe())...)
	products, err := productRecipes(root, named)
	return append(all, products...), err
}

func packagedRecipe(name string, p *packaged, refs ...string) recipe {
	return recipe{name: name, refs: refs, make: func(ctx context.Context, b *builder) (v1.Image, error) {
		scratch, err := b.scratch(name)
		if err != nil {
			return nil, err
		}
		return p.image(ctx, b.debian, scratch)
	}}
}

// goProgram is a static program of a nested module.
func goProgram(name, ref, module, pkg string, image func(built string) ([]file, v1.Config)) recipe {
	inputs := []string{module + "/go.mod", module + "/go.sum", path.Join(module, pkg)}
	return recipe{name: name, refs: []string{ref}, inputs: inputs, make: func(ctx context.Context, b *builder) (v1.Image, error) {
		scratch, err := b.scratch(name)
		if err != nil {
			return nil, err
		}
		built := filepath.Join(scratch, name)
		cmd := nice(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", built, pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-mod=readonly", "GOOS=linux")
		if _, err := output(cmd, filepath.Join(b.root, module)); err != nil {
			return nil, fmt.Errorf("build %s: %w", name, err)
		}
		return assemble(image(built))
	}}
}

// imageLine is a fixed image; one that is a parameter's is not among them.
var imageLine = regexp.MustCompile(`(?m)^\s*(?:- )?image:\s*([^\s$]+)\s*$`)

// catalogImages lists the images that the built-in catalog names, sorted.
func catalogImages(root string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(root, "sidecars", "catalog", "*.yaml"))
	if err != nil {
		return nil, err
	}
	var refs []string
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		for _, m := range imageLine.FindAllSubmatch(b, -1) {
			refs = append(refs, string(m[1]))
		}
	}
	slices.Sort(refs)
	return slices.Compact(refs), nil
}

func only(refs []string, is func(string) bool) (string, error) {
	found := slices.DeleteFunc(slices.Clone(refs), func(ref string) bool { return !is(ref) })
	if len(found) != 1 {
		return "", fmt.Errorf("sidecars/catalog: want one such image, found %q", found)
	}
	return found[0], nil
}
