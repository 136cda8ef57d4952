package cgroup

import (
	"strconv"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// Given is what the kubelet gives a container. Zero values are absent ones.
type Given struct {
	// Shares of the CPU, as version 1 counts them: 1024 for each CPU requested.
	Shares uint64
	// Quota and Period of the CPU in microseconds; a Quota of 0 or less is no limit.
	Quota  int64
	Period uint64
	// MemoryLimit in bytes; 0 is none.
	MemoryLimit int64
	// MemoryHigh is where the kubelet has reclaim begin, in bytes, where it does so itself; 0 is nowhere.
	MemoryHigh int64
	// OOMScoreAdjust is the kernel's, -1000 to 1000.
	OOMScoreAdjust int64
}

// Supported says which files the node's cgroups have.
type Supported struct {
	// Version1 controllers are those of version 1; only Shares can be set then.
	Version1 bool `json:"version1"`
	Weight   bool `json:"weight"`
	High     bool `json:"high"`
	Burst    bool `json:"burst"`
	IOWeight bool `json:"ioWeight"`
}

// Values are what a container gets in place of what the kubelet gave. Zero values leave it.
type Values struct {
	// Shares are for cgroups of version 1, Unified are files of version 2 and their content.
	Shares  uint64
	Unified map[string]string
	// OOMScoreAdjust is set where RaiseOOM is.
	OOMScoreAdjust int64
	RaiseOOM       bool
}

// FileHigh is the file of version 2 that kubelets may set too, where they have MemoryQoS.
const FileHigh = "memory.high"

// The other files of version 2.
const (
	fileWeight   = "cpu.weight"
	fileBurst    = "cpu.max.burst"
	fileIOWeight = "io.weight"
)

// pageSize is what memory.high is a multiple of.
const pageSize = 4096

// defaultIOWeight is what every cgroup has.
const defaultIOWeight = 100

// Govern gives the values of a profile for a container. No value is more than what the kubelet gives: a weight, a point of
// reclaim and a share of the disk are only ever lower, the score by which the kernel kills only higher. A burst is unused time
// of the container's own limit.
func Govern(p *v1alpha1.NodeCgroup, g Given, s Supported) Values {
	v := Values{Unified: map[string]string{}}
	v.weigh(uint64(p.CPUWeight), g.Shares, s)
	if p.MemoryHighPercent > 0 && s.High && g.MemoryLimit > 0 {
		// The division comes first: a limit times a percentage may not fit.
		if high := g.MemoryLimit / 100 * p.MemoryHighPercent / pageSize * pageSize; high > 0 && (g.MemoryHigh == 0 || high < g.MemoryHigh) {
			v.Unified[FileHigh] = strconv.FormatInt(high, 10)
		}
	}
	if burst := Burst(p, g.Quota); burst > 0 && s.Burst {
		v.Unified[fileBurst] = strconv.FormatInt(burst, 10)
	}
	if p.IOWeight > 0 && p.IOWeight < defaultIOWeight && s.IOWeight {
		v.Unified[fileIOWeight] = strconv.FormatInt(p.IOWeight, 10)
	}
	if p.OOMScoreAdjust > g.OOMScoreAdjust {
		v.OOMScoreAdjust, v.RaiseOOM = p.OOMScoreAdjust, true
	}
	return v
}

// weigh lowers the share of the CPU.
func (v *Values) weigh(weight, shares uint64, s Supported) {
	switch {
	case weight == 0 || shares == 0:
	case s.Version1 && SharesOf(weight) < shares:
		v.Shares = SharesOf(weight)
	case !s.Version1 && s.Weight && weight < leastWeight(shares):
		v.Unified[fileWeight] = strconv.FormatUint(weight, 10)
	}
}

// Reset gives the content of a file of version 2 that a profile governs but, now that the kubelet gives a container less, has no
// value for: runtimes keep what a container was created with, and would write it again. It is false for all other files.
func Reset(p *v1alpha1.NodeCgroup, file string, g Given) (content string, is bool) {
	switch file {
	case fileWeight:
		return strconv.FormatUint(leastWeight(g.Shares), 10), p.CPUWeight > 0 && g.Shares > 0
	case FileHigh:
		return "max", p.MemoryHighPercent > 0
	case fileBurst:
		return "0", p.CPUBurstPercent > 0
	}
	return "", false
}

// Burst gives the microseconds of a burst for a quota, 0 where there is none. The kernel takes none that exceeds the quota.
func Burst(p *v1alpha1.NodeCgroup, quota int64) int64 {
	if quota <= 0 {
		return 0
	}
	return quota / 100 * p.CPUBurstPercent
}

// SharesOf gives the shares of version 1 that a weight of version 2 stands for: a weight of 1 to 10000 is 2 to 262144 shares.
func SharesOf(weight uint64) uint64 { return 2 + (weight-1)*262142/9999 }

// leastWeight gives a weight that shares have at least. Runtimes have two formulas: the older is a straight line, the newer
// one passes through 100 at 1024 shares.
// https://github.com/opencontainers/cgroups (ConvertCPUSharesToCgroupV2Value)
func leastWeight(shares uint64) uint64 {
	linear := 1 + (max(shares, 2)-2)*9999/262142
	return max(linear, 1)
}
