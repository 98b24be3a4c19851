# Duotel: `make help` lists the targets. Everything needs Go and nothing else; developer tools are
# pinned in tools/go.mod and built by the go command on first use.

GO       ?= go
TOOL     := $(GO) tool -modfile=tools/go.mod
FUZZTIME ?= 10s
CROSS    ?= linux/386 windows/amd64 plan9/amd64 js/wasm

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Run the demo: a service with both exits and a backend of its own (Ctrl-C stops it)
	$(GO) run ./cmd/demo $(ARGS)

.PHONY: test
test: ## Run the tests
	$(GO) test ./...

.PHONY: check
check: lint cross race ## Everything that must be clean before a commit: lint, other systems, then the tests with -race

.PHONY: lint
lint: ## Formatting, vet, staticcheck and a tidy go.mod; changes nothing
	@out=$$($(TOOL) gofumpt -l .); [ -z "$$out" ] || { echo "not formatted (make fmt): $$out"; exit 1; }
	$(GO) vet ./... && $(TOOL) staticcheck ./...
	$(GO) mod tidy -diff

.PHONY: cross
cross: ## Build the library for other systems (CROSS="os/arch ..."); etcd's client builds neither for plan9 nor for js
	@for s in $(CROSS); do echo "$$s"; CGO_ENABLED=0 GOOS=$${s%/*} GOARCH=$${s#*/} $(GO) build $$($(GO) list -f '{{if .GoFiles}}{{.ImportPath}}{{end}}' ./... | grep -v /cmd/ | case $$s in plan9/*|js/*) grep -v /discovery/etcd;; *) cat;; esac) || exit 1; done

.PHONY: race
race: ## Run the tests with the race detector
	$(GO) test -race ./...

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (10s)
	FUZZTIME=$(FUZZTIME) tools/fuzz

.PHONY: e2e
e2e: ## Test against the real Prometheus and OpenTelemetry Collector, which are built once
	cd e2e && $(GO) run ./cmd/build && $(GO) test -count=1 -timeout 30m ./...
	@cat .cache/e2e/report.txt

.PHONY: soak
soak: ## Run the soak against a real Collector for DURATION (5m)
	cd e2e && $(GO) run ./cmd/build && DURATION=$(or $(DURATION),5m) $(GO) test -count=1 -timeout 0 -v -run TestSoak .

.PHONY: modules
modules: ## Run the tests of the modules beside the library: the duotel command, examples, real routers, Prometheus's parser
	cd internal/routertest && $(GO) test ./...
	cd internal/oracletest && $(GO) test ./...
	cd internal/opstest && $(GO) test -count=1 ./...
	cd internal/slothtest && $(GO) vet ./... && $(GO) test ./...
	cd internal/etcdtest && $(GO) vet ./... && $(GO) test -race ./...
	cd examples && $(GO) vet ./... && $(GO) test ./...
	cd cmd/duotel && $(GO) vet ./... && $(GO) test ./...

.PHONY: sim
sim: ## Run simulated worlds (SEEDS=1000 WORLD=service or discovery; SEED=1 runs that one again, with FAULTS=a,b and DURATION=1h)
	GOGC=400 $(GO) test ./internal/simulation/$(or $(WORLD),service) -count=1 -timeout 0 -run 'TestSeeds$$' -args -sim.progress \
		-sim.seeds=$(if $(SEED),1,$(or $(SEEDS),1000)) -sim.first=$(or $(SEED),$(FIRST),0) -sim.duration=$(or $(DURATION),1h) -sim.faults=$(FAULTS) -sim.budget=$(or $(BUDGET),0)

.PHONY: sim-power
sim-power: ## Put known faults back, one at a time, and count the worlds until a law breaks
	tools/sim-power

.PHONY: drill
drill: ## Run the outage drill of the push exit in full: 1000 increments a second, 20 seeds, HTTP and gRPC
	$(GO) test ./exporter -run OutageDrill -count=1 -v -args -drill.rate=1000

.PHONY: bench
bench: ## Measure beside the peers, about eight minutes (ARGS="-only scrape,push -rounds 3")
	cd bench && $(GO) run ./cmd/bench $(ARGS)

.PHONY: cover
cover: ## Show statement coverage per function
	@mkdir -p .cache
	$(GO) test -coverpkg=./... -coverprofile=.cache/cover.out ./...
	$(GO) tool cover -func=.cache/cover.out

.PHONY: fmt
fmt: ## Format every Go file
	$(TOOL) gofumpt -w .

.PHONY: tidy
tidy: ## Tidy go.mod
	$(GO) mod tidy

.PHONY: ops
ops: ## Rewrite the operations kits in ops/ and examples/ from the catalogue
	tools/ops .

.PHONY: ops-check
ops-check: ## Fail when the kits in ops/ and examples/ are not what the catalogue makes
	tools/ops -check

.PHONY: dashboard-types
dashboard-types: ## Check the dashboards with the types of Grafana's own schema (needs npm)
	tools/dashboard-types
	for d in ops/semconv ops/classic examples/flyte/ops; do tools/dashboard-types $$d/dashboards/*.json || exit 1; done

.PHONY: pictures
pictures: ## Draw the pictures of docs/observability.md from a real Prometheus
	cd e2e && PICTURES=$(CURDIR)/docs/pictures $(GO) test -count=1 -run TestEveryQueryHasData .

.PHONY: metrics-test
metrics-test: ## Start the demo, wait for its page and check it with the duotel command
	tools/metrics-test

.PHONY: api
api: ## Rewrite docs/api.txt, the exported API, after a deliberate change
	$(GO) test ./internal/apigolden -update

.PHONY: docs
docs: ## Rewrite docs/configuration.md from the table of variables, and the tables of docs/metrics.md from docs/metrics.yaml
	$(GO) test ./telemetry -update
	$(GO) test ./internal/metricdocs -run TestTables -update
