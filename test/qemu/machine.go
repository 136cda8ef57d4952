package qemu

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Machine is an emulated one with a directory of packages, in which a program is process 1.
type Machine struct {
	// Packages is the directory that Packages gave, Work one for files of this run.
	Packages, Work string
	// Init is the program, static. Its checks write their results to the console.
	Init string
	// Files are more that the machine starts with.
	Files []Put
	// Modules are more of the kernel's, beside those of the disk.
	Modules []string
	// Disk is the file that is its disk, /dev/vda.
	Disk string
	// CPUs and Memory, in MiB, are what it has.
	CPUs, Memory int
	// Lacks takes features from its CPUs, as in ",-aes"; Words are more of the kernel's command line.
	Lacks, Words string
	// Console gets what the machine says, while it does; nil discards it.
	Console io.Writer
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

// diskModules are the kernel's own for the disk.
var diskModules = []string{"virtio_pci", "virtio_blk"}

// Run boots the machine until it turns itself off. It returns the results of the checks and the console's log.
func (m *Machine) Run(ctx context.Context) (results []Result, console string, err error) {
	kernel, err := filepath.Glob(filepath.Join(m.Packages, "root/boot/vmlinuz-*"))
	if err != nil || len(kernel) != 1 {
		return nil, "", fmt.Errorf("kernels in %s: %q, %w", m.Packages, kernel, err)
	}
	files := filepath.Join(m.Work, "initramfs")
	if err := m.archive(files); err != nil {
		return nil, "", err
	}
	cmd, err := m.emulator(ctx)
	if err != nil {
		return nil, "", err
	}
	cmd.Args = append(cmd.Args, "-accel", "tcg,thread=multi", "-cpu", "max"+m.Lacks, "-smp", strconv.Itoa(m.CPUs), "-m", strconv.Itoa(m.Memory),
		"-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio", "-kernel", kernel[0], "-initrd", files,
		"-drive", "if=virtio,format=raw,cache=unsafe,file="+m.Disk,
		"-append", "console=ttyS0 loglevel=4 panic=-1 tsc=reliable psi=1 cgroup_no_v1=all "+m.Words)
	var said bytes.Buffer
	cmd.Stdout = &said
	if m.Console != nil {
		cmd.Stdout = io.MultiWriter(&said, m.Console)
	}
	cmd.Stderr = cmd.Stdout
	err = cmd.Run()
	results, bad := parse(said.String())
	return results, said.String(), errors.Join(err, bad)
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
func (m *Machine) archive(to string) error {
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	defer f.Close()
	a := NewArchive(f)
	err = errors.Join(a.File("/init", m.Init), m.modules(a))
	for _, dir := range []string{"/proc", "/sys", "/dev", "/tmp", "/run"} {
		err = errors.Join(err, a.Dir(dir))
	}
	for _, put := range m.Files {
		err = errors.Join(err, put(a))
	}
	return errors.Join(err, a.Close(), f.Close())
}

// modules adds the kernel's modules and /modules, which lists them in order.
func (m *Machine) modules(a *Archive) error {
	list, err := NewModules(filepath.Join(m.Packages, "root/lib/modules"), slices.Concat(diskModules, m.Modules)...)
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
