//go:build linux

package node

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pillion-dev/pillion/test/cluster/pki"
)

// defaultAccount is there when the controller-manager has done its first work; without it no Pod is accepted.
const defaultAccount = "/api/v1/namespaces/default/serviceaccounts/default"

// unverified asks programs for their health that make up their own certificate at start.
func unverified() *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
}

func (p plan) admin() (ca []byte, user pki.Pair, err error) {
	for file, into := range map[string]*[]byte{"ca.crt": &ca, "admin.crt": &user.Cert, "admin.key": &user.Key} {
		if *into, err = os.ReadFile(p.key(file)); err != nil {
			return nil, user, err
		}
	}
	return ca, user, nil
}

// answers is reached when a GET of url is a success.
func (s *supervisor) answers(url string) func(context.Context) error {
	return func(ctx context.Context) error { return s.get(ctx, url, nil) }
}

// nodeReady is reached when the kubelet says so of its node.
func (s *supervisor) nodeReady(m member) func(context.Context) error {
	return func(ctx context.Context) error {
		var node struct {
			Status struct {
				Conditions []struct{ Type, Status, Message string }
			}
		}
		if err := s.get(ctx, apiServer+"/api/v1/nodes/"+m.Name, &node); err != nil {
			return err
		}
		for _, c := range node.Status.Conditions {
			if c.Type != "Ready" {
				continue
			}
			if c.Status == "True" {
				return nil
			}
			return fmt.Errorf("%w: %s", errNotReady, c.Message)
		}
		return errNotReady
	}
}

// pauseImported is reached when containerd has the image that every Pod starts with.
func (s *supervisor) pauseImported(node int) func(context.Context) error {
	listening := false
	return func(ctx context.Context) error {
		if !listening {
			conn, err := net.Dial("unix", s.root(node)+containerdSocket)
			if err != nil {
				return err
			}
			conn.Close()
			listening = true
		}
		return run(ctx, s.plan, s.firsts[node], "", filepath.Join(s.Bin, "ctr"), importArgs(filepath.Join(s.Dir, pauseArchive))...)
	}
}

func importArgs(archive string) []string {
	return []string{"--address", containerdSocket, "--namespace", "k8s.io", "images", "import", archive}
}

// root is the path by which the first node sees the files of another.
func (s *supervisor) root(node int) string {
	if s.firsts[node] == 0 {
		return ""
	}
	return fmt.Sprintf("/proc/%d/root", s.firsts[node])
}

// get makes one request, as the administrator where it goes to the API server. into may be nil.
func (s *supervisor) get(ctx context.Context, url string, into any) error {
	client := s.others
	if strings.HasPrefix(url, apiServer) {
		client = s.api
	}
	return call(ctx, client, http.MethodGet, url, "", into)
}

func call(ctx context.Context, client *http.Client, method, url, body string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	if method == http.MethodPatch {
		req.Header.Set("Content-Type", "application/apply-patch+yaml")
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s %s", method, url, resp.Status, answer)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}
