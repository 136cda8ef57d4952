package sidecars_test

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/pillion-dev/pillion/sidecars"
)

const goodEntry = `apiVersion: pillion.dev/v1alpha1
kind: ClusterSidecar
metadata:
  name: good
spec:
  description: An entry without a mistake.
  parameters:
    mode: {type: string, enum: [a, b], default: a, description: one of two}
    text: {type: string, description: any text}
    word: {type: string, pattern: "[a-z]+", example: abc, description: a word}
    port: {type: port, default: 8080, description: a port}
    list: {type: list, items: {type: path}, default: [/a], description: paths}
    containers: {type: list, items: {type: string}, default: ["*"], description: names}
  files:
    - name: config
      mountPath: /etc/good/config.yaml
      format: yaml
      data:
        mode: $(params.mode)
        text: $(params.text)
        list: [{$each: params.list, $item: $(item)}]
    - name: lines
      mountPath: /etc/good/lines
      format: lines
      lines:
        - port $(params.port)
        - {line: word $(params.word), when: {word: ["*"]}}
  volumes:
    - name: good-data
      emptyDir: {sizeLimit: 1Mi}
      share:
        - {containers: $(params.containers), mountPath: /data}
  containers:
    - name: good
      image: registry.example/good:1
      args: ["--port=$(params.port)"]
      ports: [{name: http, containerPort: $(params.port)}]
      volumeMounts: [{name: good-data, mountPath: /data}]
      resources:
        limits: {cpu: 100m, memory: 32Mi}
      securityContext:
        runAsNonRoot: true
  appEnv:
    - {name: GOOD_PORT, value: $(params.port)}
  flushSeconds: 5
`

