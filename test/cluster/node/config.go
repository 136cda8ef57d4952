//go:build linux

package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/pillion-dev/pillion/test/cluster"
)

// Config says what Up makes. The zero value is one node in an instance named "pillion".
type Config struct {
	// Name is the instance's; several run at once under different names. A lower-case DNS label of at most 32 letters.
	Name string

	// Dir is the instance's directory, made by Up and removed by Down; it must not hold anything else, nor be below /run,
	// /var/lib or /var/log, which the instance has of its own. Empty means a directory below the user's cache.
	Dir string

	// Nodes is how many there are, 1 (also for 0) or 2. The first also runs the control plane.
	Nodes int

	// NodeMemory is what the scheduler may give to Pods on each node, in bytes; 0 or absent means all of the machine's.
	NodeMemory []int64

	// NodeGrace is how long after a node's last sign of life it is taken for lost; 0 means as long as Kubernetes would wait.
	// A kubelet gives a sign every 10 seconds.
	NodeGrace time.Duration

	// ReadyTimeout is how long each component may take until it does its work; 0 means 3 minutes, far more than a slow machine
	// takes. An emulated one takes longer.
	ReadyTimeout time.Duration

	// Detach lets the instance outlive the calling program. Otherwise it ends with it, however that ends.
	Detach bool

	// Log receives the progress of builds and starts; nil discards it. The programs' own output is in Dir.
	Log io.Writer

	// observe is told each event, before Up goes on.
	observe func(event)
}

// plan is all that the processes inside an instance need to know.
type plan struct {
	Name  string
	Dir   string
	Bin   string   // directory of the built programs
	Path  string   // where the machine's programs are
	Nodes []member // the first also runs the control plane

	NodeGrace    time.Duration `json:",omitempty"`
	ReadyTimeout time.Duration
}

// member is one node.
type member struct {
	Name    string
	IP      string
	PodCIDR string
	Memory  int64 // bytes, 0 is no limit
}

// shortestGrace lets a kubelet's sign of life be late once.
const shortestGrace = 15 * time.Second

const (
	defaultName  = "pillion"
	apiServer    = "https://10.88.254.1:6443"
	controlIP    = "10.88.254.1"
	podRange     = "10.88.0.0/20"
	serviceRange = "10.96.0.0/16"
	serviceIP    = "10.96.0.1"  // of the Service default/kubernetes
	dnsIP        = "10.96.0.10" // of the Service kube-system/kube-dns
)

func (p plan) config(m member, file string) string {
	return filepath.Join(p.Dir, "config", m.Name, file)
}

func (p plan) key(file string) string { return filepath.Join(p.Dir, "pki", file) }

func (p plan) kubeconfig() string { return filepath.Join(p.Dir, "kubeconfig") }

// cgroup is the one child that the instance has in each hierarchy.
func (p plan) cgroup() string { return cgroupOf(p.Name) }

func cgroupOf(name string) string { return "/pillion-" + name }

// path is where programs inside look for others: the built ones first, then the machine's.
func (p plan) path() string { return p.Bin + ":" + p.Path }

var validName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?$`)

// newPlan checks what a caller asks for; the programs are not known yet.
func newPlan(cfg Config) (plan, error) {
	p := plan{Name: cfg.Name, Path: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	if p.Name == "" {
		p.Name = defaultName
	}
	if !validName.MatchString(p.Name) {
		return p, fmt.Errorf("name %q: want at most 32 of a-z, 0-9 and -, which is not first or last", p.Name)
	}
	count := max(cfg.Nodes, 1)
	if count > 2 || cfg.Nodes < 0 {
		return p, fmt.Errorf("nodes %d: want 1 or 2", cfg.Nodes)
	}
	if cfg.NodeGrace != 0 && cfg.NodeGrace < shortestGrace {
		return p, fmt.Errorf("node grace %s: want at least %s", cfg.NodeGrace, shortestGrace)
	}
	p.NodeGrace = cfg.NodeGrace
	if cfg.ReadyTimeout < 0 {
		return p, fmt.Errorf("ready timeout %s: want more than 0", cfg.ReadyTimeout)
	}
	if p.ReadyTimeout = cfg.ReadyTimeout; p.ReadyTimeout == 0 {
		p.ReadyTimeout = defaultReadyTimeout
	}
	if len(cfg.NodeMemory) > count {
		return p, fmt.Errorf("memory of %d nodes, but there are %d", len(cfg.NodeMemory), count)
	}
	for i := range count {
		m := member{
			Name: fmt.Sprintf("node-%d", i+1), IP: fmt.Sprintf("10.88.254.%d", i+1), PodCIDR: fmt.Sprintf("10.88.%d.0/24", i),
		}
		if i < len(cfg.NodeMemory) {
			m.Memory = cfg.NodeMemory[i]
		}
		p.Nodes = append(p.Nodes, m)
	}
	var err error
	p.Dir, err = instanceDir(p.Name, cfg.Dir, cfg.Log)
	return p, err
}

// hidden are the directories that a node has of its own.
var hidden = []string{"/run", "/var/run", "/var/lib", "/var/log"}

func instanceDir(name, dir string, log io.Writer) (string, error) {
	if dir == "" {
		root, err := cluster.CacheRoot(log)
		if err != nil {
			return "", err
		}
		dir = filepath.Join(root, "nodes", name)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return dir, notHidden(dir)
}

func notHidden(path string) error {
	for _, dir := range hidden {
		if path == dir || strings.HasPrefix(path, dir+"/") {
			return fmt.Errorf("%s: a node does not see the machine's %s: choose another directory", path, dir)
		}
	}
	return nil
}

func (p plan) save() error { return writeJSON(filepath.Join(p.Dir, planFile), p) }

func loadPlan(path string) (plan, error) {
	var p plan
	b, err := os.ReadFile(path)
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(b, &p); err != nil {
		return p, fmt.Errorf("parse %s: %w", path, err)
	}
	if len(p.Nodes) == 0 {
		return p, errors.New(path + ": no nodes")
	}
	return p, nil
}

// writeJSON replaces the file whole: a reader never sees half of it.
func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
