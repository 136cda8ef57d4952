package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/pillion-dev/pillion/node/cgroup"
)

// resources are a container's, as the runtime's specification has them.
type resources struct {
	CPU     *cpu              `json:"cpu,omitempty"`
	Memory  *memory           `json:"memory,omitempty"`
	Unified map[string]string `json:"unified,omitempty"`
	Devices []device          `json:"devices,omitempty"`
}

type cpu struct {
	Shares uint64 `json:"shares,omitempty"`
	Quota  int64  `json:"quota,omitempty"`
	Period uint64 `json:"period,omitempty"`
}

type memory struct {
	Limit int64 `json:"limit,omitempty"`
}

type device struct {
	Allow  bool   `json:"allow"`
	Access string `json:"access"`
}

// container is one that runc runs.
type container struct {
	id, parent string
	dir        *cgroup.Dir
}

// order is what a container is made of: what the kubelet gives it and, as the helper adds them through the runtime, the values
// of its profile.
type order struct {
	parent, id string
	given      cgroup.Given
	values     cgroup.Values
	script     string
}

// resources gives what runc gets.
func (o *order) resources() *resources {
	r := &resources{Unified: o.values.Unified, Devices: []device{{true, "rwm"}}}
	r.CPU = &cpu{Shares: o.given.Shares, Quota: o.given.Quota, Period: o.given.Period}
	if o.given.MemoryLimit > 0 {
		r.Memory = &memory{Limit: o.given.MemoryLimit}
	}
	return r
}

func (o *order) score() int64 {
	if o.values.RaiseOOM {
		return o.values.OOMScoreAdjust
	}
	return o.given.OOMScoreAdjust
}

// start runs a container.
func (o *order) start() (*container, error) {
	type object = map[string]any
	spec := object{
		"ociVersion": "1.0.2",
		"process": object{"args": []string{"/bin/sh", "-c", o.script}, "cwd": "/", "env": []string{"PATH=/bin"},
			"user": object{"uid": 0, "gid": 0}, "oomScoreAdj": o.score()},
		"root":   object{"path": "/rootfs"},
		"mounts": []object{{"destination": "/proc", "type": "proc", "source": "proc"}, {"destination": "/dev", "type": "bind", "source": "/dev", "options": []string{"rbind"}}},
		"linux": object{"cgroupsPath": o.parent + "/" + o.id, "resources": o.resources(),
			"namespaces": []object{{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}}},
	}
	bundle := filepath.Join("/run/bundles", o.id)
	if err := os.MkdirAll(bundle, 0o755); err != nil {
		return nil, err
	}
	b, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(bundle, "config.json"), b, 0o600); err != nil {
		return nil, err
	}
	c := &container{id: o.id, parent: o.parent}
	if err := runc("", "run", "--no-pivot", "--detach", "--bundle", bundle, o.id); err != nil {
		return nil, err
	}
	h, err := cgroup.Find()
	if err == nil {
		c.dir, err = h.Open(c.paths(), o.id)
	}
	if err != nil {
		c.end()
		return nil, err
	}
	return c, nil
}

func (c *container) paths() cgroup.Paths { return cgroup.Paths{"": c.parent + "/" + c.id} }

// end ends it, and its cgroup.
func (c *container) end() {
	if c.dir != nil {
		c.dir.Close()
	}
	if err := runc("", "delete", "--force", c.id); err != nil {
		fmt.Println(err)
	}
}

// update changes its resources as a runtime does.
func (c *container) update(r *resources) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return runc(string(b), "update", "--resources", "-", c.id)
}

// file reads a file of its cgroup.
func (c *container) file(name string) string {
	b, err := os.ReadFile(filepath.Join(root, c.parent, c.id, name))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(b))
}

// count gives a number of a file of lines NAME NUMBER; -1 where there is none.
func (c *container) count(file, name string) int64 {
	for line := range strings.Lines(c.file(file)) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == name {
			if n, err := strconv.ParseInt(f[1], 10, 64); err == nil {
				return n
			}
		}
	}
	return -1
}

// number gives the number that a file is; -1 where it is none.
func (c *container) number(file string) int64 {
	n, err := strconv.ParseInt(c.file(file), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// until waits for something, as long as is needed on a slow machine; what does not come is an error.
func until(what string, holds func() bool) error {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if holds() {
			return nil
		}
	}
	return fmt.Errorf("%s: not within a minute", what)
}

func runc(input string, args ...string) error {
	cmd := exec.Command("runc", args...)
	cmd.Stdin = strings.NewReader(input)
	// A container that is detached keeps what it is given: a file lets go, a pipe would not.
	out, err := os.CreateTemp("", "runc")
	if err != nil {
		return err
	}
	defer out.Close()
	defer os.Remove(out.Name())
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(out.Name())
		return fmt.Errorf("runc %s: %w: %s", args[0], err, bytes.TrimSpace(text))
	}
	return nil
}
