package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pillion-dev/pillion/node/namespace"
	"github.com/pillion-dev/pillion/node/redirect"
	"github.com/pillion-dev/pillion/node/view"
)

// ErrNoPod says that the node has no such Pod.
var ErrNoPod = errors.New("the node has no such Pod")

// Inspect says what there is of a Pod on the node, read now.
func (a *Agent) Inspect(namespace, name string) (*view.Pod, error) {
	var found *pod
	for _, p := range a.index.all() {
		// Of two sandboxes of one Pod the one with containers counts.
		if p.namespace == namespace && p.name == name && (found == nil || len(p.running()) > len(found.running())) {
			found = p
		}
	}
	if found == nil {
		return nil, fmt.Errorf("%w: %s/%s", ErrNoPod, namespace, name)
	}
	found.Lock()
	defer found.Unlock()
	return a.inspect(found)
}

// running gives the names of a Pod's containers that run, sorted.
func (p *pod) running() []string {
	p.Lock()
	defer p.Unlock()
	return p.runningLocked()
}

func (p *pod) runningLocked() []string {
	var names []string
	for name, c := range p.containers {
		if c.pid != 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// inspect reads everything of one Pod. The lock is held.
func (a *Agent) inspect(p *pod) (*view.Pod, error) {
	out := &view.Pod{Namespace: p.namespace, Name: p.name, UID: p.uid, Sandbox: p.id, Phase: string(p.phase)}
	for _, ip := range p.ips {
		out.IPs = append(out.IPs, ip.String())
	}
	if p.pid != 0 {
		if c, err := a.lookContainer(view.Pause, &container{id: p.id, pid: p.pid}); err == nil {
			out.Containers = append(out.Containers, *c)
		}
	}
	for _, name := range p.runningLocked() {
		c, err := a.lookContainer(name, p.containers[name])
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has just ended
		}
		if err != nil {
			return nil, err
		}
		if p.asks != nil {
			if s := p.asks.Sidecars[name]; s != nil {
				c.Sidecar, c.Revision = s.Name, s.Revision
			}
			c.Joins = p.asks.Joins[name].Target
		}
		out.Containers = append(out.Containers, *c)
	}
	if err := a.lookNetwork(p, out); err != nil {
		out.Findings = append(out.Findings, err.Error())
	}
	out.Findings = append(out.Findings, out.Check()...)
	if p.trouble != nil {
		out.Findings = append(out.Findings, "what was last done for it failed: "+p.trouble.Error())
	}
	return out, nil
}

func (a *Agent) lookContainer(name string, ctr *container) (*view.Container, error) {
	c := &view.Container{Name: name, ID: ctr.id, PID: ctr.pid, Namespaces: map[string]uint64{}}
	for _, kind := range view.Kinds {
		inode, err := namespace.InodeOf(filepath.Join("/proc", strconv.Itoa(ctr.pid), "ns", kind))
		if err != nil {
			return nil, err
		}
		c.Namespaces[kind] = inode
	}
	paths, err := a.CgroupRoot.PathsOf(ctr.pid)
	if err != nil {
		return nil, err
	}
	c.Cgroups = map[string]string{}
	for controller := range a.Hierarchies {
		if at := paths[controller]; at != "" {
			c.Cgroups[controller] = at
		}
	}
	if dir, err := a.Hierarchies.Open(paths, ctr.id); err == nil {
		c.Usage, _ = dir.Sample()
		c.Limits = dir.Limits()
		dir.Close()
	}
	return c, nil
}

// lookNetwork reads the Pod's rules and what they should be.
func (a *Agent) lookNetwork(p *pod, out *view.Pod) error {
	if p.netns == "" {
		return nil
	}
	ns, err := namespace.OpenNet(p.netns, a.HostNetwork)
	if err != nil {
		return err
	}
	defer ns.Close()
	out.Network = ns.Inode
	if out.Redirect, err = redirect.Read(ns); err != nil {
		return err
	}
	if p.asks == nil || p.asks.Proxy == nil {
		return nil
	}
	profile, err := a.Profiles.Get(p.asks.Proxy.Name, p.asks.Proxy.Revision)
	if err != nil || profile.Redirect == nil {
		return err
	}
	out.Wanted = redirect.NewTable(profile.Redirect, &p.proxy, p.phase).Hash
	return nil
}

// SocketName is the file, in the state directory, of the socket at which root of the node may ask.
const SocketName = "node.sock"

// Answer serves questions about Pods at a socket that root alone may open, until the context ends:
// GET /pods/NAMESPACE/NAME gives a [view.Pod], GET /capabilities the helper's [Capabilities].
func (a *Agent) Answer(ctx context.Context, dir string) error {
	path := filepath.Join(dir, SocketName)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /pods/{namespace}/{name}", func(w http.ResponseWriter, r *http.Request) {
		v, err := a.Inspect(r.PathValue("namespace"), r.PathValue("name"))
		switch {
		case errors.Is(err, ErrNoPod):
			http.Error(w, err.Error(), http.StatusNotFound)
		case err != nil:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		default:
			writeJSON(w, v)
		}
	})
	mux.HandleFunc("GET /capabilities", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, a.Capabilities()) })
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 2 * time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("socket: %w", err)
	}
	return nil
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// Ask asks the helper of this node about a Pod.
func Ask(ctx context.Context, dir, namespace, name string) (*view.Pod, error) {
	out := new(view.Pod)
	if err := ask(ctx, dir, "/pods/"+namespace+"/"+name, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ask asks the helper of this node for something.
func ask(ctx context.Context, dir, path string, out any) error {
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(dir, SocketName))
	}}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://node"+path, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("the node's helper cannot be asked: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		b := make([]byte, 1000)
		n, _ := res.Body.Read(b)
		return errors.New(strings.TrimSpace(string(b[:n])))
	}
	if err := json.NewDecoder(res.Body).Decode(out); err != nil {
		return fmt.Errorf("the node's helper: %w", err)
	}
	return nil
}
