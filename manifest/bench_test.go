package manifest

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

const deployment = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
  labels:
    app.kubernetes.io/name: web
    app.kubernetes.io/part-of: shop
spec:
  replicas: 3
  selector:
    matchLabels:
      app.kubernetes.io/name: web
  template:
    metadata:
      labels:
        app.kubernetes.io/name: web
        app.kubernetes.io/part-of: shop
      annotations:
        pillion.dev/inject: "log-shipper,confd"
        prometheus.io/scrape: "true"
    spec:
      serviceAccountName: web
      # the application itself
      containers:
        - name: web
          image: registry.example.com/shop/web:1.14.2
          args: ["--listen=:8080", "--config=/etc/web/config.yaml"]
          ports:
            - name: http
              containerPort: 8080
          env:
            - name: LOG_LEVEL
              value: info
            - name: DB_HOST
              value: db.shop.svc # the primary
          resources:
            requests: {cpu: 100m, memory: 64Mi}
            limits: {memory: 128Mi}
          readinessProbe:
            httpGet:
              path: /healthz
              port: http
          volumeMounts:
            - name: config
              mountPath: /etc/web
      volumes:
        - name: config
          configMap:
            name: web-config
`

// deploymentOps are what two sidecars add to a Deployment.
var deploymentOps = []string{
	`add /spec/template/metadata/annotations/pillion.dev~1injected "log-shipper,confd"`,
	`add /spec/template/metadata/annotations/pillion.dev~1hash "0a1b2c3d4e5f"`,
	`add /spec/template/spec/initContainers [{"name":"confd","image":"registry.example.com/confd:2.1","restartPolicy":"Always","args":["--watch","--interval=30s"],"resources":{"requests":{"cpu":"10m","memory":"16Mi"}},"volumeMounts":[{"name":"confd","mountPath":"/conf"}]}]`,
	`add /spec/template/spec/initContainers/- {"name":"migrate","image":"registry.example.com/migrate:7","command":["/migrate"],"resources":{"limits":{"memory":"64Mi"}}}`,
	`add /spec/template/spec/containers/- {"name":"log-shipper","image":"registry.example.com/log-shipper:3.4","args":["--path=/var/log/app"],"env":[{"name":"POD_NAME","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}}],"securityContext":{"runAsNonRoot":true},"volumeMounts":[{"name":"logs","mountPath":"/var/log/app","readOnly":true}]}`,
	`add /spec/template/spec/containers/- {"name":"probe","image":"registry.example.com/probe:1","ports":[{"containerPort":9090,"name":"metrics"}]}`,
	`add /spec/template/spec/containers/0/volumeMounts/- {"name":"logs","mountPath":"/var/log/app"}`,
	`add /spec/template/spec/containers/0/volumeMounts/- {"name":"confd","mountPath":"/conf","readOnly":true}`,
	`add /spec/template/spec/volumes/- {"name":"logs","emptyDir":{}}`,
	`add /spec/template/spec/volumes/- {"name":"confd","emptyDir":{"medium":"Memory"}}`,
}

// BenchmarkPatch1000 reads a stream of 1,000 Deployments, patches each and
// writes it.
func BenchmarkPatch1000(b *testing.B) {
	stream := strings.Repeat("---\n"+deployment, 1000)
	patch := ops(b, deploymentOps...)
	b.ReportAllocs()
	b.SetBytes(int64(len(stream)))
	for b.Loop() {
		r := NewReader(strings.NewReader(stream), "web.yaml")
		for {
			d, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				b.Fatal(err)
			}
			if _, err := d.JSON(); err != nil {
				b.Fatal(err)
			}
			out, err := d.Patch(patch)
			if err != nil || out.Reencoded() {
				b.Fatalf("reencoded, or %v", err)
			}
			if _, err := io.Discard.Write(out.Bytes()); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/doc")
}

// BenchmarkRead1000 reads a stream of 1,000 Deployments and writes it as it is.
func BenchmarkRead1000(b *testing.B) {
	stream := []byte(strings.Repeat("---\n"+deployment, 1000))
	b.SetBytes(int64(len(stream)))
	for b.Loop() {
		r := NewReader(bytes.NewReader(stream), "web.yaml")
		for {
			d, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if _, err := d.JSON(); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/doc")
}
