package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// bundle writes what there is to know of a failed row, and of Pillion itself.
func (s *scene) bundle() {
	b := bundleOfSystem(s.namespace)
	s.Log("what there is to know:", b.dir)
	b.namespace(s.namespace, "")
}

// bundleOfSystem begins a bundle with the nodes, the catalog, and Pillion's and cert-manager's own Namespaces.
func bundleOfSystem(name string) bundle {
	root := os.Getenv("E2E_ARTIFACTS")
	if root == "" {
		root = filepath.Join(os.TempDir(), "pillion-e2e")
	}
	b := bundle{dir: filepath.Join(root, name)}
	b.write("nodes.txt", "describe", "nodes")
	b.write("catalog.yaml", "get", "clustersidecars,sidecars", "--all-namespaces", "-o", "yaml")
	b.write("webhooks.yaml", "get", "mutatingwebhookconfigurations,validatingwebhookconfigurations", "-o", "yaml")
	for _, ns := range []string{system, "cert-manager"} {
		b.namespace(ns, ns+"/")
	}
	return b
}

// bundle is a folder of what kubectl says.
type bundle struct{ dir string }

// namespace writes the Pods of a Namespace, as YAML and described, its events, and every container's log, that of its last
// run too.
func (b bundle) namespace(name, below string) {
	b.write(below+"objects.yaml", "-n", name, "get", "pods,deployments,replicasets,statefulsets,daemonsets,jobs,configmaps", "-o", "yaml")
	b.write(below+"events.txt", "-n", name, "get", "events", "--sort-by=.lastTimestamp")
	b.write(below+"pods.txt", "-n", name, "describe", "pods")
	pods, err := exec.Command("kubectl", "-n", name, "get", "pods", "-o",
		`jsonpath={range .items[*]}{range .spec['containers','initContainers'][*]}{.name}{" "}{end}{.metadata.name}{"\n"}{end}`).Output()
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e: the bundle lacks logs:", err)
	}
	for containers := range lines(string(pods)) {
		pod := containers[len(containers)-1]
		for _, c := range containers[:len(containers)-1] {
			b.write(below+pod+"."+c+".log", "-n", name, "logs", pod, "-c", c, "--tail=2000")
			b.write(below+pod+"."+c+".previous.log", "-n", name, "logs", pod, "-c", c, "--tail=2000", "--previous")
		}
	}
}

// write keeps what kubectl prints; a log that is not there is not written.
func (b bundle) write(file string, args ...string) {
	out, err := exec.Command("kubectl", args...).CombinedOutput()
	if err != nil && args[len(args)-1] == "--previous" {
		return
	}
	path := filepath.Join(b.dir, file)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if writeErr := os.WriteFile(path, out, 0o644); err != nil || writeErr != nil {
		fmt.Fprintln(os.Stderr, "e2e: bundle:", file, err, writeErr)
	}
}
