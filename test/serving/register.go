package serving

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// Label on a Namespace has its Pods injected by a registered webhook.
const Label = "pillion.dev/test-injection"

// Registration gives the MutatingWebhookConfiguration for a server, as JSON: creation of Pods in Namespaces labelled
// Label=on. The failure policy is Fail, so that a test sees every failure.
func (w *Webhook) Registration() []byte {
	config := map[string]any{
		"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
		"metadata": map[string]any{"name": "pillion"},
		"webhooks": []any{map[string]any{
			"name": "pods.pillion.dev", "admissionReviewVersions": []string{"v1"}, "sideEffects": "None",
			"failurePolicy": "Fail", "timeoutSeconds": 30, "reinvocationPolicy": "IfNeeded", "matchPolicy": "Equivalent",
			"clientConfig":      map[string]any{"url": w.URL, "caBundle": base64.StdEncoding.EncodeToString(w.CA)},
			"namespaceSelector": map[string]any{"matchLabels": map[string]string{Label: "on"}},
			"rules": []any{map[string]any{"apiGroups": []string{""}, "apiVersions": []string{"v1"},
				"operations": []string{"CREATE"}, "resources": []string{"pods"}, "scope": "Namespaced"}},
		}},
	}
	b, err := json.Marshal(config)
	if err != nil {
		panic(err) // a constant shape
	}
	return b
}

// Answer is what the API server said to a request.
type Answer struct {
	Status   int
	Body     []byte
	Warnings []string
}

// Message gives the message of a Status, or the body.
func (a *Answer) Message() string {
	var s struct{ Kind, Message string }
	if json.Unmarshal(a.Body, &s) == nil && s.Kind == "Status" {
		return s.Message
	}
	return string(a.Body)
}

// Post sends an object to a path of the API server.
func Post(client *http.Client, url string, object []byte) (*Answer, error) {
	return Do(client, http.MethodPost, url, object)
}

// Do sends a request to the API server.
func Do(client *http.Client, method, url string, body []byte) (*Answer, error) {
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, url, err)
	}
	a := &Answer{Status: res.StatusCode, Body: got}
	for _, w := range res.Header.Values("Warning") {
		a.Warnings = append(a.Warnings, warningText(w))
	}
	return a, nil
}

// warningText takes the text out of a Warning header: 299 - "text".
func warningText(h string) string {
	i := bytes.IndexByte([]byte(h), '"')
	if i < 0 || len(h) < i+2 {
		return h
	}
	var text string
	if json.Unmarshal([]byte(h[i:]), &text) != nil {
		return h[i:]
	}
	return text
}
