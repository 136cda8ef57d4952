//go:build tools

// Package helm3 pins the command of helm's major version before, which charts have to satisfy as well.
package helm3

import _ "helm.sh/helm/v3/cmd/helm"
