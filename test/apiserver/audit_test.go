package apiserver

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// uninjected reads the counts of the last round of the audit, by reason; nil before there was one.
func (c *runningController) uninjected(t *testing.T) map[string]int {
	t.Helper()
	res, err := http.Get(c.MetricsURL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]int
	for line := range strings.Lines(string(body)) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), `pillion_uninjected_pods{reason="`); ok {
			reason, value, _ := strings.Cut(rest, `"} `)
			n, err := strconv.Atoi(value)
			if err != nil {
				t.Fatal(err)
			}
			if out == nil {
				out = map[string]int{}
			}
			out[reason] = n
		}
	}
	return out
}

// awaitUninjected waits until the audit finds so many Pods more than it found before.
func (c *runningController) awaitUninjected(t *testing.T, before map[string]int, more map[string]int) {
	t.Helper()
	await(t, "the audit finds them", func() error {
		now := c.uninjected(t)
		for reason := range before {
			if now[reason] != before[reason]+more[reason] {
				return fmt.Errorf("%v, want %v more than %v", now, more, before)
			}
		}
		return nil
	})
}

// podOf is a Pod of the tests of the audit.
func podOf(t *testing.T, name, annotations, spec string) []byte {
	t.Helper()
	return toJSON(t, fmt.Sprintf("{apiVersion: v1, kind: Pod, metadata: {name: %s, annotations: {%s}}, spec: {schedulerName: none, %s containers: [{name: app, image: app:1}]}}", name, annotations, spec))
}

// TestPodsWithoutTheirSidecarsAreFound creates Pods that ask while nobody calls the webhook.
func TestPodsWithoutTheirSidecarsAreFound(t *testing.T) {
	c := startController(t, "--audit-interval=1s")
	const ns = "audited"
	labels := map[string]string{"pillion.dev/injection": "enabled"}
	if err := plane.namespace(ns, nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := plane.namespace(ns+"-default", labels, map[string]string{"pillion.dev/inject": "proxy", "pillion.dev/proxy.upstream-port": "8080"}); err != nil {
		t.Fatal(err)
	}
	await(t, "the first round", func() error {
		if found := c.uninjected(t); found == nil || found["pending"] > 0 {
			return fmt.Errorf("%v", found)
		}
		return nil
	})
	before := c.uninjected(t)
	const pods = "/api/v1/namespaces/" + ns + "/pods"
	for _, pod := range [][]byte{
		podOf(t, "bare", "pillion.dev/inject: proxy, pillion.dev/proxy.upstream-port: '8080'", ""),
		podOf(t, "refused", "pillion.dev/inject: proxi", ""),
		podOf(t, "ignored", "pillion.dev/inject: proxi, pillion.dev/failure-policy: Ignore", ""),
		podOf(t, "opted-out", "pillion.dev/inject: 'false'", ""),
		podOf(t, "asks-nothing", "", ""),
	} {
		if _, err := plane.create(pods, pod); err != nil {
			t.Fatal(err)
		}
	}
	const defaults = "/api/v1/namespaces/" + ns + "-default/pods"
	for _, pod := range [][]byte{podOf(t, "by-default", "", ""), podOf(t, "on-the-host", "", "hostNetwork: true,")} {
		if _, err := plane.create(defaults, pod); err != nil {
			t.Fatal(err)
		}
	}
	c.awaitUninjected(t, before, map[string]int{"missed": 2, "refused": 1, "ignored": 1})
	for name, want := range map[string]string{
		"bare":       "bare asked for proxy and got none: nobody called the webhook",
		"by-default": "by-default asked for proxy and got none",
		"refused":    "the request cannot be met: metadata.annotations[pillion.dev/inject]: ",
		"ignored":    "failure-policy is Ignore and the request cannot be met: ",
	} {
		awaitNote(t, name, want)
	}
	for _, path := range []string{pods + "/bare", pods + "/refused", pods + "/ignored", defaults + "/by-default", defaults + "/on-the-host"} {
		remove(t, path+"?gracePeriodSeconds=0")
	}
	c.awaitUninjected(t, before, nil)
}

// TestTheAuditTellsTheDeployment has a Deployment make two Pods without sidecars: the event is on the Deployment, once.
func TestTheAuditTellsTheDeployment(t *testing.T) {
	c := startController(t, "--audit-interval=1s")
	if err := plane.namespace("audited-owner", nil, nil); err != nil {
		t.Fatal(err)
	}
	const path = "/apis/apps/v1/namespaces/audited-owner/deployments"
	object := string(workloadJSON(t, "Deployment", "", "pillion.dev/inject: proxy, pillion.dev/proxy.upstream-port: '8080'", "schedulerName: none,"))
	object = strings.NewReplacer(`"generateName":"web-"`, `"name":"shop"`, `"spec":{"selector"`, `"spec":{"replicas":2,"selector"`).Replace(object)
	if _, err := plane.create(path, []byte(object)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { remove(t, path+"/shop") })
	awaitNote(t, "shop", "asked for proxy and got none")
	await(t, "the note names both", func() error {
		for _, note := range notes(t, "shop") {
			if strings.Count(note, "shop-") == 2 {
				return nil
			}
		}
		return fmt.Errorf("%q", notes(t, "shop"))
	})
	if found := c.uninjected(t); found["missed"] < 2 {
		t.Errorf("found %v", found)
	}
}

// notes gives those of the audit's events about an object.
func notes(t *testing.T, name string) []string {
	t.Helper()
	a := ask(t, http.MethodGet, "/apis/events.k8s.io/v1/events", "", nil)
	var list struct {
		Items []struct {
			Type, Reason, Note string
			Regarding          struct{ Name string }
		}
	}
	if err := json.Unmarshal(a.Body, &list); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range list.Items {
		if e.Regarding.Name == name && e.Type == "Warning" && e.Reason == "SidecarsMissing" {
			out = append(out, e.Note)
		}
	}
	return out
}

func awaitNote(t *testing.T, name, want string) {
	t.Helper()
	await(t, "an event about "+name, func() error {
		all := notes(t, name)
		for _, note := range all {
			if strings.Contains(note, want) {
				return nil
			}
		}
		return fmt.Errorf("%q, want %q", all, want)
	})
}
