// Package doctor tests `pillion doctor` and `pillion explain` on live objects: on a real API server, with the chart
// installed by the real helm and the real webhook and controller answering.
package doctor
