// Package doctor judges an installation of Pillion by a Snapshot of what an API server holds: is it installed as the chart
// installs it, does it answer, do its certificates hold, would the cluster start from cold, and do Namespaces and Pods ask
// in a way that is understood. It reads values and gives a Report; it asks nobody and changes nothing. Package live takes
// the Snapshot, package cli prints the Report.
//
// A check is a file, and a file is a check. Each lists the codes of what it finds; docs/doctor.md is generated from them.
package doctor
