package cli_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/cli"
	"github.com/pillion-dev/pillion/sidecars"
)

// benchDeployment is one of a stream as charts make them: about 70 lines, with comments.
const benchDeployment = `---
# Source: shop/templates/deployment.yaml
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web-%d
  labels:
    app.kubernetes.io/name: web
    app.kubernetes.io/instance: shop
    app.kubernetes.io/managed-by: Helm
spec:
  replicas: 2
  selector:
    matchLabels:
      app.kubernetes.io/name: web
      app.kubernetes.io/instance: shop
  template:
    metadata:
      labels:
        app.kubernetes.io/name: web
        app.kubernetes.io/instance: shop
      annotations:
        checksum/config: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
        pillion.dev/inject: proxy
        pillion.dev/proxy.upstream-port: "8081"
    spec:
      serviceAccountName: web
      securityContext:
        runAsNonRoot: true
      containers:
        - name: web
          image: "registry.example/web:1.2.3"
          imagePullPolicy: IfNotPresent
          args:
            - serve
            - --listen=127.0.0.1:8081
          env:
            - name: DATABASE_HOST
              value: db.shop.svc
            - name: DATABASE_PASSWORD
              valueFrom:
                secretKeyRef:
                  name: web
                  key: password
          livenessProbe:
            httpGet:
              path: /live
              port: 8081
          readinessProbe:
            httpGet:
              path: /ready
              port: 8081
          resources:
            limits:
              memory: 256Mi
            requests:
              cpu: 100m
              memory: 128Mi
          volumeMounts:
            - name: config
              mountPath: /etc/web
              readOnly: true
            - name: cache
              mountPath: /var/cache/web
      volumes:
        - name: config
          configMap:
            name: web
        - name: cache
          emptyDir: {}
      affinity:
        podAntiAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
            - weight: 100
              podAffinityTerm:
                topologyKey: kubernetes.io/hostname
`

// BenchmarkInject1000Deployments injects a stream of 1,000 Deployments with the built-in proxy, from text to text. The goal
// is about a second of CPU.
func BenchmarkInject1000Deployments(b *testing.B) {
	benchmarkStream(b, "inject", "--quiet")
}

// BenchmarkDiff1000Deployments shows what that changes.
func BenchmarkDiff1000Deployments(b *testing.B) {
	benchmarkStream(b, "diff", "--quiet")
}

func benchmarkStream(b *testing.B, args ...string) {
	var stream strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&stream, benchDeployment, i)
	}
	catalog := sidecars.Builtin()
	b.SetBytes(int64(stream.Len()))
	b.ReportAllocs()
	for b.Loop() {
		var errs bytes.Buffer
		p := &cli.Process{Args: append([]string{"pillion"}, args...), In: strings.NewReader(stream.String()), Out: io.Discard, Err: &errs,
			Getenv: func(string) string { return "" }, Catalog: catalog}
		if code := cli.Run(p); code == cli.ExitUnreadable || errs.Len() > 0 {
			b.Fatalf("exit code %d: %s", code, errs.String())
		}
	}
}

// TestStreams writes each document before the next one is read.
func TestStreams(t *testing.T) {
	catalog := goldenCatalog(t)
	in, feed := io.Pipe()
	out := make(chan string)
	done := make(chan int)
	go func() {
		done <- cli.Run(&cli.Process{Args: []string{"pillion", "inject"}, In: in, Out: chanWriter(out), Err: io.Discard,
			Getenv: func(string) string { return "" }, Catalog: catalog})
	}()
	for i := range 3 {
		if _, err := fmt.Fprintf(feed, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c%d}\n---\n", i); err != nil {
			t.Fatal(err)
		}
		select {
		case text := <-out:
			if !strings.Contains(text, fmt.Sprintf("name: c%d", i)) {
				t.Fatalf("document %d came out as %q", i, text)
			}
		case <-time.After(time.Minute):
			t.Fatalf("document %d is held back", i)
		}
	}
	go func() {
		for range out { // the last separator
		}
	}()
	feed.Close()
	if code := <-done; code != cli.ExitOK {
		t.Errorf("exit code is %d", code)
	}
}

type chanWriter chan<- string

func (w chanWriter) Write(b []byte) (int, error) {
	w <- string(b)
	return len(b), nil
}
