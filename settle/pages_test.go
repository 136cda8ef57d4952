//go:build linux

package settle

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const smaps = `00400000-00e00000 r-xp 00000000 fe:00 131 /log shipper
Size:              10240 kB
Rss:                9000 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me sd
00e00000-01e00000 r--p 00a00000 fe:00 131                               /log shipper
Rss:                8000 kB
Anonymous:             4 kB
01e00000-01f00000 rw-p 01a00000 fe:00 131                               /log shipper
Rss:                 700 kB
Anonymous:             0 kB
7f0000000000-7f0000021000 r--p 00000000 00:00 0
Rss:                   8 kB
Anonymous:             0 kB
`

func TestSpareIsTheProgramsOwnFileUnchanged(t *testing.T) {
	all, err := mappings(strings.NewReader(smaps))
	if err != nil {
		t.Fatal(err)
	}
	want := []mapping{
		{from: 0x400000, to: 0xe00000, resident: 9000 << 10, mode: "r-xp", path: "/log shipper"},
		{from: 0xe00000, to: 0x1e00000, resident: 8000 << 10, anonymous: 4 << 10, mode: "r--p", path: "/log shipper"},
		{from: 0x1e00000, to: 0x1f00000, resident: 700 << 10, mode: "rw-p", path: "/log shipper"},
		{from: 0x7f0000000000, to: 0x7f0000021000, resident: 8 << 10, mode: "r--p"},
	}
	if diff := cmp.Diff(want, all, cmp.AllowUnexported(mapping{})); diff != "" {
		t.Error(diff)
	}
	for i, m := range all {
		if got := m.spare("/log shipper"); got != (i == 0) {
			t.Errorf("%s %s: spare is %t", m.mode, m.path, got)
		}
	}
	if _, err := mappings(strings.NewReader("no mapping\n")); err == nil {
		t.Error("what is no mapping was read")
	}
}

// mapped is what this process has mapped of its program's file, in bytes.
func mapped(t *testing.T) (bytes int64) {
	t.Helper()
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	all, err := mappings(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if m.spare(program) {
			bytes += m.resident
		}
	}
	return bytes
}

func TestAProgramSettlesAndGoesOn(t *testing.T) {
	before := mapped(t)
	told := make(chan int64, 1)
	stop := After(time.Millisecond, func(bytes int64, err error) {
		if err != nil {
			t.Error(err)
		}
		told <- bytes
	})
	defer stop()
	bytes, after := <-told, mapped(t)
	t.Logf("%d kB of the program's file mapped before, %d unmapped, %d after", before>>10, bytes>>10, after>>10)
	if bytes == 0 || after >= before {
		t.Errorf("%d bytes mapped before, %d unmapped, %d after", before, bytes, after)
	}
}
