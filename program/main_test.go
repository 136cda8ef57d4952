package program

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/spf13/pflag"
)

func TestExitCodes(t *testing.T) {
	broken := errors.New("broken")
	log := slog.New(slog.DiscardHandler)
	for _, c := range []struct {
		err  error
		code int
		says string
	}{
		{nil, 0, ""},
		{pflag.ErrHelp, 0, ""},
		{broken, 1, "broken\n"},
		{Logged(log, nil), 0, ""},
		{Logged(log, broken), 1, ""},
		{Usage("--x: want %d", 1), 2, "--x: want 1\n"},
		{fmt.Errorf("gate: %w", Usage("--x")), 2, "gate: --x\n"},
		{ExitError(7), 7, ""},
	} {
		var out bytes.Buffer
		if code := ExitCode(c.err, &out); code != c.code || out.String() != c.says {
			t.Errorf("%v: exit code %d, %q; want %d, %q", c.err, code, out.String(), c.code, c.says)
		}
	}
}

func TestFlagsAndArguments(t *testing.T) {
	for _, c := range []struct {
		args []string
		want int
		says string
	}{
		{[]string{"--level=debug", "pod"}, 1, ""},
		{nil, 0, ""},
		{[]string{"--leve=debug"}, 0, "unknown flag: --leve"},
		{[]string{"a", "b"}, 1, `unexpected argument "b"`},
		{nil, 1, "inspect: want arguments: 1, got 0"},
	} {
		f := pflag.NewFlagSet("inspect", pflag.ContinueOnError)
		f.String("level", "info", "")
		err := Parse(f, c.args, c.want, new(bytes.Buffer))
		var usage *UsageError
		if said := fmt.Sprint(err); c.says == "" && err != nil || c.says != "" && (said != c.says || !errors.As(err, &usage)) {
			t.Errorf("%q: %v, want %q", c.args, err, c.says)
		}
	}
	if err := Parse(pflag.NewFlagSet("inspect", pflag.ContinueOnError), []string{"--help"}, 0, new(bytes.Buffer)); !errors.Is(err, pflag.ErrHelp) {
		t.Errorf("--help: %v", err)
	}
}

func TestLevels(t *testing.T) {
	if _, err := Log("loud", new(bytes.Buffer)); fmt.Sprint(err) != `--log-level: want debug, info, warn or error, got "loud"` {
		t.Error(err)
	}
	var out bytes.Buffer
	log, err := Log("warn", &out)
	if err != nil {
		t.Fatal(err)
	}
	log.Info("not said")
	log.Warn("said")
	if !bytes.Contains(out.Bytes(), []byte(`"msg":"said"`)) || bytes.Contains(out.Bytes(), []byte("not said")) {
		t.Errorf("log: %s", out.String())
	}
}
