package webhook_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/pillion-dev/pillion/test/golden"
	"github.com/pillion-dev/pillion/webhook"
)

// inFilter tells a child of the test what to do once no file and no socket can be opened any more.
const inFilter = "PILLION_TEST_IN_FILTER"

// TestAdmissionOpensNoFileAndNoSocket answers every golden case in a process that the kernel kills when it opens a file or
// a socket or connects one. That the filter kills is shown by a child that does open one.
func TestAdmissionOpensNoFileAndNoSocket(t *testing.T) {
	for _, c := range []struct {
		what  string
		lives bool
	}{{"reviews", true}, {"file", false}, {"socket", false}} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestInFilter$", "-test.v")
		cmd.Env = append(os.Environ(), inFilter+"="+c.what)
		out, err := cmd.CombinedOutput()
		answered := strings.Contains(string(out), "answered in the filter")
		switch {
		case c.lives && (err != nil || !answered):
			t.Errorf("%s: %v\n%s", c.what, err, out)
		case !c.lives && (err == nil || cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGSYS):
			t.Errorf("%s: the filter let it through: %v\n%s", c.what, err, out)
		}
	}
}

// TestInFilter is the child; in the parent's own run there is nothing for it to do.
func TestInFilter(t *testing.T) {
	what := os.Getenv(inFilter)
	if what == "" {
		return
	}
	cases, err := golden.Cases()
	if err != nil {
		t.Fatal(err)
	}
	h := goldenHandler(t, cases)
	var bodies [][]byte
	for _, c := range cases {
		bodies = append(bodies, goldenReview(t, c, false))
	}
	answerAll(t, h, bodies[:1]) // what is made once is made now
	if err := refuseToOpen(); err != nil {
		t.Fatal(err)
	}
	switch what {
	case "file":
		_, _ = os.Open("/dev/null")
	case "socket":
		_, _ = http.Get("http://127.0.0.1:1/")
	}
	n := answerAll(t, h, bodies)
	fmt.Printf("%d reviews answered in the filter\n", n)
}

func answerAll(t *testing.T, h *webhook.Handler, bodies [][]byte) int {
	for _, body := range bodies {
		r := httptest.NewRequest(http.MethodPost, webhook.PathMutate+"?timeout=2s", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			t.Fatalf("%d: %s", w.Code, w.Body)
		}
	}
	return len(bodies)
}

// refuseToOpen has the kernel kill the process when any of its threads opens a file or a socket:
// https://docs.kernel.org/userspace-api/seccomp_filter.html
func refuseToOpen() error {
	calls := []uint32{unix.SYS_OPENAT, unix.SYS_OPENAT2, unix.SYS_SOCKET, unix.SYS_CONNECT, unix.SYS_BIND, unix.SYS_EXECVE}
	const offsetOfNumber = 0
	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offsetOfNumber}}
	for i, nr := range calls {
		toKill := uint8(len(calls) - i) // past the other comparisons and the permission
		filter = append(filter, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: nr, Jt: toKill})
	}
	filter = append(filter, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_KILL_PROCESS})
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return errno
	}
	return nil
}
