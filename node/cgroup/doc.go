// Package cgroup reads and governs the cgroups of containers, of version 1, of version 2, and of both side by side.
//
//	values from a profile   govern.go (pure)
//	what files say          parse.go (pure)
//	where the files are     hierarchy.go
//	what a container used   sample.go
package cgroup
