# Ottogate: `make` shows what there is to do. Everything that is downloaded or
# built goes to bin/ and .cache/; `make clean` removes both.

GO        ?= go
VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT    ?= $(shell git rev-parse --short HEAD 2>/dev/null)
TAGS      := nomsgpack
LDFLAGS   := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)
TOOL      := $(GO) tool -modfile=tools/go.mod
SWAG      := $(TOOL) swag init -g openapi.go -d openapi,handlers,problem,jsondoc --outputTypes json -o .cache/openapi --quiet
RESULTS   := .cache/test
FUZZTIME  ?= 10s
BENCH     ?=
SOAK      ?= 1h

# The suites of `make test`. The unit tests are those beside the code; some of
# them start real servers too.
UNIT        = $(shell $(GO) list -tags $(TAGS) ./... | grep -v '/tests/')
SERVERS     = ./tests/servers/...
CONFORMANCE = ./tests/conformance/...
E2E         = ./tests/e2e/...
GOTEST      = $(TOOL) gotestsum --format pkgname --format-hide-empty-pkg --jsonfile

.DEFAULT_GOAL := help
.PHONY: help build run setup test vet lint unit servers conformance e2e packaging openapi openapi-check bench soak fuzz fmt clean docker-check

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## bin/ottogate: one static binary
	CGO_ENABLED=0 $(GO) build -tags $(TAGS) -trimpath -ldflags '$(LDFLAGS)' -o bin/ottogate ./cmd/ottogate

run: build ## build, then start everything in one process: no Redis, Kafka or Apollo needed
	bin/ottogate dev

setup: ## install what the tests need (Debian, Ubuntu), or say what is missing; quick when all is there
	@tests/setup.sh

test: setup vet lint openapi-check ## everything that CI checks: vet, lint, the OpenAPI document, then all suites against real servers, with -race
	@rm -rf $(RESULTS) && mkdir -p $(RESULTS)
	@status=0; $(MAKE) --no-print-directory -k unit servers conformance e2e packaging || status=$$?; \
	tests/summary.sh $(RESULTS); exit $$status

vet: ## go vet, over the nested modules too
	$(GO) vet -tags $(TAGS) ./...
	cd tests/packaging && $(GO) vet ./...

lint: ## the linters of .golangci.yml, the floors' import rules among them
	$(TOOL) golangci-lint run ./...

unit: | $(RESULTS) ## the tests beside the code
	$(GOTEST) $(RESULTS)/unit.json -- -race -count=1 -tags $(TAGS) -timeout 10m $(UNIT)

servers: | $(RESULTS) ## the test bed itself: real servers start, stop, fail and come back
	$(GOTEST) $(RESULTS)/servers.json -- -race -count=1 -tags $(TAGS) -timeout 10m $(SERVERS)

conformance: | $(RESULTS) ## a suite per building block, on the embedded driver and on real servers
	$(GOTEST) $(RESULTS)/conformance.json -- -race -count=1 -tags $(TAGS) -timeout 15m $(CONFORMANCE)

e2e: | $(RESULTS) ## whole gateways over HTTP on shared real backends
	$(GOTEST) $(RESULTS)/e2e.json -- -race -count=1 -tags $(TAGS) -timeout 15m $(E2E)

packaging: | $(RESULTS) ## Dockerfile, compose file and the configuration that goes with it, without an engine
	cd tests/packaging && $(GO) tool -modfile=../../tools/go.mod gotestsum --format pkgname --jsonfile ../../$(RESULTS)/packaging.json -- -count=1 -timeout 5m ./...

openapi: ## generate the OpenAPI document from the handlers' comments
	$(SWAG) && $(GO) run -tags $(TAGS) ./openapi/generate .cache/openapi/swagger.json openapi

openapi-check: ## fail when the committed OpenAPI document is not what the comments say
	@mkdir -p .cache/openapi/fresh
	$(SWAG) && $(GO) run -tags $(TAGS) ./openapi/generate .cache/openapi/swagger.json .cache/openapi/fresh
	@cmp .cache/openapi/fresh/openapi.json openapi/openapi.json && cmp .cache/openapi/fresh/openapi.yaml openapi/openapi.yaml || \
	{ echo "openapi/ is stale: run make openapi"; exit 1; }

bench: build setup ## ratios to bare net/http and to a naive gateway, interleaved; BENCH=-short for a quick look
	$(GO) run -tags $(TAGS) ./tests/bench -gateway bin/ottogate $(BENCH)

soak: build setup ## mixed load for SOAK (1h), then the slopes of memory, goroutines and descriptors
	$(GO) run -tags $(TAGS) ./tests/bench -gateway bin/ottogate -soak $(SOAK)

fuzz: ## every fuzz target for FUZZTIME (10s) each
	@for package in $$($(GO) list -tags $(TAGS) ./...); do \
	  for target in $$($(GO) test -tags $(TAGS) -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
	    echo "$$package $$target"; \
	    $(GO) test -tags $(TAGS) -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package || exit 1; \
	  done; \
	done

fmt: ## format the code as the linters want it
	$(TOOL) golangci-lint fmt ./...

docker-check: packaging ## the packaging tests, and the image itself where there is a container engine
	@if docker info >/dev/null 2>&1; then docker build -t ottogate:check . && docker run --rm ottogate:check version; \
	else echo "no container engine here: the image was not built"; fi

clean: ## remove bin/ and .cache/
	rm -rf bin .cache

$(RESULTS):
	@mkdir -p $@
