package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pillion-dev/pillion/node"
	"github.com/pillion-dev/pillion/node/namespace"
	"github.com/pillion-dev/pillion/program/programtest"
)

func TestMain(m *testing.M) { programtest.Main(m, main) }

// numbers of the capabilities that the chart may give.
var numbers = map[string]uintptr{"SYS_ADMIN": unix.CAP_SYS_ADMIN, "NET_ADMIN": unix.CAP_NET_ADMIN, "SYS_PTRACE": unix.CAP_SYS_PTRACE}

// given reads those that the chart gives the helper.
func given(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../charts/pillion/templates/node.yaml")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`capabilities: \{drop: \[ALL\], add: \[([A-Z_, ]+)\]\}`).FindSubmatch(text)
	if found == nil {
		t.Fatal("the chart does not say which capabilities the helper has")
	}
	return strings.Split(string(found[1]), ", ")
}

// run is pillion-node with no capabilities but these, however it ends.
func run(t *testing.T, has []string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := programtest.Command(ctx, args...)
	cmd.Cancel = func() error { // it may be ending by itself
		time.Sleep(time.Second)
		return cmd.Process.Signal(unix.SIGTERM)
	}
	var out bytes.Buffer
	errs := &heard{enough: cancel}
	cmd.Stdout, cmd.Stderr = &out, errs
	err = withOnly(has, cmd.Run)
	return out.String(), errs.text.String(), err
}

// withOnly does something on a thread that has no capabilities but these, and can get no others; programs that it starts neither.
func withOnly(has []string, do func() error) error {
	return namespace.OnThread(func() error {
		for number := range uintptr(unix.CAP_LAST_CAP + 1) {
			if slices.ContainsFunc(has, func(name string) bool { return numbers[name] == number }) {
				continue
			}
			if err := unix.Prctl(unix.PR_CAPBSET_DROP, number, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
				return fmt.Errorf("%w: this test needs root", err)
			}
		}
		return do()
	})
}

// hostProcess is this one, which may do all that root may here.
func hostProcess() string { return fmt.Sprintf("--host-process=/proc/%d", os.Getpid()) }

func probed(t *testing.T, has []string) map[string]node.Capability {
	t.Helper()
	stdout, stderr, err := run(t, has, "capabilities", "-o", "json", hostProcess(), "--nri-socket="+filepath.Join(t.TempDir(), "none"))
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	var list []node.Capability
	if err := json.Unmarshal([]byte(stdout), &list); err != nil {
		t.Fatalf("%v\n%s", err, stdout)
	}
	out := map[string]node.Capability{}
	for _, c := range list {
		out[c.Name] = c
	}
	return out
}

func TestCapabilitiesOfTheChartAreEnough(t *testing.T) {
	can := probed(t, given(t))
	for _, name := range []string{"namespaces", "redirect", "cgroups"} {
		if !can[name].OK {
			t.Errorf("with what the chart gives, %s: %s", name, can[name].Detail)
		}
	}
	if nri := can["nri"]; nri.OK || !strings.Contains(nri.Detail, "is NRI on?") {
		t.Errorf("with no runtime: %+v", nri)
	}
}

// TestCapabilitiesAreAllNeeded takes each away: what cannot be done then says which it needs, and so does the helper at its start.
func TestCapabilitiesAreAllNeeded(t *testing.T) {
	broken := map[string]string{"SYS_ADMIN": "redirect", "NET_ADMIN": "redirect", "SYS_PTRACE": "namespaces"}
	for _, without := range given(t) {
		t.Run(without, func(t *testing.T) {
			has := slices.DeleteFunc(given(t), func(c string) bool { return c == without })
			c := probed(t, has)[broken[without]]
			if c.OK || !strings.Contains(c.Detail, without) {
				t.Errorf("%s: %+v", broken[without], c)
			}
			said, ended := agentSays(t, has)
			ends, fragments := documented(t, without)
			if ended != ends {
				t.Errorf("the helper ended by itself: %v, and says\n%s", ended, said)
			}
			for _, fragment := range fragments {
				_, rest, found := strings.Cut(said, fragment)
				if !found {
					t.Errorf("docs/node.md has %q, and the helper says\n%s", fragments, said)
				}
				said = rest
			}
		})
	}
}

// documented reads in docs/node.md what becomes of a helper that lacks a capability: whether it ends, and what it says, in parts.
func documented(t *testing.T, without string) (ends bool, says []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/node.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^\| ` + without + ` \|[^|]*\| it (ends|warns): ` + "`([^`]+)`").FindSubmatch(text)
	if found == nil {
		t.Fatalf("docs/node.md does not say what is without %s", without)
	}
	for part := range strings.SplitSeq(string(found[2]), "…") {
		if part = strings.TrimSpace(part); part != "" {
			says = append(says, part)
		}
	}
	return string(found[1]) == "ends", says
}

// agentSays starts the helper until it says what it needs, or ends, which is an error.
func agentSays(t *testing.T, has []string) (said string, ended bool) {
	t.Helper()
	dir := t.TempDir()
	_, said, err := run(t, has, "agent", hostProcess(), "--state-dir="+dir, "--profiles="+t.TempDir(), "--metrics-address=127.0.0.1:0", "--nri-socket="+filepath.Join(dir, "none"))
	var exit *exec.ExitError
	return said, errors.As(err, &exit)
}

// heard is what a program says; once it says what it needs, it has said enough.
type heard struct {
	text   bytes.Buffer
	enough func()
}

// Write takes up what is said.
func (h *heard) Write(b []byte) (int, error) {
	n, err := h.text.Write(b)
	if strings.Contains(h.text.String(), "the helper needs") {
		h.enough()
	}
	return n, err
}
