package qemu

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Machine is an emulated one with a directory of packages, in which a program is process 1.
type Machine struct {
	// Packages is the directory that Packages gave, Work one for files of this run.
	Packages, Work string
	// Init is the program, static. Its checks write their results to the console.
	Init string
	// Programs are more files, by path in the machine; those of Linked are copied from this machine with their libraries.
	Programs map[string]string
	Linked   []string
}

// Result is what a check in the machine found.
type Result struct {
	Name string `json:"name"`
	// Error is empty where it holds; Seen are the values that were found, for people to read.
	Error string `json:"error,omitempty"`
	Seen  string `json:"seen,omitempty"`
}

// ResultMark starts a line of the console that is a Result, as JSON.
const ResultMark = "pillion-check: "

// kernelModules are those that the checks need: the disk, a Pod's link, and what the redirect's rules consist of.
var kernelModules = []string{"virtio_pci", "virtio_blk", "veth", "nf_tables", "nft_chain_nat", "nft_redir", "nft_ct", "nft_socket",
	"nft_fib_inet", "nf_conntrack_netlink"}

// busyboxNames are the programs that busybox is, in the machine and in containers.
var busyboxNames = []string{"sh", "dd", "sleep", "cat", "true"}

// diskSize is that of a disk of zeros, for files in the page cache, in bytes.
const diskSize = 256 << 20

// Run boots the machine until it turns itself off. It returns the results of the checks and the console's log.
func (m *Machine) Run(ctx context.Context) (results []Result, console string, err error) {
	kernel, err := filepath.Glob(filepath.Join(m.Packages, "root/boot/vmlinuz-*"))
	if err != nil || len(kernel) != 1 {
		return nil, "", fmt.Errorf("kernels in %s: %q, %w", m.Packages, kernel, err)
	}
	files, disk := filepath.Join(m.Work, "initramfs"), filepath.Join(m.Work, "disk")
	if err := m.archive(ctx, files); err != nil {
		return nil, "", err
	}
	if err := os.WriteFile(disk, nil, 0o600); err != nil {
		return nil, "", err
	}
	if err := os.Truncate(disk, diskSize); err != nil {
		return nil, "", err
	}
	cmd, err := m.emulator(ctx)
	if err != nil {
		return nil, "", err
	}
	// It has one CPU: whoever has waited for a process then reads all of its time, also that of its last moments.
	cmd.Args = append(cmd.Args, "-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", "1024", "-nodefaults", "-no-reboot", "-display", "none",
		"-serial", "stdio", "-kernel", kernel[0], "-initrd", files, "-drive", "if=virtio,format=raw,file="+disk,
		"-append", "console=ttyS0 loglevel=4 panic=-1 tsc=reliable psi=1 cgroup_no_v1=all")
	out, err := cmd.CombinedOutput()
	results, bad := parse(string(out))
	return results, string(out), errors.Join(err, bad)
}

// emulator finds the one that was fetched or, where there was nothing to fetch, the machine's own.
func (m *Machine) emulator(ctx context.Context) (*exec.Cmd, error) {
	root := filepath.Join(m.Packages, "root")
	program := filepath.Join(root, "usr/bin/qemu-system-x86_64")
	if _, err := os.Stat(program); err != nil {
		own, err := exec.LookPath("qemu-system-x86_64")
		if err != nil {
			return nil, err
		}
		return exec.CommandContext(ctx, own), nil
	}
	cmd := exec.CommandContext(ctx, program, "-L", filepath.Join(root, "usr/share/qemu"), "-L", filepath.Join(root, "usr/share/seabios"))
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+filepath.Join(root, "usr/lib/x86_64-linux-gnu")+":"+filepath.Join(root, "lib/x86_64-linux-gnu"),
		"QEMU_MODULE_DIR="+filepath.Join(root, "usr/lib/x86_64-linux-gnu/qemu"))
	return cmd, nil
}

// archive writes the files that the machine starts with.
func (m *Machine) archive(ctx context.Context, to string) error {
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	defer f.Close()
	a := NewArchive(f)
	err = errors.Join(a.File("/init", m.Init), m.modules(a), m.busybox(a))
	for _, dir := range []string{"/proc", "/sys", "/dev", "/tmp", "/run", "/rootfs/proc", "/rootfs/dev"} {
		err = errors.Join(err, a.Dir(dir))
	}
	for at, from := range m.Programs {
		err = errors.Join(err, a.File(at, from))
	}
	return errors.Join(err, m.linked(ctx, a), a.Close(), f.Close())
}

// modules adds the kernel's modules and /modules, which lists them in order.
func (m *Machine) modules(a *Archive) error {
	list, err := NewModules(filepath.Join(m.Packages, "root/lib/modules"), kernelModules...)
	if err != nil {
		return err
	}
	var names []string
	for _, file := range list.Order {
		name := "/lib/modules/" + filepath.Base(file)
		names = append(names, name)
		err = errors.Join(err, a.File(name, file))
	}
	return errors.Join(err, a.Text("/modules", strings.Join(names, "\n")+"\n"))
}

func (m *Machine) busybox(a *Archive) error {
	var all error
	for _, root := range []string{"", "/rootfs"} {
		all = errors.Join(all, a.File(root+"/bin/busybox", filepath.Join(m.Packages, "root/bin/busybox")))
		for _, name := range busyboxNames {
			all = errors.Join(all, a.Link(root+"/bin/"+name, "busybox"))
		}
	}
	return all
}

// linked adds programs of this machine, each with the libraries that it is linked with.
func (m *Machine) linked(ctx context.Context, a *Archive) error {
	files := map[string]bool{}
	for _, name := range m.Linked {
		at, err := exec.LookPath(name)
		if err != nil {
			return fmt.Errorf("%w (hack/setup.sh installs it)", err)
		}
		if err := a.File("/bin/"+name, at); err != nil {
			return err
		}
		text, err := output(ctx, "", "ldd", at)
		if err != nil {
			return err
		}
		for _, word := range strings.Fields(text) {
			if filepath.IsAbs(word) {
				files[word] = true
			}
		}
	}
	for file := range files {
		if err := a.File(file, file); err != nil {
			return err
		}
	}
	return nil
}

// parse reads the results in a console's log.
func parse(console string) (results []Result, err error) {
	for line := range strings.Lines(console) {
		_, text, ok := strings.Cut(line, ResultMark)
		if !ok {
			continue
		}
		var r Result
		if bad := json.NewDecoder(strings.NewReader(text)).Decode(&r); bad != nil && !errors.Is(bad, io.EOF) {
			err = errors.Join(err, fmt.Errorf("console: %q: %w", line, bad))
			continue
		}
		results = append(results, r)
	}
	return results, err
}
