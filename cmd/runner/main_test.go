//go:build linux

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/program"
)

func TestCommandLine(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.yaml")
	if err := os.WriteFile(bad, []byte("jobs: [{name: A}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		args []string
		code int
		want string
	}{
		{[]string{"version"}, 0, "runner devel"},
		{[]string{"serve", "--help"}, 0, "--config"},
		{[]string{"nope"}, 2, `there is no command "nope"` + "\nrunner serve"},
		{[]string{"run"}, 2, "runner run: want arguments: 1, got 0\n"},
		{[]string{"status", "x"}, 2, `unexpected argument "x"`},
		{[]string{"serve", "--nope"}, 2, "unknown flag: --nope\n"},
		{[]string{"--reload=1ms"}, 2, "--reload is at least 10ms\n"},
		{[]string{"check", "--config=" + bad}, 1, bad + ":1: jobs[0].name: must be at most 63 lower-case letters"},
		{[]string{"serve", "--config=" + dir + "/none"}, 1, "no such file or directory\n"},
		{[]string{"run", "a", "--socket=" + dir + "/none"}, 1, "no runner at " + dir + "/none: "},
		{[]string{"run", "../a", "--socket=" + dir + "/none"}, 1, `"../a" is not the name of a job`},
		{[]string{"copy"}, 2, "copy needs --to and --file\n"},
		{[]string{"copy", "--to=" + dir, "--file=a"}, 2, `--file "a": the path in the image must be absolute and clean`},
		{[]string{"copy", "--to=" + dir, "--file=/a", "--limit=much"}, 2, `--limit "much": must be a quantity such as 256Mi`},
		{[]string{"copy", "--to=" + dir, "--image=" + dir, "--file=/nope"}, 1, "copy /nope: "},
		{[]string{"copy", "--to=" + dir, "--image=" + dir, "--file=/bad.yaml=good.yaml", "--limit=1Ki"}, 0, `"msg":"copied","files":1,"bytes":18`},
		{[]string{"install"}, 2, "runner install: want arguments: 1, got 0\n"},
	}
	for _, test := range tests {
		var out bytes.Buffer
		code := program.ExitCode(start(t.Context(), test.args, &out, &out), &out)
		if code != test.code || !strings.Contains(out.String(), test.want) {
			t.Errorf("%q: exit code %d\n%s", test.args, code, out.String())
		}
	}
}
