//go:build tools

// Package chart pins what the chart is checked with. Of the Prometheus Operator only its CustomResourceDefinitions are
// wanted, which lie beside its source.
package chart

import _ "github.com/prometheus-operator/prometheus-operator/pkg/versionutil"