func TestShowBad(t *testing.T) {
	for _, c := range [][2]string{
		{"", ""},
		{"kind: ClusterSidecar", "kind: Clustersidecar"},
		{"apiVersion: pillion.dev/v1alpha1", "apiVersion: pillion.dev/v1"},
		{"metadata:", "metdata:"},
		{"  name: good\nspec", "  nme: good\nspec"},
		{"  description: An", "  descriptoin: An"},
		{"type: port,", "typ: port,"},
		{"type: port,", "type: prt,"},
		{"type: port,", "type: 5,"},
		{"items: {type: path}", "itmes: {type: path}"},
		{"items: {type: path}", "items: {type: path, maxItem: 3}"},
		{"items: {type: path}", "items: {type: list}"},
		{"items: {type: path}", "items: path"},
		{"flushSeconds: 5", "flushSeconds: five"},
		{"flushSeconds: 5", "flushSeconds: 601"},
		{"flushSeconds: 5", "flushSecond: 5"},
		{"format: lines", "fromat: lines"},
		{"format: lines", "format: txt"},
		{"mountPath: /etc/good/lines", "mountPth: /etc/good/lines"},
		{"when: {word: [\"*\"]}", "wen: {word: [\"*\"]}"},
		{"when: {word: [\"*\"]}", "when: {wrod: [\"*\"]}"},
		{"when: {word: [\"*\"]}", "when: word"},
		{"when: {word: [\"*\"]}", "when: {word: {a: b}}"},
		{"sizeLimit: 1Mi", "sizeLmit: 1Mi"},
		{"emptyDir: {sizeLimit: 1Mi}", "emptyDr: {sizeLimit: 1Mi}"},
		{"emptyDir: {sizeLimit: 1Mi}", "emptyDir: {}"},
		{"emptyDir: {sizeLimit: 1Mi}", "emptyDir: 1Mi"},
		{"emptyDir: {sizeLimit: 1Mi}", "emptyDir: {sizeLimit: much}"},
		{"{containers: $(params.containers), mountPath: /data}", "{container: app, mountPath: /data}"},
		{"{containers: $(params.containers), mountPath: /data}", "{containers: [app]}"},
		{"{containers: $(params.containers), mountPath: /data}", "{containers: {a: b}, mountPath: /data}"},
		{"{containers: $(params.containers), mountPath: /data}", "nonsense"},
		{"image: registry.example/good:1", "imag: registry.example/good:1"},
		{"image: registry.example/good:1", "image: 5"},
		{"image: registry.example/good:1", "image: registry.example/good:$(params.text)"},
		{"args: [\"--port=$(params.port)\"]", "args: --port=$(params.port)"},
		{"args: [\"--port=$(params.port)\"]", "args: [--port, $(params.prt)]"},
		{"args: [\"--port=$(params.port)\"]", "args: [--port, $$(params.port)]"},
		{"containerPort: $(params.port)", "containerPort: http"},
		{"containerPort: $(params.port)", "containerPort: $(params.text)"},
		{"containerPort: $(params.port)", "containerPort: $(params.port), hostPort: $(params.port)"},
		{"name: http", "name: $(params.word)"},
		{"[{name: good-data, mountPath: /data}]", "[{name: good-dat, mountPath: /data}]"},
		{"[{name: good-data, mountPath: /data}]", "[{name: good-data, mountPth: /data}]"},
		{"[{name: good-data, mountPath: /data}]", "{name: good-data, mountPath: /data}"},
		{"limits: {cpu: 100m, memory: 32Mi}", "limits: {cpu: 100m}"},
		{"limits: {cpu: 100m, memory: 32Mi}", "limits: {cpu: lots, memory: 32Mi}"},
		{"limits: {cpu: 100m, memory: 32Mi}", "limit: {cpu: 100m, memory: 32Mi}"},
		{"limits: {cpu: 100m, memory: 32Mi}", "- limits"},
		{"runAsNonRoot: true", "runAsNonroot: true"},
		{"runAsNonRoot: true", "runAsNonRoot: $(params.mode)"},
		{"runAsNonRoot: true", "runAsNonRoot: \"yes\""},
		{"name: GOOD_PORT", "name: GOOD-PORT"},
		{"name: GOOD_PORT", "nam: GOOD_PORT"},
		{"    - name: good\n", "    - name: other\n"},
		{"    - name: good\n", "    - nme: good\n"},
		{"    - name: good\n", "    - name: 5\n"},
		{"default: a,", "default: c,"},
		{"default: a,", "default: {a: b},"},
		{"default: [/a]", "default: /a"},
		{"  flushSeconds: 5", "\tflushSeconds: 5"},
		{"  flushSeconds: 5", "  flushSeconds: 5\n  flushSeconds: 6"},
		{"  flushSeconds: 5", "  flushSeconds: 5: 6"},
		{"  flushSeconds: 5", "  flushSeconds: [5"},
		{"  flushSeconds: 5", "  flushSeconds: *nothing"},
		{"  flushSeconds: 5", "  namespaceSelector: {matchLabel: {a: b}}"},
		{"  flushSeconds: 5", "  namespaceSelector: {matchExpressions: [{key: a, operator: Is}]}"},
		{"  flushSeconds: 5", "  order: {after: [good]}"},
		{"  flushSeconds: 5", "  order: {afer: [x]}"},
		{"  flushSeconds: 5", "  order: {after: x}"},
		{"  flushSeconds: 5", "  hostNetwork: yes"},
		{"mode: $(params.mode)", "mode: $(params.mode)\n        bad: [{$each: params.mode, $item: $(item)}]"},
		{"mode: $(params.mode)", "mode: {$when: 5, a: b}"},
		{"port $(params.port)", "text $(params.text)"},
		{"kind: ClusterSidecar\n", "kind: ClusterSidecar\nstatus: {}\n"},
		{"spec:\n", "spec: 5\nspecs:\n"},
	} {
		text := strings.Replace(goodEntry, c[0], c[1], 1)
		if text == goodEntry && c[0] != "" {
			t.Fatalf("nothing changed: %q", c[0])
		}
		began := time.Now()
		_, err := sidecars.Load(fstest.MapFS{"good.yaml": {Data: []byte(text)}})
		t.Logf("== %s -> %s (%s)\n%v", c[0], c[1], time.Since(began), err)
	}
}
