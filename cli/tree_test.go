package cli_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pillion-dev/pillion/cli"
)

const treeBefore = `{"spec": {
	"initContainers": [{"name": "migrate", "image": "app:1"}],
	"containers": [{"name": "app", "image": "app:1",
		"env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
		"volumeMounts": [{"name": "data", "mountPath": "/data", "subPath": "x", "readOnly": true}]}],
	"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "app"}}]}}`

const treeAfter = `{"spec": {
	"initContainers": [
		{"name": "shipper", "image": "shipper:1", "restartPolicy": "Always", "env": [{"name": "E", "value": "\u001b[2J\nx"}]},
		{"name": "migrate", "image": "app:1"}],
	"containers": [{"name": "app", "image": "app:1",
		"env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}, {"name": "C", "value": "3"}],
		"volumeMounts": [
			{"name": "data", "mountPath": "/data", "subPath": "x", "readOnly": true},
			{"name": "logs", "mountPath": "/logs"},
			{"name": "kube-api-access-abcde", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true}]}],
	"volumes": [
		{"name": "data", "persistentVolumeClaim": {"claimName": "app"}},
		{"name": "logs", "emptyDir": {"sizeLimit": "1Mi"}},
		{"name": "kube-api-access-abcde", "projected": {}}],
	"shareProcessNamespace": true,
	"terminationGracePeriodSeconds": 35}}`

func TestPrintTree(t *testing.T) {
	for name, c := range map[string]struct {
		before string
		colour bool
		want   string
	}{
		"what is added is marked": {before: treeBefore, want: `
  + shipper  native sidecar, shipper:1
    └─ + env E=?[2J x
    migrate  init container, app:1
    app  container, app:1
    ├─   mount /data from data  subPath x, read-only
    ├─ + mount /logs from logs
    ├─ + env C=3
    └─   env A, B
    volumes
    ├─   data  persistentVolumeClaim app
    └─ + logs  emptyDir 1Mi
  + grace period 35 s  was 30 s
  + containers share one process namespace
`},
		"nothing is marked where both are one": {before: treeAfter, want: `
    shipper  native sidecar, shipper:1
    └─   env E
    migrate  init container, app:1
    app  container, app:1
    ├─   mount /data from data  subPath x, read-only
    ├─   mount /logs from logs
    └─   env A, B, C
    volumes
    ├─   data  persistentVolumeClaim app
    └─   logs  emptyDir 1Mi
`},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			if err := cli.PrintTree(&out, []byte(c.before), []byte(treeAfter), c.colour); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimPrefix(c.want, "\n"), out.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestPrintTreeColoursWhatIsAdded(t *testing.T) {
	var out strings.Builder
	if err := cli.PrintTree(&out, []byte(treeBefore), []byte(treeAfter), true); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "\x1b[32m+ mount /logs from logs\x1b[0m") || strings.Contains(out.String(), "\x1b[32m  ") {
		t.Errorf("want what is added in green, and nothing else:\n%q", out.String())
	}
	if strings.Contains(out.String(), "\x1b[2J") {
		t.Error("an escape sequence of the Pod reaches the terminal")
	}
}
