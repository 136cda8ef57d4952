//go:build linux

package settle

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// mapping is a part of the address space, as proc_pid_smaps(5) describes it.
type mapping struct {
	from, to  uintptr
	resident  int64 // bytes
	anonymous int64 // bytes that are the process's own, as changed pages are
	mode      string
	path      string
}

// unmap takes those pages of the program's own file out of the page tables that nobody has changed, and tells how many bytes.
func unmap() (bytes int64, err error) {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return 0, err
	}
	file, err := os.Open("/proc/self/smaps")
	if err != nil {
		return 0, err
	}
	defer file.Close()
	all, err := mappings(file)
	if err != nil {
		return 0, err
	}
	for _, m := range all {
		if !m.spare(program) {
			continue
		}
		// Cold first: pages that are taken out of the page tables while they look used would be kept for longer. Linux knows
		// it since 5.4; without it the rest is as good.
		_ = m.advise(unix.MADV_COLD)
		if err := m.advise(unix.MADV_DONTNEED); err != nil {
			return bytes, fmt.Errorf("madvise %s: %w", m.path, err)
		}
		bytes += m.resident
	}
	return bytes, nil
}

func (m *mapping) advise(advice uintptr) error {
	if _, _, errno := unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, advice); errno != 0 {
		return errno
	}
	return nil
}

// spare reports whether a mapping can be read from the program's file again as it is. A breakpoint that a tracer has set in it
// (a uprobe) is a page of the process's own, and would be lost.
func (m *mapping) spare(program string) bool {
	return m.path == program && m.mode[1] == '-' && m.anonymous == 0
}

// mappings reads /proc/PID/smaps.
func mappings(smaps io.Reader) ([]mapping, error) {
	var all []mapping
	lines := bufio.NewScanner(smaps)
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), " ")
		switch {
		case key == "Rss:" && len(all) > 0:
			all[len(all)-1].resident = kilobytes(value)
		case key == "Anonymous:" && len(all) > 0:
			all[len(all)-1].anonymous = kilobytes(value)
		case !strings.HasSuffix(key, ":"):
			m, err := newMapping(key, value)
			if err != nil {
				return nil, err
			}
			all = append(all, m)
		}
	}
	return all, lines.Err()
}

// newMapping reads FROM-TO MODE OFFSET DEVICE INODE PATH.
func newMapping(addresses, rest string) (mapping, error) {
	from, to, _ := strings.Cut(addresses, "-")
	begin, err := strconv.ParseUint(from, 16, 64)
	if err != nil {
		return mapping{}, err
	}
	end, err := strconv.ParseUint(to, 16, 64)
	if err != nil {
		return mapping{}, err
	}
	fields := strings.Fields(rest)
	if len(fields) < 4 || len(fields[0]) != 4 {
		return mapping{}, fmt.Errorf("%q is no mapping", rest)
	}
	return mapping{from: uintptr(begin), to: uintptr(end), mode: fields[0], path: strings.Join(fields[4:], " ")}, nil
}

func kilobytes(value string) int64 {
	n, _ := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
	return n << 10
}
