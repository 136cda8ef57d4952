package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// store is etcd in a row's Namespace. Its keys lie below /NAMESPACE, as confd reads them.
type store struct {
	*scene
	url, below string
}

// etcd waits for the row's etcd.
func (s *scene) etcd(below string) *store {
	s.Helper()
	var pods []corev1.Pod
	s.eventually("etcd runs", func() (bool, error) {
		pods = s.pods("app=etcd")
		return len(pods) == 1 && isReady(&pods[0]), nil
	})
	st := &store{scene: s, url: "http://" + net.JoinHostPort(pods[0].Status.PodIP, "2379"), below: "/" + s.namespace + below}
	s.eventually("etcd answers", func() (bool, error) { return true, st.call("range", map[string]any{"key": []byte("/")}) })
	return st
}

func (s *store) call(what string, body map[string]any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	res, err := http.Post(s.url+"/v3/kv/"+what, "application/json", bytes.NewReader(text))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("etcd: %s", res.Status)
	}
	return nil
}

func (s *store) put(key, value string) {
	s.Helper()
	s.must(s.call("put", map[string]any{"key": []byte(s.below + key), "value": []byte(value)}))
}

func (s *store) delete(key string) {
	s.Helper()
	s.must(s.call("deleterange", map[string]any{"key": []byte(s.below + key)}))
}

// changes are how many keys are changed under load.
func changes() int {
	if os.Getenv("PILLION_PROVE") == "1" {
		return 100
	}
	return 20
}

// TestS02ConfdReloadsNginx adds and removes endpoints while new connections are made all the time; TestS03 goes on with the
// Pod: nginx crashes, and confd does not notice.
func TestS02ConfdReloadsNginx(t *testing.T) {
	row(t, "S02-confd-reloads-nginx.yaml", restricted, func(s *scene) {
		etcd, endpoints := s.shop()
		front := &s.ready("app=front", 1, "confd")[0]
		s.reconfigures(etcd, endpoints, front)
		s.logMemory(front)
		s.nginxCrashes(front)
	})
}

// shop waits for etcd and the two endpoints of the shop, and puts the first configuration.
func (s *scene) shop() (etcd *store, endpoints []string) {
	s.Helper()
	etcd = s.etcd("/shop")
	s.eventually("two endpoints", func() (bool, error) {
		endpoints = nil
		for _, p := range s.pods("app=shop") {
			if isReady(&p) {
				endpoints = append(endpoints, net.JoinHostPort(p.Status.PodIP, "8080"))
			}
		}
		return len(endpoints) == 2, nil
	})
	etcd.put("/upstreams/1", endpoints[0])
	etcd.put("/version", "0")
	return etcd, endpoints
}

