package agent

import (
	"os"
	"os/signal"
	"syscall"
	"testing"
)

// TestMain has programs that the tests start handle SIGHUP as usual, also where this one was started to ignore it, as by nohup:
// that is handed down.
func TestMain(m *testing.M) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	os.Exit(m.Run())
}
