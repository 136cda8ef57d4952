//go:build linux

package node

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestConfigMistakesAreNamed(t *testing.T) {
	for _, tc := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"name in capitals", Config{Name: "Mine"}, `name "Mine": want at most 32 of a-z, 0-9 and -, which is not first or last`},
		{"name that is a path", Config{Name: "../mine"}, `name "../mine": want at most 32 of a-z, 0-9 and -, which is not first or last`},
		{"three nodes", Config{Nodes: 3}, "nodes 3: want 1 or 2"},
		{"negative nodes", Config{Nodes: -1}, "nodes -1: want 1 or 2"},
		{"memory of a node that is not there", Config{NodeMemory: []int64{1, 1}}, "memory of 2 nodes, but there are 1"},
		{"grace that a healthy node exceeds", Config{NodeGrace: time.Second}, "node grace 1s: want at least 15s"},
		{"no time to come up", Config{ReadyTimeout: -time.Second}, "ready timeout -1s: want more than 0"},
		{"directory that nodes do not see", Config{Dir: "/run/mine"}, "/run/mine: a node does not see the machine's /run: choose another directory"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.cfg.Log = io.Discard
			if _, err := newPlan(tc.cfg); err == nil || err.Error() != tc.want {
				t.Errorf("error = %v\nwant    %s", err, tc.want)
			}
		})
	}
}

func TestUpWithoutRootSaysWhatItNeeds(t *testing.T) {
	err := onThrowAwayThread(func() error {
		// The system call itself is of one thread, unlike syscall.Setresuid; without root it fails, and need not succeed.
		_, _, _ = syscall.RawSyscall(syscall.SYS_SETRESUID, 65534, 65534, 65534)
		_, err := Up(t.Context(), Config{Name: testName, Dir: filepath.Join(t.TempDir(), "instance")})
		return err
	})
	if !errors.Is(err, ErrNotRoot) {
		t.Errorf("Up = %v, want %v", err, ErrNotRoot)
	}
}

func TestDirectoryOfOthersIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	precious := filepath.Join(dir, "precious")
	if err := os.WriteFile(precious, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := clear(dir, testName)
	if want := dir + ": holds files, but none of an instance: choose another directory"; err == nil || err.Error() != want {
		t.Errorf("error = %v\nwant    %s", err, want)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
	p := plan{Name: testName + "-a", Dir: t.TempDir(), Nodes: []member{{Name: "node-1"}}}
	if err := p.save(); err != nil {
		t.Fatal(err)
	}
	err = clear(p.Dir, testName)
	if want := p.Dir + `: holds instance "node-test-a": choose another directory`; err == nil || err.Error() != want {
		t.Errorf("error = %v\nwant    %s", err, want)
	}
}

func TestMoreMemoryThanThereIs(t *testing.T) {
	if _, err := reserve(1 << 60); err == nil {
		t.Error("a node of 1 EiB is accepted")
	}
	reserved, err := reserve(1 << 30)
	if err != nil {
		t.Fatal(err)
	}
	all, err := reserve(1)
	if err != nil {
		t.Fatal(err)
	}
	if all-reserved != 1<<30-1 {
		t.Errorf("reserved for 1 GiB: %d, for 1 byte: %d, want 1 GiB less a byte between them", reserved, all)
	}
}

func TestFirstThreadStaysWhereItIs(t *testing.T) {
	for range 200 { // the first thread comes along now and then
		err := onThrowAwayThread(func() error {
			if unix.Gettid() == unix.Getpid() {
				return errors.New("the work is done by the first thread")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
