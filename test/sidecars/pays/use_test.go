package pays

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// use is what a container has in memory, in bytes, and the CPU time it took. Only what its own processes share with each other
// counts once; a page of a file counts whether or not another container has it too.
type use struct {
	anonymous, file int64
	cpu             time.Duration
}

func (u use) resident() int64 { return u.anonymous + u.file }

func (u use) plus(o use) use {
	return use{u.anonymous + o.anonymous, u.file + o.file, u.cpu + o.cpu}
}

// String is resident (anonymous + file) in MB.
func (u use) String() string {
	return fmt.Sprintf("%.1f (%.1f + %.1f)", mb(u.resident()), mb(u.anonymous), mb(u.file))
}

func mb(bytes int64) float64 { return float64(bytes) / 1e6 }

// use is of the process and its children.
func (p *process) use(t *testing.T) (sum use) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]int64{}
	for _, file := range stats {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		_, after, _ := bytes.Cut(b, []byte(") "))
		fields := strings.Fields(string(after))
		if len(fields) < 14 || fields[2] != strconv.Itoa(p.cmd.Process.Pid) { // the group
			continue
		}
		user, _ := strconv.ParseInt(fields[11], 10, 64)
		system, _ := strconv.ParseInt(fields[12], 10, 64)
		sum.cpu += time.Duration(user+system) * 10 * time.Millisecond // Linux counts in hundredths
		for _, of := range []string{"smaps", "smaps_rollup"} {
			text, err := os.ReadFile(filepath.Join(filepath.Dir(file), of))
			if err != nil {
				t.Fatal(err)
			}
			sum.anonymous += readMemory(string(text), files)
		}
	}
	for _, bytes := range files {
		sum.file += bytes
	}
	if sum.anonymous == 0 || sum.file == 0 {
		t.Fatalf("%s has no memory", p.cmd.Path)
	}
	return sum
}

// readMemory reads smaps and smaps_rollup. It gives a process's share of anonymous memory, which it shares with its children and
// nobody else, and notes what it has mapped of a file, or of shared memory, where that is more than another of the group has.
func readMemory(text string, files map[string]int64) (anonymous int64) {
	at, resident := "", int64(0)
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch words[0] {
		case "Rss:":
			resident = kilobytes(words[1])
		case "Anonymous:":
			if !strings.HasSuffix(at, "[rollup]") { // that is the sum of all
				files[at] = max(files[at], resident-kilobytes(words[1]))
			}
		case "Pss_Anon:": // in the rollup alone
			anonymous = kilobytes(words[1])
		default:
			if !strings.HasSuffix(words[0], ":") { // ADDRESSES MODE OFFSET DEVICE INODE PATH
				at = strings.Join(words[1:], " ")
			}
		}
	}
	return anonymous
}

func kilobytes(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64)
	return n << 10
}
