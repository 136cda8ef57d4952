// Package cluster runs a real Kubernetes control plane for tests and demos: etcd, kube-apiserver and
// kube-controller-manager, built from pinned Go modules, on loopback, without root and without containers. Deployments
// make Pods and service accounts appear, and admission webhooks are called by URL; there is no scheduler and no node, so
// Pods stay Pending.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/pillion-dev/pillion/test/cluster/pki"
)

// Config says how a control plane is started. The zero value is useful.
type Config struct {
	// Dir holds the data, keys, logs and the kubeconfig; it is made when needed and stays after Stop. A directory used
	// before continues with its data, under new keys and ports. Empty means a temporary one, which Stop removes.
	Dir string

	// Log receives the progress of builds and starts; nil discards it. The programs' own output is in Dir.
	Log io.Writer

	// APIServerArgs are added to the flags of kube-apiserver; a flag given here wins.
	APIServerArgs []string
}

// Cluster is a running control plane. Its methods that start and stop something are for one goroutine at a time.
type Cluster struct {
	cfg    Config
	dir    string
	bin    string
	keys   *keys
	client *http.Client
	unlock func()
	ports  ports

	etcd, apiserver, manager *process
}

// Starts must not hang a test run: a healthy control plane is ready in seconds even on a slow machine.
const (
	readyTimeout  = 2 * time.Minute
	startAttempts = 5
)

// Start builds what is missing (see Build), starts the control plane and returns when it is ready to take Pods: the API
// server says so and the ServiceAccount default/default exists. ctx bounds the start alone, not the life of the cluster;
// the programs end with Stop or with the calling program (on Linux even when that is killed).
func Start(ctx context.Context, cfg Config) (*Cluster, error) {
	return start(ctx, cfg, freePorts)
}

func start(ctx context.Context, cfg Config, choose func() (ports, error)) (*Cluster, error) {
	if cfg.Log == nil {
		cfg.Log = io.Discard
	}
	bin, err := Build(ctx, cfg.Log)
	if err != nil {
		return nil, err
	}
	c := &Cluster{cfg: cfg, bin: bin}
	if err := c.prepare(); err != nil {
		c.Stop()
		return nil, err
	}
	began := time.Now()
	for attempt := 1; ; attempt++ {
		if c.ports, err = choose(); err == nil {
			err = c.startAll(ctx)
		}
		if err == nil {
			fmt.Fprintf(cfg.Log, "cluster: %s is ready after %.1f s\n", c.URL(), time.Since(began).Seconds())
			return c, nil
		}
		c.stopAll()
		if attempt == startAttempts || !errors.Is(err, errPortTaken) {
			c.Stop()
			return nil, err
		}
		fmt.Fprintln(cfg.Log, "cluster: a port was taken in between, trying others")
	}
}

// prepare makes the directory, which one cluster at a time may use, and the keys.
func (c *Cluster) prepare() (err error) {
	if c.cfg.Dir == "" {
		c.dir, err = os.MkdirTemp("", "pillion-cluster-")
	} else if c.dir, err = filepath.Abs(c.cfg.Dir); err == nil {
		err = os.MkdirAll(c.dir, 0o700)
	}
	if err != nil {
		return err
	}
	if c.unlock, err = tryLock(filepath.Join(c.dir, "lock")); err != nil {
		return err
	}
	if c.keys, err = newKeys(); err != nil {
		return err
	}
	if err := c.keys.write(filepath.Join(c.dir, "pki")); err != nil {
		return err
	}
	c.client, err = pki.HTTPClient(c.keys.ca.Cert, c.keys.admin)
	return err
}

