// Package v1alpha1 holds the words Pillion speaks: the catalog entry (ClusterSidecar, Sidecar), the annotations a Pod
// author writes, and the status annotation that Pillion writes. It holds no behaviour.
//
// +kubebuilder:object:generate=true
// +groupName=pillion.dev
package v1alpha1
