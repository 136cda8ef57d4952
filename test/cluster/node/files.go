//go:build linux

package node

import (
	"crypto/x509"
	"embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"text/template"

	"golang.org/x/sys/unix"

	"github.com/pillion-dev/pillion/test/cluster/pki"
)

// Files of an instance's directory, besides config, logs and pki.
const (
	planFile     = "plan.json"     // what Up was asked for
	statusFile   = "instance.json" // what came of it
	pauseArchive = "pause.tar"
)

//go:embed files
var files embed.FS

// settings are what the templates of files fill in.
type settings struct {
	member
	Bin, Keys, Config, CNI, Cgroup          string
	PauseImage, ContainerdSocket, NRISocket string
	DNS, PodRange                           string
	RestrictOOM                             bool
	EvictBelow, Reserved                    int64 // bytes
}

// evictBelow is how much memory the kubelet keeps free; Pods cannot have it.
const evictBelow = 100 << 20

// write makes the directory's content: keys, kubeconfigs and the programs' configuration. The plan comes first: by it a
// later call knows whose directory that is.
func (p plan) write() error {
	if err := os.MkdirAll(p.Dir, 0o755); err != nil {
		return err
	}
	if err := p.save(); err != nil {
		return err
	}
	for _, dir := range []string{"config", "logs", "pki"} {
		if err := os.MkdirAll(filepath.Join(p.Dir, dir), 0o700); err != nil {
			return err
		}
	}
	if err := p.writeKeys(); err != nil {
		return err
	}
	for _, m := range p.Nodes {
		// Containers of any user have their files below these.
		for _, dir := range []string{"lib", "log"} {
			if err := os.MkdirAll(filepath.Join(p.Dir, m.Name, dir), 0o755); err != nil {
				return err
			}
		}
		if err := p.configure(m); err != nil {
			return err
		}
	}
	return nil
}

func (p plan) configure(m member) error {
	reserved, err := reserve(m.Memory)
	if err != nil {
		return err
	}
	restrict, err := lacksSysResource()
	if err != nil {
		return err
	}
	dir := p.config(m, "")
	values := settings{
		member: m, Bin: p.Bin, Keys: p.key(""), Config: dir, CNI: filepath.Join(dir, "cni"), Cgroup: p.cgroup(),
		PauseImage: pauseImage, ContainerdSocket: containerdSocket, NRISocket: nriSocket,
		DNS: dnsIP, PodRange: podRange, RestrictOOM: restrict, EvictBelow: evictBelow, Reserved: reserved,
	}
	if err := os.MkdirAll(values.CNI, 0o700); err != nil {
		return err
	}
	// The machine's name servers are not for Pods: they are out of reach.
	if err := os.WriteFile(filepath.Join(dir, "resolv.conf"), nil, 0o644); err != nil {
		return err
	}
	templates, err := template.ParseFS(files, "files/*")
	if err != nil {
		return err
	}
	for name, path := range map[string]string{
		"containerd.toml": "containerd.toml", "kubelet.yaml": "kubelet.yaml", "kube-proxy.yaml": "kube-proxy.yaml",
		"Corefile": "Corefile", "cni.conflist": "cni/10-pillion.conflist",
	} {
		if err := fill(templates.Lookup(name), filepath.Join(dir, path), values); err != nil {
			return err
		}
	}
	return nil
}

func fill(t *template.Template, path string, values settings) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(t.Execute(f, values), f.Close())
}

// reserve is how much of the machine's memory the kubelet must call its own so that Pods may have the rest.
func reserve(forPods int64) (int64, error) {
	if forPods == 0 {
		return 0, nil
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0, err
	}
	total := int64(info.Totalram) * int64(info.Unit)
	if forPods < 0 || forPods+evictBelow > total {
		return 0, fmt.Errorf("memory of %d bytes for a node: want at most %d, the machine's less what is kept free", forPods, total-evictBelow)
	}
	return total - evictBelow - forPods, nil
}

// lacksSysResource tells whether this process may not lower the score by which the kernel chooses whom to kill.
func lacksSysResource() (bool, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false, fmt.Errorf("read the capabilities: %w", err)
	}
	return data[0].Effective&(1<<unix.CAP_SYS_RESOURCE) == 0, nil
}

// writeKeys makes every key anew. Users are who they are in any cluster, and the API server knows their rights.
func (p plan) writeKeys() error {
	ca, err := pki.NewAuthority("pillion-test-ca")
	if err != nil {
		return err
	}
	account, err := pki.NewKey()
	if err != nil {
		return err
	}
	out := map[string][]byte{"ca.crt": ca.Cert, "ca.key": ca.Key, "service-account.key": account}
	servers := map[string]x509.Certificate{"apiserver": pki.Server("kube-apiserver", "localhost", "kubernetes",
		"kubernetes.default", "kubernetes.default.svc", "127.0.0.1", serviceIP, controlIP)}
	users := map[string]x509.Certificate{
		"admin":                   pki.Client("admin", "system:masters"),
		"apiserver-kubelet":       pki.Client("kube-apiserver-kubelet-client", "system:masters"),
		"kube-controller-manager": pki.Client("system:kube-controller-manager"),
		"kube-scheduler":          pki.Client("system:kube-scheduler"),
		"kube-proxy":              pki.Client("system:kube-proxy"),
		"coredns":                 pki.Client(dnsUser),
	}
	for _, m := range p.Nodes {
		servers[m.Name] = pki.Server(m.Name, m.Name, m.IP)
		users[m.Name+"-client"] = pki.Client("system:node:"+m.Name, "system:nodes")
	}
	for name, template := range servers {
		pair, err := ca.Issue(template)
		if err != nil {
			return err
		}
		out[name+".crt"], out[name+".key"] = pair.Cert, pair.Key
	}
	for name, template := range users {
		pair, err := ca.Issue(template)
		if err != nil {
			return err
		}
		out[name+".crt"], out[name+".key"] = pair.Cert, pair.Key
		out[name+".kubeconfig"] = pki.Kubeconfig(apiServer, ca.Cert, pair)
	}
	for name, content := range out {
		if err := os.WriteFile(p.key(name), content, 0o600); err != nil {
			return err
		}
	}
	return os.WriteFile(p.kubeconfig(), out["admin.kubeconfig"], 0o600)
}
