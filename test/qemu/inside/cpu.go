package main

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/node/cgroup"
)

// everything is what this kernel's containers have.
var everything = cgroup.Supported{Weight: true, High: true, Burst: true, IOWeight: true}

// idle does nothing, for as long as it lives.
const idle = "sleep 1000"

func versions() (string, error) {
	h, err := cgroup.Find()
	if err != nil {
		return "", err
	}
	o := order{parent: "/first", id: "probe", script: idle}
	c, err := o.start()
	if err != nil {
		return "", err
	}
	defer c.end()
	has := h.Supports(c.paths())
	if has != everything || h.Version1() || len(h) != 1 {
		err = fmt.Errorf("want %+v", everything)
	}
	return fmt.Sprintf("hierarchies %v, a container's cgroup has %+v", h, has), err
}

// burst gives a container a burst and then half its CPU: the kernel refuses, runc tells so, and the container keeps what it had.
// With the burst dropped first and the one for the new size sent along, as the helper does, it is taken.
func burst() (string, error) {
	profile := &v1alpha1.NodeCgroup{CPUBurstPercent: 80}
	o := order{parent: "/burst", id: "burst", given: cgroup.Given{Quota: 40000, Period: 100000}, script: idle}
	o.values = cgroup.Govern(profile, o.given, everything)
	c, err := o.start()
	if err != nil {
		return "", err
	}
	defer c.end()
	if at := c.number("cpu.max.burst"); at != 32000 {
		return "", fmt.Errorf("burst %d, want 32000", at)
	}
	lower := order{given: cgroup.Given{Quota: 20000, Period: 100000}}
	lower.values = cgroup.Govern(profile, lower.given, everything)
	refused := c.update(lower.resources())
	if refused == nil || !strings.Contains(refused.Error(), "invalid argument") {
		return "", fmt.Errorf("a quota below the burst: %w", refused)
	}
	if at := c.file("cpu.max"); at != "40000 100000" {
		return "", fmt.Errorf("after a refusal the quota is %s", at)
	}
	if err := c.dir.DropBurst(); err != nil {
		return "", err
	}
	if err := c.update(lower.resources()); err != nil {
		return "", fmt.Errorf("with no burst: %w", err)
	}
	if c.file("cpu.max") != "20000 100000" || c.number("cpu.max.burst") != 16000 {
		return "", fmt.Errorf("cpu.max %s, burst %s", c.file("cpu.max"), c.file("cpu.max.burst"))
	}
	lines := strings.Split(refused.Error(), "\n")
	return fmt.Sprintf("refused with a burst of 32000: %s; taken without: cpu.max 20000, burst 16000", lines[len(lines)-1]), nil
}

// weight asks for every weight near the one that the runtime makes of shares: what it made is never exceeded, nor equalled.
// The formula of newer runtimes gives more, which is computed, as this one has the older.
func weight() (string, error) {
	o := order{parent: "/weight", id: "weight", given: cgroup.Given{Shares: 2}, script: idle}
	c, err := o.start()
	if err != nil {
		return "", err
	}
	defer c.end()
	var seen []string
	for _, shares := range []uint64{2, 10, 51, 102, 256, 512, 1000, 1024, 2048, 4096, 10240, 65536, 131072, 262144} {
		if err := c.update(&resources{CPU: &cpu{Shares: shares}}); err != nil {
			return "", err
		}
		is := c.number("cpu.weight")
		newer := newerWeight(shares)
		seen = append(seen, fmt.Sprintf("%d:%d/%d", shares, is, newer))
		if is < 1 {
			return "", fmt.Errorf("%d shares: weight %s", shares, c.file("cpu.weight"))
		}
		for asked := max(1, is-2); asked <= min(10000, is+2); asked++ {
			v := cgroup.Govern(&v1alpha1.NodeCgroup{CPUWeight: asked}, cgroup.Given{Shares: shares}, everything)
			if _, set := v.Unified["cpu.weight"]; set && (asked >= is || asked >= newer) || !set && asked < is && is <= newer {
				err = errors.Join(err, fmt.Errorf("%d shares are weight %d (newer: %d); asked for %d: set %v", shares, is, newer, asked, set))
			}
		}
	}
	lower := order{given: cgroup.Given{Shares: 2048}}
	lower.values = cgroup.Govern(&v1alpha1.NodeCgroup{CPUWeight: 30}, lower.given, everything)
	err = errors.Join(err, c.update(lower.resources()))
	if at := c.number("cpu.weight"); at != 30 {
		err = errors.Join(err, fmt.Errorf("2048 shares with a profile of 30: weight %d", at))
	}
	// Sized down to less than the profile's: the runtime has kept the 30, and is told what is no more than the kubelet's.
	now := cgroup.Given{Shares: 256}
	small := lower.resources()
	small.CPU.Shares = now.Shares
	err = errors.Join(err, c.update(small))
	if at := c.number("cpu.weight"); at != 30 {
		err = errors.Join(err, fmt.Errorf("with what a runtime keeps 256 shares have weight %d, not the profile's 30", at))
	}
	small.Unified["cpu.weight"], _ = cgroup.Reset(&v1alpha1.NodeCgroup{CPUWeight: 30}, "cpu.weight", now)
	err = errors.Join(err, c.update(small))
	if at := c.number("cpu.weight"); at < 1 || at > 10 {
		err = errors.Join(err, fmt.Errorf("256 shares, reset: weight %d, want 10 at most", at))
	}
	return "shares:weight/weight of newer runtimes " + strings.Join(seen, " "), err
}

