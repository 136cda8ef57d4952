package apiserver

// goodEntry has something of everything that the schema says more of than its type.
const goodEntry = `apiVersion: pillion.dev/v1alpha1
kind: ClusterSidecar
metadata:
  name: good
spec:
  description: An entry without a mistake.
  parameters:
    mode: {type: string, enum: [a, b], default: a, description: one of two}
    word: {type: string, pattern: "[a-z]+", example: abc, maxLength: 20}
    must: {type: string, pattern: "[a-z]+", example: abc, required: true}
    port: {type: port, default: 8080, minimum: "1024"}
    link: {type: url, schemes: [https]}
    list: {type: list, items: {type: path, maxItems: 4}, default: [/a]}
    rows: {type: list, items: {fields: {path: {type: path, required: true}, port: {type: port, default: 80}}}}
  files:
    - name: config
      mountPath: /etc/good/config.yaml
      format: yaml
      containers: [good]
      data:
        mode: $(params.mode)
        link: $(params.link)
        list: [{$each: params.list, $item: $(item)}]
        rows: [{$each: params.rows, path: $(item.path), port: $(item.port)}]
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
        - {containers: [app], mountPath: /data, when: {mode: a}}
        - {sidecars: [other], mountPath: /data}
    - name: good-more
      when: {word: ["*"]}
      emptyDir: {sizeLimit: 1Mi}
` + goodContainers + `  appEnv:
    - {name: GOOD_PORT, value: $(params.port), containers: ["app-*"]}
  flushSeconds: 5
  hostNetwork: refused
  order: {after: [one], conflictsWith: [two]}
  namespaceSelector: {matchLabels: {a: b}, matchExpressions: [{key: c, operator: In, values: [d]}]}
`

// goodContainers are its containers.
const goodContainers = `  containers:
    - name: good
      image: registry.example/good:1
      args: ["--must=$(params.must)"]
      ports: [{name: http, containerPort: $(params.port)}]
      volumeMounts: [{name: good-data, mountPath: /data}]
      resources: {limits: {cpu: 100m, memory: 32Mi}}
    - name: good-second
      placement: regular
      when: {mode: [a]}
      image: registry.example/good:1
      resources: {limits: {cpu: 100m, memory: 32Mi}}
  initContainers:
    - name: good-init
      image: registry.example/good:1
      resources: {limits: {cpu: 100m, memory: 32Mi}}
`
