//go:build linux

package node

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// The arguments of a program that runs again inside an instance are initMark, a role and what the role needs.
const (
	initMark      = "pillion-node"
	roleInit      = "init"      // the first process of a node: index of the node, path of the plan
	roleSupervise = "supervise" // starts the components: 0, path of the plan
	roleExec      = "exec"      // becomes another program: its path, its arguments
)

// The first process of an instance gets these open files.
const (
	leashFile  = 3 // it ends when this closes, unless a byte says that the instance is on its own
	eventsFile = 4 // see event
	lockFile   = 5 // held for as long as the instance lives
)

// Init must be called at the very start of any program that uses this package, in main or TestMain: Up and Exec run the
// program again inside an instance. There Init does what is to be done and does not return.
func Init() {
	if !inside() {
		return
	}
	if os.Args[2] == roleExec {
		fmt.Fprintln(os.Stderr, "node:", become(os.Args[3:]))
		os.Exit(126)
	}
	events := os.NewFile(eventsFile, "events")
	syscall.CloseOnExec(eventsFile)
	err := play(os.Args[2], os.Args[3], os.Args[4], events)
	_ = tell(events, event{Kind: failed, Text: fmt.Sprint(err)}) // whoever reads it may be gone; the log has it too
	fmt.Fprintln(os.Stderr, "node:", err)
	os.Exit(1)
}

func inside() bool {
	return len(os.Args) > 3 && os.Args[1] == initMark && (os.Args[2] == roleExec || len(os.Args) == 5)
}

func play(role, node, path string, events *os.File) error {
	index, err := strconv.Atoi(node)
	if err != nil {
		return err
	}
	p, err := loadPlan(path)
	if err != nil {
		return err
	}
	if role == roleSupervise {
		return supervise(p, events)
	}
	return runInit(p, index, path, events)
}

// become makes this process another program, which the kernel kills when the caller of Exec ends. It returns an error or
// not at all. The parent cannot ask that of the kernel: it is in another process namespace.
func become(args []string) error {
	runtime.LockOSThread() // the wish is of this thread, which goes on as the program
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("exec %s: %w", args[0], err)
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	return fmt.Errorf("exec %s: %w", path, unix.Exec(path, args, os.Environ()))
}

// runInit is the first process of a node. It ends when the supervisor does, when it is told to, or with its caller; the
// kernel then ends all other processes of the node.
func runInit(p plan, index int, path string, events *os.File) error {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	if err := furnish(p, p.Nodes[index]); err != nil {
		return err
	}
	if index > 0 {
		if err := tell(events, event{Kind: furnished}); err != nil {
			return err
		}
		for range ended {
			reap(0)
		}
	}
	syscall.CloseOnExec(leashFile)
	syscall.CloseOnExec(lockFile)
	go holdLeash()
	supervisor, err := os.StartProcess("/proc/self/exe", []string{os.Args[0], initMark, roleSupervise, "0", path}, &os.ProcAttr{
		Env: os.Environ(),
		// The supervisor has the events under the same number.
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr, nil, events},
	})
	if err != nil {
		return err
	}
	for range ended {
		if reap(supervisor.Pid) {
			return fmt.Errorf("the supervisor (process %d) ended", supervisor.Pid)
		}
	}
	return nil
}

// holdLeash ends this process, and so the instance, when the caller of Up ends without having let go.
func holdLeash() {
	leash := os.NewFile(leashFile, "leash")
	if n, _ := leash.Read(make([]byte, 1)); n == 0 {
		os.Exit(1)
	}
}

// reap waits for every child that has ended, orphans of other processes too, and reports whether one was wanted.
func reap(wanted int) (found bool) {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil || pid <= 0:
			return found
		case pid == wanted:
			found = true
		}
	}
}
