# Everything that one does with this checkout. `make` alone explains.

TAGS      := duckdb_arrow
GO        := go
BIN       := bin/sluice
TOOLS     := $(CURDIR)/bin/tools
LINTER    := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.5.0
# What the tests run against, as Debian and Ubuntu name it.
PACKAGES  := postgresql postgresql-contrib pgbouncer iso-codes tzdata distro-info-data chromium fonts-liberation
MODULES   := web/node_modules/.installed
# The race detector leaves out what C was translated to, key derivation, and what
# computes with letters and numbers: it finds nothing there, and makes them ten times
# slower. A package that keeps what goroutines share (encoding/json, its cache of types)
# must not be left out: races would be seen where there are none.
RACE      := -race $(foreach p,modernc.org/... golang.org/x/crypto/... unicode/utf8 math/big,'-gcflags=$p=-race=false')
# Simulations in one goroutine, and what watches other processes, run without it.
NO_RACE   := ./health/fleet ./internal/chaos ./internal/leak ./internal/roundtrip
# Those with tests of very many cases run without it as a whole, and with it in part.
SAMPLED   := ./connectors/file ./connectors/github ./connectors/kit/files ./connectors/shop/shopapi ./pipeline
FUZZTIME  ?= 20s
CHAOSTIME ?= 10m
DEMO_DIR  ?= demo-data
DEMO_PORT ?= 8099
DEMO_LISTEN ?= 127.0.0.1:8080

export GOFLAGS := -tags=$(TAGS)

.DEFAULT_GOAL := help

.PHONY: help
help: ## show this list
	@echo 'Sluice: make TARGET'
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 14

.PHONY: build
build: web ## build the web interface and the binary, bin/sluice
	$(GO) build -o $(BIN) ./cmd/sluice

.PHONY: web
web: web/dist/index.html ## build the web interface, which the binary embeds

web/dist/index.html: $(MODULES) web/index.html web/vite.config.ts web/tsconfig.json $(shell find web/src web/public -type f)
	cd web && npm run --silent build

$(MODULES): web/package.json web/package-lock.json
	cd web && npm ci --silent
	@touch $@

.PHONY: demo
demo: build ## build, then run the platform: a living sample API, replicated every minute
	@DEMO_DIR=$(DEMO_DIR) DEMO_PORT=$(DEMO_PORT) DEMO_LISTEN=$(DEMO_LISTEN) sh docs/demo/run.sh $(BIN)

.PHONY: deps
deps: ## install what the tests need (by apt, when root), or say what is missing
	@sh internal/testdeps/install.sh $(PACKAGES)

.PHONY: test
test: deps build ## install what the tests need, and run them all: Go's with the race detector, the interface's in a browser
	$(GO) test -vet=off $(NO_RACE) $(SAMPLED)
	$(GO) test -vet=off $(RACE) -timeout 25m $$($(GO) list ./... | grep -v $(foreach p,$(NO_RACE:.%=%$$),-e $(p)))
	cd web && npm run --silent test && npm run --silent e2e

.PHONY: test-web
test-web: deps build ## run the tests of the web interface alone
	cd web && npm run --silent lint && npm run --silent test && npm run --silent e2e

.PHONY: measure-web
measure-web: deps build ## measure the web interface with 10,000 connections
	cd web && npm run --silent measure

.PHONY: check
check: lint test ## all that CI does

.PHONY: lint
lint: $(TOOLS)/golangci-lint $(MODULES) ## run the linters and see that files are formatted
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo 'not formatted (make fmt):'; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(TOOLS)/golangci-lint run --timeout 15m
	cd web && npm run --silent lint

$(TOOLS)/golangci-lint:
	GOFLAGS= GOBIN=$(TOOLS) $(GO) install $(LINTER)

.PHONY: bench
bench: build ## measure against the databases' own tools (BENCH="--scale 0.1 --cases lineitem")
	$(GO) run ./bench --binary $(BIN) $(BENCH)

.PHONY: bench-platform
bench-platform: deps ## measure the platform with 10,000 connections: syncs a minute, delays, idle cost, API latency, queries
	$(GO) test -run '^$$' -bench Platform -benchtime 1x -timeout 20m ./scheduler
	$(GO) test -run '^$$' -bench . -timeout 20m ./server
	$(GO) test -run '^$$' -bench Store -timeout 30m ./store

.PHONY: chaos
chaos: build deps ## kill syncs between real systems at random, for CHAOSTIME (10m)
	SLUICE_CHAOS_TIME=$(CHAOSTIME) $(GO) test -timeout 0 -count=1 -v -run 'TestChaos' ./internal/chaos

.PHONY: fuzz
fuzz: ## run every fuzzer for FUZZTIME (20s) each
	@sh internal/testdeps/fuzz.sh $(FUZZTIME)

.PHONY: generate
generate: $(MODULES) ## make generated files anew; CI fails when they are stale
	$(GO) generate ./...
	cd web && npm run --silent generate

.PHONY: fmt
fmt: ## format the code
	gofmt -w $$(git ls-files '*.go')
