//go:build tools

// Package helm pins the helm command, which installs charts on the test bed.
package helm

import _ "helm.sh/helm/v4/cmd/helm"
