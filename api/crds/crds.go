// Package crds carries the CustomResourceDefinitions of ClusterSidecar and Sidecar, generated from api/v1alpha1.
package crds

import _ "embed" // the two files

//go:embed pillion.dev_clustersidecars.yaml
var clusterSidecars string

//go:embed pillion.dev_sidecars.yaml
var sidecars string

// All gives the definitions, apiextensions.k8s.io/v1, each as one YAML document: ClusterSidecar, then Sidecar. The caller
// may change what it gets.
func All() [][]byte { return [][]byte{[]byte(clusterSidecars), []byte(sidecars)} }
