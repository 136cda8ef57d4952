// Package qemu tests the node helper's cgroups on a kernel with cgroups of version 2 alone and all their controllers, whatever
// the machine has that the tests run on: it boots Debian's cloud kernel in an emulator. It needs Debian's apt and dpkg, and no
// root; nothing is installed. What it fetches is kept in the user's cache.
//
//	packages from Debian              packages.go
//	the files that the kernel gets    initramfs.go, modules.go
//	the emulator and its console      machine.go
//	what is checked, in the machine   inside/
package qemu
