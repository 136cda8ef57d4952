package cli_test

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pillion-dev/pillion/cli"
	"github.com/pillion-dev/pillion/live"
	"github.com/pillion-dev/pillion/test/golden"
)

var update = flag.Bool("update", false, "write what the scripts compare with anew")

func TestMain(m *testing.M) {
	run := func() {
		os.Exit(cli.Run(&cli.Process{Args: os.Args, In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv, Connect: connect, Version: "v0.0.0-test"}))
	}
	testscript.Main(m, map[string]func(){"pillion": run, "kubectl-pillion": run})
}

// connect is that of cmd/pillion: the scripts have no cluster, but flags and kubeconfigs that lead to none.
func connect(kubeconfig, context string) (cli.Server, string, error) {
	server, err := live.Open(kubeconfig, context)
	if err != nil {
		return nil, "", err
	}
	return server, server.DefaultNamespace(), nil
}

// TestScripts runs the program as its users do: every command, every exit code. The directory catalog holds some of the
// golden entries; no-newline.json is what a script cannot hold.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           filepath.Join("testdata", "script"),
		UpdateScripts: *update,
		Cmds:          map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		Setup: func(env *testscript.Env) error {
			dir := filepath.Join(env.WorkDir, "catalog")
			if err := os.Mkdir(dir, 0o755); err != nil {
				return err
			}
			oneLine := `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"one-line","annotations":{"pillion.dev/inject":"envy"}},"spec":{"containers":[{"name":"a","image":"a"}]}}`
			if err := os.WriteFile(filepath.Join(env.WorkDir, "no-newline.json"), []byte(oneLine), 0o644); err != nil {
				return err
			}
			for _, name := range []string{"front.yaml", "shipper.yaml", "envy.yaml", "keeper.yaml"} {
				text, err := os.ReadFile(filepath.Join(golden.Dir(), "catalog", name))
				if err != nil {
					return err
				}
				if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
					return err
				}
			}
			return nil
		},
	})
}

// exits runs a program and checks its exit code: exits 1 pillion diff x.yaml.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code program [args...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code is %d, want %d", got, want)
	}
}

// TestStart prints how long the program takes to start and load the built-in catalog; the goal is less than 50 ms. It
// fails only where the program does, as a machine may be busy.
func TestStart(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	pillion := filepath.Join(t.TempDir(), "pillion")
	if err := os.Symlink(self, pillion); err != nil {
		t.Fatal(err)
	}
	const runs = 10
	var best time.Duration
	for range runs {
		began := time.Now()
		cmd := exec.Command(pillion, "version")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if took := time.Since(began); best == 0 || took < best {
			best = took
		}
	}
	t.Logf("pillion version: %v at best of %d runs", best, runs)
}
