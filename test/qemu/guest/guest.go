// Package guest is what the programs share that are process 1 of an emulated machine.
package guest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/pillion-dev/pillion/test/qemu"
)

// Cgroups is where the hierarchy is mounted.
const Cgroups = "/sys/fs/cgroup"

// Check is one of those that a machine is there for. It tells what it found.
type Check struct {
	Name string
	Run  func() (seen string, err error)
}

// Do runs checks in their order, each of which writes a line to the console.
func Do(checks []Check) {
	for _, c := range checks {
		seen, err := c.Run()
		r := qemu.Result{Name: c.Name, Seen: seen}
		if err != nil {
			r.Error = err.Error()
		}
		Report(r)
	}
}

// Report writes a result to the console.
func Report(r qemu.Result) {
	line, err := json.Marshal(r)
	fmt.Printf("\n%s%s\n", qemu.ResultMark, line)
	if err != nil {
		fmt.Println(err)
	}
}

// PowerOff ends the machine.
func PowerOff() { _ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF) }

// Mount mounts what every machine has, with cgroups of version 2.
func Mount() error {
	for _, m := range []struct{ kind, at string }{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/tmp"}, {"tmpfs", "/run"}, {"cgroup2", Cgroups},
	} {
		if err := unix.Mount(m.kind, m.at, m.kind, 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.at, err)
		}
	}
	return nil
}

// LoadModules loads those that the machine was made with.
func LoadModules() error {
	list, err := os.ReadFile("/modules")
	if err != nil {
		return err
	}
	for file := range strings.FieldsSeq(string(list)) {
		if err := load(file); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
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