// newerWeight is the formula of newer runtimes.
// https://github.com/opencontainers/cgroups (ConvertCPUSharesToCgroupV2Value)
func newerWeight(shares uint64) int64 {
	switch {
	case shares <= 2:
		return 1
	case shares >= 262144:
		return 10000
	}
	l := math.Log2(float64(shares))
	return int64(math.Ceil(math.Pow(10, (l*l+125*l)/612-7.0/34)))
}

// throttled burns more CPU than a container may: the time is counted, and so is the pressure; not in an idle one beside it.
func throttled() (string, error) {
	still := order{parent: "/pressure", id: "still", script: idle}
	s, err := still.start()
	if err != nil {
		return "", err
	}
	defer s.end()
	o := order{parent: "/pressure", id: "busy", given: cgroup.Given{Quota: 10000, Period: 100000}, script: "while true; do :; done"}
	c, err := o.start()
	if err != nil {
		return "", err
	}
	defer c.end()
	first, _ := c.dir.Sample()
	var last, calm cgroup.Usage
	err = until("a container with a tenth of a CPU is throttled", func() bool {
		last, _ = c.dir.Sample()
		return last.Throttled > first.Throttled && last.CPUSome > first.CPUSome && c.count("cpu.stat", "nr_throttled") >= 10
	})
	calm, _ = s.dir.Sample()
	if calm.Throttled != 0 {
		err = errors.Join(err, fmt.Errorf("the idle one was throttled for %s", calm.Throttled))
	}
	return fmt.Sprintf("throttled %s of %d times, pressure %s -> %s; the idle one %s, %s", last.Throttled, c.count("cpu.stat", "nr_throttled"),
		first.CPUSome, last.CPUSome, calm.Throttled, calm.CPUSome), err
}

// score reads what the kernel has of a process: the profile's score where it is higher, else the kubelet's.
func score() (string, error) {
	var seen []string
	for id, c := range map[string]struct{ given, asked, want int64 }{"raised": {200, 700, 700}, "kept": {900, 300, 900}, "equal": {500, 500, 500}} {
		o := order{parent: "/score", id: id, given: cgroup.Given{OOMScoreAdjust: c.given}, script: idle}
		o.values = cgroup.Govern(&v1alpha1.NodeCgroup{OOMScoreAdjust: c.asked}, o.given, everything)
		ctr, err := o.start()
		if err != nil {
			return "", err
		}
		at, err := oomScore(ctr)
		ctr.end()
		if err != nil {
			return "", err
		}
		seen = append(seen, fmt.Sprintf("%s: given %d, profile %d, is %d", id, c.given, c.asked, at))
		if at != c.want || o.values.RaiseOOM != (c.asked > c.given) {
			return "", fmt.Errorf("%s: %d, want %d; %+v", id, at, c.want, o.values)
		}
	}
	return strings.Join(seen, "; "), nil
}

func oomScore(c *container) (score int64, err error) {
	pid, _, _ := strings.Cut(c.file("cgroup.procs"), "\n")
	_, err = fmt.Sscan(read(filepath.Join("/proc", pid, "oom_score_adj")), &score)
	return score, err
}
