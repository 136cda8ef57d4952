// Package settle tells the kernel, once after a program's start, which pages of the program's file the start alone has used.
//
// The start of a Go program initialises hundreds of packages, which lie all over its file. The kernel maps 16 pages, 64 KiB, for
// each that is touched, and so nearly all of the file, of which a sidecar that idles uses a tenth. What is mapped counts as
// resident memory and looks as if it were in use.
//
// What it does: it marks these pages as cold and takes them out of the process's page tables (madvise, MADV_COLD and
// MADV_DONTNEED). The kernel may drop them, and under pressure does so first, with no need to look for who uses them. A page
// that is used again is mapped again, within a microsecond and without a disk where it is still in the page cache.
//
// What it does not: the page cache keeps the pages until it needs the room, one copy for all containers of a node with the same
// image. So what becomes smaller is what a process has mapped (RssFile, of which many sidecars on a node show the same pages
// many times), not at once what the node has taken. Memory of the process's own (RssAnon) stays as it is, but for what the
// garbage collector gives back when it is asked to.
package settle

import (
	"runtime/debug"
	"time"
)

// Pause is how long after its start a program is taken to have started.
const Pause = 10 * time.Second

// After settles the program once, after a pause; the returned function calls that off. A program that cannot settle works all
// the same: what is wrong is given to report, which may be nil, and how many bytes were unmapped.
func After(pause time.Duration, report func(bytes int64, err error)) (stop func()) {
	timer := time.AfterFunc(pause, func() {
		debug.FreeOSMemory()
		bytes, err := unmap()
		if report != nil {
			report(bytes, err)
		}
	})
	return func() { timer.Stop() }
}
