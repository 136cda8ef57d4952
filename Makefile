# Pillion: `make demo` shows it, `make test` proves it. Both do their own set-up; `make help` lists the rest.
SHELL := /bin/bash
GO ?= go
RUN ?= .
ARGS ?=
NAME ?= pillion
NODES ?= 1

# A node is made of namespaces and cgroups, which only root may make; the tests of all else need no root.
ROOT_ONLY = test/cluster/node|test/cluster/cmd/cluster|node|node/.*|test/qemu
ifeq ($(shell id -u),0)
PACKAGES = ./...
PROGRAMS = cluster-programs
else
PACKAGES = $$($(GO) list ./... | grep -vE '($(ROOT_ONLY))$$')
PROGRAMS = control-plane
endif

.PHONY: help demo test unit lint golden generate check-generated cluster cluster-down cluster-programs build-cluster images test-images test-sidecars e2e qemu qemu-bed fuzz fuzz-short bench prove setup control-plane build clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

demo: control-plane ## show the main job on a real API server (ARGS=--keep leaves it running)
	@$(GO) run ./test/demo $(ARGS)

test: setup $(PROGRAMS) ## set up and run every test: unit, golden, property, control plane and, as root, a whole node
	@$$(hack/tool.sh gotestsum gotest.tools/gotestsum) --format pkgname-and-test-fails -- -timeout 20m -run '$(RUN)' $(PACKAGES)

unit: ## the quick tests only: no control plane
	@$(GO) test -run '$(RUN)' ./api/... ./sidecars/... ./manifest/... ./cli/... ./certs/... ./webhook/... ./controller/... ./doctor/... ./configfile/... ./artifact/... ./runner/... ./examples/...

setup: ## install what the tests need from the system: haproxy, promtool, nginx
	@hack/setup.sh

control-plane: ## build etcd, kube-apiserver and kube-controller-manager on first use
	@$(GO) run ./test/cluster/cmd/cluster build

cluster: setup build-cluster ## bring a whole Kubernetes up, as root (NODES=2, NAME=x)
	@bin/cluster up --name $(NAME) --nodes $(NODES)

cluster-down: build-cluster ## end it and leave nothing behind
	@bin/cluster down --name $(NAME)

cluster-programs: ## build all programs of the test bed on first use
	@$(GO) run ./test/cluster/cmd/cluster build --with node

build-cluster:
	@CGO_ENABLED=0 $(GO) build -o bin/cluster ./test/cluster/cmd/cluster

build: ## build the programs into bin/
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o bin/ ./cmd/...
	@ln -sf pillion bin/kubectl-pillion

images: setup ## make the images of the test bed, as root: our own come out of the Dockerfile
	@$(GO) run -C test/images ./cmd/images build $(ARGS)

test-images: setup ## the tests of the images and of the Dockerfile, as root
	@$(GO) test -C test/images -timeout 20m ./...

e2e: setup cluster-programs ## the scenarios on a whole Kubernetes of two nodes, as root (RUN=S17 for one)
	@hack/e2e.sh '$(RUN)'

test-sidecars: setup ## the log-shipper and the proxy themselves, as processes
	@$(GO) test -C test/sidecars -timeout 10m ./receiver ./logs ./proxy ./metrics && $(GO) test -C collector/drain ./... && $(GO) test -C collector/settle ./...

qemu: setup ## cgroups of version 2 alone, on a kernel in an emulator
	@$(GO) test ./test/qemu -count=1 -v -timeout 10m -run '$(RUN)'

qemu-bed: setup cluster-programs ## a whole Kubernetes on cgroups of version 2 alone, in an emulator
	@$(GO) test -tags prove ./test/qemu -run BedOn -count=1 -v -timeout 30m

lint: ## golangci-lint, with the import table
	@hack/lint.sh

golden: ## write the golden cases anew; review the diff as code
	@$(GO) test ./sidecars -run TestGolden -update && git --no-pager diff --stat -- test/golden

generate: ## write the CRDs, the deep copies and the references in docs/
	@hack/generate-api.sh
	@hack/generate-collector.sh
	@$(GO) run ./test/chart/generate
	@$(GO) run ./docs/generate

check-generated: ## fail where a generated file is not up to date
	@hack/generate-api.sh --check
	@hack/generate-collector.sh --check
	@$(GO) run ./test/chart/generate --check
	@$(GO) run ./docs/generate --check

fuzz-short: ## every fuzz target for 10 seconds
	@hack/fuzz.sh 10s

fuzz: ## every fuzz target for 10 minutes, all at once
	@hack/fuzz.sh 10m together

bench: ## benchmarks beside the usual way
	@$(GO) test ./test/bench -run TestTable -count=1 -v
	@$(GO) test -C test/sidecars ./pays -count=1 -v

prove: setup $(PROGRAMS) ## the large counts: 10,000 property cases, 10 minutes of each fuzz target, the benchmarks
	@$(GO) test ./sidecars -run 'Property' -rapid.checks=10000 -timeout 60m -count=1
	@PILLION_PROVE=1 $(GO) test ./test/catalog ./test/certs ./test/failsafe -p 1 -count=1 -v -timeout 60m
	@PILLION_PROVE=1 $(GO) test ./test/chart -run EveryCondition -count=1 -timeout 30m
	@PILLION_PROVE=1 $(GO) test -C test/sidecars -timeout 20m ./logs
	@PILLION_PROVE=1 $(GO) test ./cmd/confd -run 'Nginx|HAProxy' -count=1 -v -timeout 30m
	@PILLION_PROVE=1 E2E_TIMEOUT=60m hack/e2e.sh 'S02|S07|S19'
	@$(MAKE) qemu-bed
	@PILLION_NODE_CYCLES=10 $(GO) test $(PACKAGES) -count=1 -timeout 60m
	@$(MAKE) bench
	@$(MAKE) fuzz

clean: ## remove what was built in the checkout
	@rm -rf bin dist
