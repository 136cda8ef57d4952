package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pillion-dev/pillion/node/namespace"
	"github.com/pillion-dev/pillion/node/redirect"
)

// within runs f in a network namespace with a loopback. All that f starts has to be on its thread: it dials and listens by
// address, which takes no other goroutine.
func within(t *testing.T, f func(ns *namespace.Net) error) {
	t.Helper()
	err := namespace.OnThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("%w: these tests need root", err)
		}
		if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		ns, err := namespace.OpenNet("/proc/thread-self/ns/net", 0)
		if err != nil {
			return err
		}
		defer ns.Close()
		return f(ns)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheConstantsAreTheRedirects(t *testing.T) {
	if Port != redirect.GatePort || Canary != redirect.CanaryPort {
		t.Error("the ports differ")
	}
}

func wait(d time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return Wait(ctx, slog.New(slog.DiscardHandler))
}

func TestTheGateOpensOnlyWithTheTable(t *testing.T) {
	within(t, func(ns *namespace.Net) error {
		if err := wait(700 * time.Millisecond); !errors.Is(err, ErrShut) {
			t.Errorf("without a table: %v", err)
		}
		table := redirect.NewTable(&redirect.Spec{Outbound: 15001}, &redirect.Proxy{}, redirect.Active)
		loaded := make(chan error, 1)
		go func() {
			time.Sleep(300 * time.Millisecond)
			_, err := new(redirect.Loader).Ensure(ns, nil, table)
			loaded <- err
		}()
		if err := wait(10 * time.Second); err != nil {
			t.Errorf("with a table that comes late: %v", err)
		}
		return <-loaded
	})
}

// TestNobodyElseOpensTheGate has another program of the Pod answer at the canary's port.
func TestNobodyElseOpensTheGate(t *testing.T) {
	within(t, func(*namespace.Net) error {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", Canary))
		if err != nil {
			return err
		}
		defer l.Close()
		go answer(l, "00000000000000000000000000000000\n")
		if err := wait(700 * time.Millisecond); !errors.Is(err, ErrShut) {
			t.Errorf("got %v", err)
		}
		return nil
	})
}
