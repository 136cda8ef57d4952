package cgroup

import (
	"strconv"
	"strings"
	"time"
)

// Usage is what a cgroup has used since it is there, but for Memory.
type Usage struct {
	CPU       time.Duration `json:"cpu"`
	Throttled time.Duration `json:"throttled"`
	// Memory in use now, in bytes, with the page cache; Anonymous is the part that cannot be dropped.
	Memory    uint64 `json:"memory"`
	Anonymous uint64 `json:"anonymous"`
	// OOMKills are processes of it that the kernel killed for want of memory.
	OOMKills uint64 `json:"oomKills"`
	// Some of its tasks, or all (full), stood still for so long for want of CPU, memory or the disk, where the kernel counts it.
	CPUSome    time.Duration `json:"cpuSome"`
	MemorySome time.Duration `json:"memorySome"`
	MemoryFull time.Duration `json:"memoryFull"`
	IOSome     time.Duration `json:"ioSome"`
	IOFull     time.Duration `json:"ioFull"`
}

// Sample reads a container's usage: of each value the file of the version that controls it. It is false where the cgroup is gone.
func (d *Dir) Sample() (u Usage, ok bool) {
	if text, is := d.read("cpuacct", "cpuacct.usage"); is {
		u.CPU, ok = time.Duration(number(text)), true
		if text, is := d.read("cpu", "cpu.stat"); is {
			u.Throttled = time.Duration(flat(text)["throttled_time"])
		}
	} else if text, is := d.read("", "cpu.stat"); is {
		stat := flat(text)
		u.CPU, u.Throttled, ok = micro(stat["usage_usec"]), micro(stat["throttled_usec"]), true
	}
	d.memory(&u)
	if text, is := d.read("", "cpu.pressure"); is {
		u.CPUSome, _ = pressure(text)
	}
	if text, is := d.read("", "memory.pressure"); is {
		u.MemorySome, u.MemoryFull = pressure(text)
	}
	if text, is := d.read("", "io.pressure"); is {
		u.IOSome, u.IOFull = pressure(text)
	}
	return u, ok
}

func (d *Dir) memory(u *Usage) {
	if text, is := d.read("memory", "memory.usage_in_bytes"); is {
		u.Memory = number(text)
		if text, is := d.read("memory", "memory.stat"); is {
			u.Anonymous = flat(text)["total_rss"]
		}
		if text, is := d.read("memory", "memory.oom_control"); is {
			u.OOMKills = flat(text)["oom_kill"]
		}
		return
	}
	if text, is := d.read("", "memory.current"); is {
		u.Memory = number(text)
	}
	if text, is := d.read("", "memory.stat"); is {
		u.Anonymous = flat(text)["anon"]
	}
	if text, is := d.read("", "memory.events"); is {
		u.OOMKills = flat(text)["oom_kill"]
	}
}

func micro(n uint64) time.Duration { return time.Duration(n) * time.Microsecond }

// noLimit is what version 1 has for memory without a limit: the largest whole number of pages, in bytes.
const noLimit = 1<<63 - pageSize

// bound words no limit alike for both versions.
func bound(value string) string {
	if n, err := strconv.ParseUint(value, 10, 64); value == "-1" || err == nil && n >= noLimit {
		return "max"
	}
	return value
}

// Limits are those of a container now, as its files have them, by name, for people to read: max is no limit.
func (d *Dir) Limits() map[string]string {
	out := map[string]string{}
	for controller, files := range map[string][]string{"": {"cpu.max", fileWeight, fileBurst, "memory.max", FileHigh, fileIOWeight, "pids.max"},
		"cpu": {"cpu.shares", "cpu.cfs_quota_us", "cpu.cfs_period_us"}, "memory": {"memory.limit_in_bytes"}} {
		for _, f := range files {
			if text, is := d.read(controller, f); is {
				out[f] = bound(strings.TrimSpace(text))
			}
		}
	}
	return out
}
