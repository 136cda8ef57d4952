// Package qemu runs tests on a kernel with cgroups of version 2 alone and all their controllers, whatever the machine has that the
// tests run on: it boots Debian's cloud kernel in an emulator. One machine checks the node helper's cgroups, another brings the
// whole test bed up. It needs Debian's apt, dpkg and mke2fs, and no root; nothing is installed. What it fetches is kept in the
// user's cache.
//
//	packages from Debian              packages.go
//	the files that a machine has      files.go
//	  that its kernel starts with     initramfs.go, modules.go
//	  or its disk's                   disk.go
//	the emulator and its console      machine.go
//	what is checked, in a machine     inside/: cgroups, with runc; bed/: a whole Kubernetes
package qemu
