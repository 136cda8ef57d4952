// Package confd reads template resources and templates as upstream confd has them, and renders them from keys and values.
// It takes and returns values: files, processes, clocks and stores are asked by package agent and its neighbours.
//
// A template resource (TOML) names a template, the keys that it reads, and the file that it makes. The table of functions
// that a template may call is in functions.go; docs/reference/confd.md is generated from it.
package confd