func (c *Cluster) startAll(ctx context.Context) error {
	for path, k := range map[string]pki.Pair{c.Kubeconfig(): c.keys.admin, c.managerKubeconfig(): c.keys.manager} {
		if err := os.WriteFile(path, pki.Kubeconfig(c.URL(), c.keys.ca.Cert, k), 0o600); err != nil {
			return err
		}
	}
	var err error
	if c.etcd, err = c.run("etcd", c.etcdArgs()); err != nil {
		return err
	}
	if err := c.StartAPIServer(ctx); err != nil {
		return err
	}
	if c.manager, err = c.run("kube-controller-manager", c.managerArgs()); err != nil {
		return err
	}
	return c.await(ctx, "/api/v1/namespaces/default/serviceaccounts/default")
}

func (c *Cluster) run(name string, args []string) (*process, error) {
	return startProcess(filepath.Join(c.bin, name), c.dir, args...)
}

// StartAPIServer starts the API server again after StopAPIServer, on the same port and with the same data, and returns
// when it is ready. Clients that watch, the controller-manager among them, notice with their own back-off.
func (c *Cluster) StartAPIServer(ctx context.Context) error {
	c.StopAPIServer()
	var err error
	if c.apiserver, err = c.run("kube-apiserver", c.apiserverArgs()); err != nil {
		return err
	}
	return c.await(ctx, "/readyz")
}

// StopAPIServer kills the API server as a crash would: connections break, nothing is drained. etcd and the
// controller-manager go on.
func (c *Cluster) StopAPIServer() {
	c.apiserver.stop()
	c.apiserver = nil
}

// Stop ends every process, and returns when they are gone and a temporary directory is removed. It may be called again.
func (c *Cluster) Stop() {
	c.stopAll()
	if c.client != nil {
		c.client.CloseIdleConnections()
	}
	if c.dir != "" && c.cfg.Dir == "" {
		if err := os.RemoveAll(c.dir); err != nil {
			fmt.Fprintln(c.cfg.Log, "cluster:", err)
		}
	}
	if c.unlock != nil {
		c.unlock()
		c.unlock = nil
	}
}

func (c *Cluster) stopAll() {
	c.manager.stop()
	c.StopAPIServer()
	c.etcd.stop()
	c.manager, c.etcd = nil, nil
}

// await returns when the API server answers path with 200, or with the reason why it will not.
func (c *Cluster) await(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for _, p := range c.running() {
		// Whoever has the port that a program wanted may keep a request waiting: none outlasts the program.
		go func() {
			select {
			case <-p.done:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	for last := error(nil); ; {
		for _, p := range c.running() {
			if err := p.failure(); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return fmt.Errorf("wait for %s: %w (last answer: %s)\n%s", path, ctx.Err(), fmt.Sprint(last), c.apiserver.lastWords())
		}
		if last = c.get(ctx, path); last == nil {
			return nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(25 * time.Millisecond):
		}
	}
}

func (c *Cluster) running() []*process {
	return slices.DeleteFunc([]*process{c.etcd, c.apiserver, c.manager}, func(p *process) bool { return p == nil })
}

func (c *Cluster) get(ctx context.Context, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL()+path, nil)
	if err != nil {
		return err
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

// Dir is where the data, keys and logs are: <program>.log for each program.
func (c *Cluster) Dir() string { return c.dir }

// URL is the address of the API server, without a slash at the end.
func (c *Cluster) URL() string { return fmt.Sprintf("https://127.0.0.1:%d", c.ports.apiserver) }

// Kubeconfig is the path of a kubeconfig for the administrator, complete in itself.
func (c *Cluster) Kubeconfig() string { return filepath.Join(c.dir, "kubeconfig") }

// CA is the certificate, as PEM, that signed the API server's.
func (c *Cluster) CA() []byte { return c.keys.ca.Cert }

// AdminCert is the client certificate of the administrator (group system:masters), as PEM.
func (c *Cluster) AdminCert() []byte { return c.keys.admin.Cert }

// AdminKey is the private key of AdminCert, as PEM.
func (c *Cluster) AdminKey() []byte { return c.keys.admin.Key }

// HTTPClient trusts the API server and is the administrator to it. It has no timeout: bound requests by their context.
func (c *Cluster) HTTPClient() *http.Client { return c.client }
