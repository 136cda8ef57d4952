// Command inside is process 1 of the emulated machine: it makes it a node with cgroups of version 2 alone, runs the checks, each
// of which writes a line to the console, and turns the machine off.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/pillion-dev/pillion/test/qemu"
)

// checks are all of them, in their order. Each tells what it found.
var checks = []struct {
	name string
	run  func() (seen string, err error)
}{
	{"the node has version 2 alone", versions},
	{"memory.high reclaims and does not kill", high},
	{"memory.high holds up what cannot be reclaimed", stall},
	{"a burst stands in the way of a lower quota", burst},
	{"io.weight is sent where it is there", ioWeight},
	{"a weight is never more than the kubelet gives", weight},
	{"a kill for want of memory is its container's", oomKill},
	{"a throttled container's pressure grows", throttled},
	{"a Pod used what its containers used", ledger},
	{"an OOM score is only ever raised", score},
	{"node/cgroup's own tests", tests("cgroup", ".")},
	{"node/redirect's own tests", tests("redirect", ".")},
	// Others of package node try a runtime's patience, and an emulator's clock with it.
	{"node's own tests of cgroups", tests("node", "Ledger|CreatedWithTheirProfiles|Resize")},
}

func main() {
	defer func() { _ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF) }()
	if err := boot(); err != nil {
		report(qemu.Result{Name: "boot", Error: err.Error()})
		return
	}
	for _, c := range checks {
		seen, err := c.run()
		r := qemu.Result{Name: c.name, Seen: seen}
		if err != nil {
			r.Error = err.Error()
		}
		report(r)
	}
}

func report(r qemu.Result) {
	line, err := json.Marshal(r)
	fmt.Printf("\n%s%s\n", qemu.ResultMark, line)
	if err != nil {
		fmt.Println(err)
	}
}

// boot mounts what a node has, loads the modules and hands out all controllers.
func boot() error {
	for _, m := range []struct{ kind, at string }{{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/tmp"}, {"tmpfs", "/run"}, {"cgroup2", root}} {
		if err := unix.Mount(m.kind, m.at, m.kind, 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.at, err)
		}
	}
	list, err := os.ReadFile("/modules")
	if err != nil {
		return err
	}
	for file := range strings.FieldsSeq(string(list)) {
		if err := load(file); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	if err := os.Setenv("PATH", "/bin"); err != nil {
		return err
	}
	return os.WriteFile(root+"/cgroup.subtree_control", []byte("+cpu +memory +io +pids"), 0)
}

func load(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), "", 0); !errors.Is(err, unix.EEXIST) {
		return err
	}
	return nil
}
