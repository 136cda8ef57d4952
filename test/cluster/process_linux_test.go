package cluster

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// parentVariable makes this test binary a program that starts a child, says its pid and then waits to be killed.
const parentVariable = "PILLION_TEST_PARENT"

func TestMain(m *testing.M) {
	if dir := os.Getenv(parentVariable); dir != "" {
		p, err := startProcess("/bin/sleep", dir, "600")
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(p.cmd.Process.Pid)
		<-p.done
	}
	os.Exit(m.Run())
}

func TestChildEndsWhenItsParentIsKilled(t *testing.T) {
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), parentVariable+"="+t.TempDir())
	output, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // "signal: killed"
	waitUntil(t, func() bool { return !alive(child) })
}

func TestChildOutlivesTheThreadThatAskedForIt(t *testing.T) {
	var p *process
	var err error
	thread := throwAwayThread(func() { p, err = startProcess("/bin/sleep", t.TempDir(), "600") })
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	waitUntil(t, func() bool {
		_, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", thread))
		return os.IsNotExist(err)
	})
	if err := p.failure(); err != nil {
		t.Error(err)
	}
}

// throwAwayThread runs f on a thread that ends after it, and returns the thread's id. The first thread of a program
// never ends, so when it is the one that comes along it is held back until another has done the work.
func throwAwayThread(f func()) (thread int) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // not unlocked below: the thread ends with this goroutine
		if thread = syscall.Gettid(); thread == os.Getpid() {
			defer runtime.UnlockOSThread()
			thread = throwAwayThread(f)
			return
		}
		f()
	}()
	<-done
	return thread
}

// alive is false for a zombie too, as nobody may be there to reap one.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func waitUntil(t *testing.T, reached func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !reached(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not reached within 20 s")
		}
	}
}
