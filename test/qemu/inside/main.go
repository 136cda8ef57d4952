// Command inside is process 1 of the emulated machine: it makes it a node with cgroups of version 2 alone, runs the checks, each
// of which writes a line to the console, and turns the machine off.
package main

import (
	"errors"
	"os"

	"github.com/pillion-dev/pillion/test/qemu"
	"github.com/pillion-dev/pillion/test/qemu/guest"
)

// root is where the hierarchy is mounted.
const root = guest.Cgroups

// checks are all of them, in their order.
var checks = []guest.Check{
	{Name: "the node has version 2 alone", Run: versions},
	{Name: "memory.high reclaims and does not kill", Run: high},
	{Name: "memory.high holds up what cannot be reclaimed", Run: stall},
	{Name: "a burst stands in the way of a lower quota", Run: burst},
	{Name: "io.weight is sent where it is there", Run: ioWeight},
	{Name: "a weight is never more than the kubelet gives", Run: weight},
	{Name: "a kill for want of memory is its container's", Run: oomKill},
	{Name: "a throttled container's pressure grows", Run: throttled},
	{Name: "a Pod used what its containers used", Run: ledger},
	{Name: "an OOM score is only ever raised", Run: score},
	{Name: "node/cgroup's own tests", Run: tests("cgroup", ".")},
	{Name: "node/redirect's own tests", Run: tests("redirect", ".")},
	// Others of package node try a runtime's patience, and an emulator's clock with it.
	{Name: "node's own tests of cgroups", Run: tests("node", "Ledger|CreatedWithTheirProfiles|Resize")},
}

func main() {
	defer guest.PowerOff()
	if err := boot(); err != nil {
		guest.Report(qemu.Result{Name: "boot", Error: err.Error()})
		return
	}
	guest.Do(checks)
}

// boot mounts what a node has, loads the modules and hands out all controllers.
func boot() error {
	if err := errors.Join(guest.Mount(), guest.LoadModules(), os.Setenv("PATH", "/bin")); err != nil {
		return err
	}
	return os.WriteFile(root+"/cgroup.subtree_control", []byte("+cpu +memory +io +pids"), 0)
}
