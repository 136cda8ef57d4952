package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/pillion-dev/pillion/node/cgroup"
)

// shortContainers is how many live and end in one Pod.
const shortContainers = 200

// ledger has many short containers in a Pod burn CPU and end: the Pod's counter, which outlives them, is their sum, but for the
// part of a microsecond that each reading leaves out.
func ledger() (string, error) {
	h, err := cgroup.Find()
	if err != nil {
		return "", err
	}
	at := "/ledger-pod"
	pod := filepath.Join(root, at)
	err = errors.Join(os.Mkdir(pod, 0o755), os.WriteFile(filepath.Join(pod, "cgroup.subtree_control"), []byte("+cpu +memory"), 0))
	if err != nil {
		return "", err
	}
	above, err := h.Open(cgroup.Paths{"": at}, "ledger-pod")
	if err != nil {
		return "", err
	}
	defer above.Close()
	var sum time.Duration
	for i := range shortContainers {
		used, err := short(h, fmt.Sprintf("%s/c%d", at, i))
		if err != nil {
			return "", err
		}
		sum += used
	}
	u, ok := above.Sample()
	off := u.CPU - sum
	seen := fmt.Sprintf("%d containers used %s, their Pod %s: %s apart", shortContainers, sum, u.CPU, off)
	if !ok || sum <= 0 || off < -shortContainers*time.Microsecond || off > shortContainers*time.Microsecond {
		return seen, errors.New("more than a microsecond for each")
	}
	return seen, nil
}

// short runs a process in a new cgroup from its first instruction on, and takes the last reading.
func short(h cgroup.Hierarchies, at string) (time.Duration, error) {
	dir := filepath.Join(root, at)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return 0, err
	}
	defer os.Remove(dir)
	d, err := h.Open(cgroup.Paths{"": at}, filepath.Base(at))
	if err != nil {
		return 0, err
	}
	defer d.Close()
	f, err := os.Open(dir)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	cmd := exec.Command("/bin/sh", "-c", "i=0; while [ $i -lt 500 ]; do i=$((i+1)); done")
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(f.Fd())}
	if err := cmd.Run(); err != nil {
		return 0, err
	}
	u, ok := d.Sample()
	if !ok {
		return 0, fmt.Errorf("%s cannot be read", at)
	}
	return u.CPU, nil
}

// tests runs a package's own tests, which were compiled for this.
func tests(name, run string) func() (string, error) {
	return func() (string, error) {
		cmd := exec.Command("/tests/"+name, "-test.v", "-test.timeout=90s", "-test.run="+run)
		cmd.Dir = "/tmp"
		out, err := cmd.CombinedOutput()
		passed := strings.Count(string(out), "\n--- PASS: ")
		seen := fmt.Sprintf("%d tests pass", passed)
		if err != nil {
			return seen, fmt.Errorf("%w\n%s", err, out)
		}
		if passed == 0 || strings.Contains(string(out), "--- SKIP") {
			return seen, fmt.Errorf("nothing was tested: %s", out)
		}
		return seen, nil
	}
}
