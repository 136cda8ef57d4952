package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestControlPlaneMakesPodsOfADeployment(t *testing.T) {
	c := startCluster(t, Config{})
	create(t, c, "/api/v1/namespaces", `{"metadata":{"name":"shop"}}`)
	create(t, c, "/apis/apps/v1/namespaces/shop/deployments", deployment)

	pods := waitForPods(t, c, 2)
	for _, pod := range pods {
		want := pod
		want.Spec.ServiceAccountName, want.Spec.NodeName, want.Status.Phase = "default", "", "Pending"
		if pod != want {
			t.Errorf("Pod = %+v, want %+v", pod, want)
		}
	}
}

func TestAPIServerComesBackWithItsData(t *testing.T) {
	c := startCluster(t, Config{})
	url := c.URL()
	create(t, c, "/api/v1/namespaces", `{"metadata":{"name":"shop"}}`)
	create(t, c, "/apis/apps/v1/namespaces/shop/deployments", deployment)
	before := waitForPods(t, c, 2)

	c.StopAPIServer()
	if err := c.get(t.Context(), "/livez"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("stopped API server answers with %v, want connection refused", err)
	}
	if err := c.StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c.URL() != url {
		t.Errorf("URL = %s, want %s as before", c.URL(), url)
	}
	if after := waitForPods(t, c, 2); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("Pods = %+v, want %+v as before", after, before)
	}
	// The controller-manager, which was not restarted, finds the API server again.
	request(t, c, http.MethodPatch, "/apis/apps/v1/namespaces/shop/deployments/web", `{"spec":{"replicas":3}}`, nil)
	waitForPods(t, c, 3)
}

func TestAPIServerSaysItsVersion(t *testing.T) {
	c := startCluster(t, Config{})
	var version struct{ Major, Minor, GitVersion string }
	request(t, c, http.MethodGet, "/version", "", &version)
	if !strings.HasPrefix(version.GitVersion, fmt.Sprintf("v%s.%s.", version.Major, version.Minor)) {
		t.Errorf("version = %+v, want a release with its major and minor number", version)
	}
}

func TestStopLeavesNothingBehind(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	c := startCluster(t, Config{})
	running := []*process{c.etcd, c.apiserver, c.manager}

	c.Stop()
	for _, p := range running {
		if err := syscall.Kill(p.cmd.Process.Pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("%s (%d) after Stop: %v, want no such process", p.name, p.cmd.Process.Pid, err)
		}
	}
	wantEmpty(t, os.TempDir())
	c.Stop()
}

func TestDirIsUsedAgain(t *testing.T) {
	dir := t.TempDir()
	first := startCluster(t, Config{Dir: dir})
	create(t, first, "/api/v1/namespaces", `{"metadata":{"name":"shop"}}`)
	if _, err := Start(t.Context(), Config{Dir: dir}); !errors.Is(err, errLocked) {
		t.Fatalf("Start in a directory that is used: %v, want %v", err, errLocked)
	}
	first.Stop()
	if _, err := os.Stat(first.Kubeconfig()); err != nil {
		t.Errorf("a directory of the caller's is not kept: %v", err)
	}

	second := startCluster(t, Config{Dir: dir})
	request(t, second, http.MethodGet, "/api/v1/namespaces/shop", "", nil)
}

func TestStartTakesOtherPortsWhenOneIsTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port

	attempts := 0
	c, err := start(t.Context(), Config{Log: t.Output()}, func() (ports, error) {
		chosen, err := freePorts()
		switch attempts++; attempts {
		case 1:
			chosen.etcd = port
		case 2:
			chosen.apiserver = port
		}
		return chosen, err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	if attempts != 3 {
		t.Errorf("ready after %d attempts, want 3", attempts)
	}
}

func TestAPIServerArgsWinOverTheDefaults(t *testing.T) {
	c := startCluster(t, Config{APIServerArgs: []string{"--service-cluster-ip-range=10.98.0.0/16"}})
	var service struct{ Spec struct{ ClusterIP string } }
	request(t, c, http.MethodGet, "/api/v1/namespaces/default/services/kubernetes", "", &service)
	if want := "10.98.0.1"; service.Spec.ClusterIP != want {
		t.Errorf("address of Service kubernetes = %s, want %s", service.Spec.ClusterIP, want)
	}
}

const deployment = `{"metadata":{"name":"web"},"spec":{"replicas":2,
	"selector":{"matchLabels":{"app":"web"}},
	"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"web","image":"web:1"}]}}}}`

type pod struct {
	Metadata struct{ Name, UID string }
	Spec     struct{ ServiceAccountName, NodeName string }
	Status   struct{ Phase string }
}

func startCluster(t *testing.T, cfg Config) *Cluster {
	t.Helper()
	cfg.Log = t.Output()
	c, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	return c
}

func waitForPods(t *testing.T, c *Cluster, want int) []pod {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		var list struct{ Items []pod }
		request(t, c, http.MethodGet, "/api/v1/namespaces/shop/pods", "", &list)
		if len(list.Items) == want {
			return list.Items
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%d Pods, want %d\n%s", len(list.Items), want, c.manager.lastWords())
		case <-time.After(25 * time.Millisecond):
		}
	}
}

func create(t *testing.T, c *Cluster, path, body string) {
	t.Helper()
	request(t, c, http.MethodPost, path, body, nil)
}

// request makes one call as the administrator; an answer that is no success ends the test.
func request(t *testing.T, c *Cluster, method, path, body string, into any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, c.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		req.Header.Set("Content-Type", "application/merge-patch+json")
	}
	resp, err := c.HTTPClient().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %s\n%s", method, path, resp.Status, answer)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(answer, into); err != nil {
		t.Fatal(err)
	}
}

func wantEmpty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("left behind in %s: %s", dir, e.Name())
	}
}
