//go:build linux

package runner

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// serviceAccount is where a Pod's token lies.
const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount"

// events writes runs as events of the Pod: kubectl describe shows them. It needs a service account that may create events.
type events struct {
	which   string
	log     *slog.Logger
	client  *http.Client
	url     string
	pod     eventObject
	waiting chan *Run
	done    chan struct{}
}

// The fields of an Event (v1) that are written here; the client library would be larger than the runner.
type event struct {
	APIVersion     string            `json:"apiVersion"`
	Kind           string            `json:"kind"`
	Metadata       map[string]string `json:"metadata"`
	InvolvedObject eventObject       `json:"involvedObject"`
	Type           string            `json:"type"`
	Reason         string            `json:"reason"`
	Message        string            `json:"message"`
	Source         map[string]string `json:"source"`
	FirstTimestamp string            `json:"firstTimestamp"`
	LastTimestamp  string            `json:"lastTimestamp"`
	Count          int               `json:"count"`
}

type eventObject struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	Namespace  string `json:"namespace"`
	UID        string `json:"uid"`
	FieldPath  string `json:"fieldPath"`
}

// newEvents reads what the Pod knows of itself and of the API server.
func newEvents(which string, log *slog.Logger) (*events, error) {
	e := &events{which: which, log: log}
	if which == eventsNone {
		return e, nil
	}
	e.pod = eventObject{"v1", "Pod", os.Getenv("POD_NAME"), os.Getenv("POD_NAMESPACE"), os.Getenv("POD_UID"), "spec.initContainers{runner}"}
	host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
	if e.pod.Name == "" || e.pod.Namespace == "" || host == "" || port == "" {
		return nil, errors.New("events need the variables POD_NAME, POD_NAMESPACE, POD_UID, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT")
	}
	pem, err := readBounded(serviceAccount + "/ca.crt")
	if err != nil {
		return nil, fmt.Errorf("events need the service account's token: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s/ca.crt holds no certificate", serviceAccount)
	}
	e.url = "https://" + net.JoinHostPort(host, port) + "/api/v1/namespaces/" + e.pod.Namespace + "/events"
	e.client = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}, MaxConnsPerHost: 1, IdleConnTimeout: 30 * time.Second,
	}}
	e.start()
	return e, nil
}

func (e *events) start() {
	e.waiting, e.done = make(chan *Run, 32), make(chan struct{})
	go func() {
		defer close(e.done)
		for run := range e.waiting {
			if err := e.write(run); err != nil {
				e.log.Warn("an event was not written", "job", run.Job, "err", err.Error())
			}
		}
	}()
}

// report writes an event in its own time; a run never waits for the API server.
func (e *events) report(run *Run) {
	if e.waiting == nil || e.which == eventsFailures && run.Result == succeeded {
		return
	}
	select {
	case e.waiting <- run:
	default:
		e.log.Warn("an event was not written", "job", run.Job, "err", "the API server does not keep up")
	}
}

// close writes what is left, no longer than it may take.
func (e *events) close() {
	if e.waiting == nil {
		return
	}
	close(e.waiting)
	select {
	case <-e.done:
	case <-time.After(2 * time.Second):
	}
}

func (e *events) write(run *Run) error {
	token, err := os.ReadFile(serviceAccount + "/token") // it is renewed on disk
	if err != nil {
		return err
	}
	body, err := json.Marshal(e.of(run, time.Now()))
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	res, err := e.client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(res.Body, 1024)) // for the message alone
	if res.StatusCode != http.StatusCreated {
		return fmt.Errorf("%s: %s", res.Status, answer)
	}
	return nil
}

// of is a run as an event.
func (e *events) of(run *Run, now time.Time) *event {
	out := &event{
		APIVersion: "v1", Kind: "Event", InvolvedObject: e.pod, Type: "Normal", Reason: "ScriptSucceeded",
		Metadata: map[string]string{"namespace": e.pod.Namespace, "name": fmt.Sprintf("%s.%x", e.pod.Name, now.UnixNano())},
		Source:   map[string]string{"component": "runner"}, Count: 1,
		Message:        fmt.Sprintf("job %s, run %d: exit code %d after %.1f s", run.Job, run.Number, run.ExitCode, run.Seconds),
		FirstTimestamp: now.UTC().Format(time.RFC3339), LastTimestamp: now.UTC().Format(time.RFC3339),
	}
	if run.Result != succeeded {
		out.Type, out.Reason = "Warning", "ScriptFailed"
		out.Message = strings.TrimSuffix(out.Message+": "+run.Error, ": ")
	}
	return out
}
