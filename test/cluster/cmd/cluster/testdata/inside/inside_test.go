// Package inside is run in an instance by a test of the command cluster.
package inside

import (
	"net"
	"os"
	"testing"
)

func TestInside(t *testing.T) {
	if name, err := os.Hostname(); err != nil || name != "node-1" {
		t.Errorf("hostname = %q, %v, want node-1", name, err)
	}
	if _, err := os.Stat(os.Getenv("KUBECONFIG")); err != nil {
		t.Error(err)
	}
	conn, err := net.Dial("tcp", "10.88.254.1:6443")
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}