// reconfigures adds and removes the second endpoint, again and again, while new connections are made all the time.
func (s *scene) reconfigures(etcd *store, endpoints []string, front *corev1.Pod) {
	s.Helper()
	s.eventually("nginx has the first configuration", func() (bool, error) { return s.version(front) == "0", nil })
	load := startLoad("http://" + net.JoinHostPort(front.Status.PodIP, "8080") + "/")
	var took []time.Duration
	for i := 1; i <= changes(); i++ {
		began := time.Now()
		if i%2 == 1 {
			etcd.put("/upstreams/2", endpoints[1])
		} else {
			etcd.delete("/upstreams/2")
		}
		etcd.put("/version", fmt.Sprint(i))
		s.eventually("nginx has the new configuration", func() (bool, error) { return s.version(front) == fmt.Sprint(i), nil })
		took = append(took, time.Since(began))
	}
	requests, failed := load.stop()
	if len(failed) > 0 {
		s.Errorf("%d of %d requests failed, the first: %s", len(failed), requests, failed[0])
	}
	if n := container(s.refresh(front), "nginx").RestartCount; n != 0 {
		s.Errorf("nginx was restarted %d times, and should have reloaded", n)
	}
	slices.Sort(took)
	s.Logf("%d changes, %d requests on as many connections, %d failed; from key to answer: median %s, longest %s",
		len(took), requests, len(failed), took[len(took)/2].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
}

// version is the one of the configuration that a Pod's nginx has; empty where it does not answer.
func (s *scene) version(p *corev1.Pod) string {
	res, err := http.Get("http://" + net.JoinHostPort(p.Status.PodIP, "8080") + "/")
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.Header.Get("X-Version")
}

// nginxCrashes is row S03: the kubelet restarts that container alone, and tells of it; confd keeps its process.
func (s *scene) nginxCrashes(front *corev1.Pod) {
	s.Helper()
	nginx, confd := container(s.refresh(front), "nginx"), container(front, "confd")
	pid := s.confdProcess(front)
	s.exec(front, "nginx", "sh", "-c", `kill -9 $(cat /tmp/nginx.pid)`)
	s.eventually("nginx is restarted", func() (bool, error) {
		is := container(s.refresh(front), "nginx")
		return is.RestartCount == nginx.RestartCount+1 && is.Ready, nil
	})
	s.eventually("nginx answers with its last configuration", func() (bool, error) { return s.version(front) == fmt.Sprint(changes()), nil })
	if is := container(s.refresh(front), "confd"); is.ContainerID != confd.ContainerID || is.RestartCount != confd.RestartCount || s.confdProcess(front) != pid {
		s.Errorf("confd was restarted too: %+v", is)
	}
	s.startedAgain(front, "nginx")
}

// confdProcess gives the process id of confd in the Pod, which the app's container sees too.
func (s *scene) confdProcess(p *corev1.Pod) string {
	s.Helper()
	return strings.TrimSpace(s.exec(p, "nginx", "sh", "-c", `for d in /proc/[0-9]*; do [ "$(cat $d/comm)" = confd ] && basename $d; done; true`))
}

func (s *scene) logMemory(p *corev1.Pod) {
	s.Helper()
	s.Log("confd's memory:", strings.Join(strings.Fields(s.exec(p, "nginx", "grep", "-E", "VmRSS|RssAnon|RssFile", "/proc/"+s.confdProcess(p)+"/status")), " "))
}

// TestS04OneEntryServesThreeApps changes one key, which three programs of different kinds show.
func TestS04OneEntryServesThreeApps(t *testing.T) {
	row(t, "S04-one-entry-three-apps.yaml", restricted, func(s *scene) {
		etcd := s.etcd("")
		etcd.put("/version", "1")
		page := map[string]string{"nginx": "/", "haproxy": "/", "app": "/config"}
		shows := map[string]string{"nginx": "%s", "haproxy": "%s", "app": `"content": "%s"`}
		for _, version := range []string{"1", "2", "3"} {
			etcd.put("/version", version)
			for name, path := range page {
				pod := &s.ready("app="+name, 1, "confd")[0]
				s.eventually(name+" shows "+version, func() (bool, error) {
					status, body := s.page(pod, http.MethodGet, 8080, path)
					return status == http.StatusOK && strings.Contains(body, fmt.Sprintf(shows[name], version)), nil
				})
			}
		}
		for name := range page {
			if p := s.pods("app=" + name)[0]; container(&p, "app").RestartCount != 0 {
				s.Errorf("%s was restarted, not reloaded", name)
			}
		}
	})
}

// connections makes 200 new connections a second and more, each for one request, until it is stopped.
type connections struct {
	end      chan struct{}
	group    sync.WaitGroup
	requests atomic.Int64

	mu     sync.Mutex
	failed []string
}

func startLoad(url string) *connections {
	l := &connections{end: make(chan struct{})}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	for range 4 {
		l.group.Go(func() {
			tick := time.NewTicker(18 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-l.end:
					return
				case <-tick.C:
					l.ask(client, url)
				}
			}
		})
	}
	return l
}

func (l *connections) ask(client *http.Client, url string) {
	l.requests.Add(1)
	res, err := client.Get(url)
	if err == nil {
		_, err = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if err == nil && res.StatusCode != http.StatusOK {
			err = fmt.Errorf("status %s", res.Status)
		}
	}
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.failed = append(l.failed, err.Error())
	}
}

func (l *connections) stop() (requests int64, failed []string) {
	close(l.end)
	l.group.Wait()
	return l.requests.Load(), l.failed
}
