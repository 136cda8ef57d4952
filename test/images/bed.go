package images

import (
	"context"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// cert-manager's images are called as its chart calls them.
const (
	certManager        = "quay.io/jetstack/cert-manager-"
	certManagerVersion = ":v1.21.2"
)

// bedProgram is one of the test bed's own programs, which its command builds once or has built before; module is where its
// source is pinned, below test/cluster.
func bedProgram(name, ref, program, module string, image func(built string) ([]file, v1.Config)) recipe {
	return recipe{name: name, refs: []string{ref}, inputs: []string{"test/cluster/" + module}, make: func(ctx context.Context, b *builder) (v1.Image, error) {
		dir, err := run(ctx, b.root, "go", "run", "./test/cluster/cmd/cluster", "build", "--with", program)
		if err != nil {
			return nil, err
		}
		return assemble(image(filepath.Join(strings.TrimSpace(dir), program)))
	}}
}

// etcdImage is the store that confd reads.
func etcdImage(built string) ([]file, v1.Config) {
	files := []file{program("/usr/local/bin/etcd", built), directory("/data", 0o700, 65532), directory("/tmp", modeTmp, 0)}
	return files, v1.Config{Entrypoint: []string{"/usr/local/bin/etcd"}, Env: []string{searchPath}, User: nonRoot, WorkingDir: "/data"}
}

// kubectlImage is what the chart's test runs.
func kubectlImage(built string) ([]file, v1.Config) {
	return []file{program("/bin/kubectl", built)}, v1.Config{Entrypoint: []string{"/bin/kubectl"}, Env: []string{searchPath}, User: nonRoot}
}

// roleImage has a program that plays one of several roles, or that has but one.
func roleImage(role string) func(built string) ([]file, v1.Config) {
	return func(built string) ([]file, v1.Config) {
		entrypoint := []string{"/program"}
		if role != "" {
			entrypoint = append(entrypoint, role)
		}
		return []file{program("/program", built), directory("/tmp", modeTmp, 0)}, v1.Config{Entrypoint: entrypoint, User: nonRoot}
	}
}
