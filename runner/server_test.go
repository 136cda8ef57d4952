//go:build linux

package runner

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheSocketIsOurs(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "deep", "r.sock")
	for range 2 { // the second finds what the first left behind
		l, err := listenUnix(path)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o666 {
			t.Errorf("%v %v", info, err)
		}
		l.(interface{ SetUnlinkOnClose(bool) }).SetUnlinkOnClose(false)
		l.Close()
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listenUnix(file); err == nil {
		t.Error("a file is replaced by the socket")
	}
	if err := Status(t.Context(), filepath.Join(dir, "none"), &bytes.Buffer{}); err == nil || !strings.HasPrefix(err.Error(), "no runner at ") {
		t.Errorf("error %v", err)
	}
}
