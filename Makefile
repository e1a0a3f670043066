# Every check that CI runs is a target here. `make help` lists them.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Tools are built from pinned versions into a cache outside the tree.
TOOLS := $(or $(RUNCAST_TOOLS),$(HOME)/.cache/runcast/tools)
BUF_VERSION := v1.75.0
PROTOC_GEN_GO_VERSION := $(shell awk '$$1 == "google.golang.org/protobuf" {print $$2}' go.mod)
PROTOC_GEN_GO_GRPC_VERSION := v1.6.2
GOLANGCI_LINT_VERSION := v2.15.0
BUF := $(TOOLS)/buf@$(BUF_VERSION)/buf
PROTOC_GEN_GO := $(TOOLS)/protoc-gen-go@$(PROTOC_GEN_GO_VERSION)/protoc-gen-go
PROTOC_GEN_GO_GRPC := $(TOOLS)/protoc-gen-go-grpc@$(PROTOC_GEN_GO_GRPC_VERSION)/protoc-gen-go-grpc
GOLANGCI_LINT := $(TOOLS)/golangci-lint@$(GOLANGCI_LINT_VERSION)/golangci-lint

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/runcast and bin/runcast-demo
	go build -o bin/ ./cmd/...

IMAGE := ghcr.io/runcast/runcast:0.1.0
BASE :=

.PHONY: image
image: ## write bin/runcast-image.tar, a container image, without a container engine: IMAGE names it, BASE is what it stands on
	mkdir -p bin
	cd deploy/image && go run . -source ../.. -o ../../bin/runcast-image.tar -tag $(IMAGE) -base "$(BASE)"

.PHONY: test
test: ## vet and unit tests: no cluster, no network
	go vet ./...
	go test ./...

.PHONY: e2e
e2e: ## the main job on a real control plane (first run builds its programs: some 25 minutes)
	go run ./test/cluster/cmd/build-tools
	go test -tags e2e -count=1 -timeout 40m -parallel 3 -v ./test/...

.PHONY: demo
demo: ## the main job on a self-made history: no cluster needed; within two minutes after the build
	go run ./cmd/runcast-demo

.PHONY: bench
bench: ## benchmarks; performance claims are the ratios printed here
	go test -run '^$$' -bench . -benchmem -timeout 60m ./predictor/... ./collector/... ./scheduler/...

.PHONY: lint
lint: $(BUF) $(GOLANGCI_LINT) ## golangci-lint, buf lint
	$(GOLANGCI_LINT) run ./...
	$(BUF) lint

.PHONY: generate
generate: $(BUF) $(PROTOC_GEN_GO) $(PROTOC_GEN_GO_GRPC) ## write the Go beside the .proto files, docs/commands.md, docs/metrics.md, and what the chart renders (builds helm)
	PATH="$(dir $(PROTOC_GEN_GO)):$(dir $(PROTOC_GEN_GO_GRPC)):$$PATH" $(BUF) generate --template proto/buf.gen.yaml
	go test ./cmd/runcast -run '^Test(Commands|Metrics)Doc$$' -count=1 -update
	go test ./deploy/dashboards -count=1 -update
	go test -tags chart ./deploy -count=1 -update

.PHONY: breaking
breaking: $(BUF) ## the wire contract is compatible with that of main, on main with the commit before
	@head=$$(git rev-parse HEAD); \
	base=$$(git merge-base $$head origin/main 2>/dev/null || git merge-base $$head main 2>/dev/null || true); \
	if [ "$${base:-$$head}" = "$$head" ]; then base=$$(git rev-parse --quiet --verify $$head^ || true); fi; \
	if [ -z "$$base" ]; then echo "breaking: skipped, this clone has no earlier commit to compare with"; exit; fi; \
	echo "breaking: against $$base"; \
	git archive --format=tar $$base buf.yaml proto | $(BUF) breaking --against '-#format=tar'

.PHONY: verify
verify: lint generate breaking ## lint; what is generated, formatting and go.mod are as committed; breaking
	git diff --exit-code -- proto docs/commands.md docs/metrics.md docs/install.md deploy
	test -z "$$(gofmt -l .)"
# Its test reads files of the other module, changes of which a cached result would not know.
	cd deploy/image && go vet . && go test -count=1 .
	go mod tidy -diff

# A tool is built under a temporary name first: an interrupted build leaves nothing.
define install
	mkdir -p $(dir $@)
	GOBIN=$(dir $@).part go install $(1)
	mv $(dir $@).part/$(notdir $@) $@ && rmdir $(dir $@).part
endef
$(BUF):
	$(call install,github.com/bufbuild/buf/cmd/buf@$(BUF_VERSION))
$(PROTOC_GEN_GO):
	$(call install,google.golang.org/protobuf/cmd/protoc-gen-go@$(PROTOC_GEN_GO_VERSION))
$(PROTOC_GEN_GO_GRPC):
	$(call install,google.golang.org/grpc/cmd/protoc-gen-go-grpc@$(PROTOC_GEN_GO_GRPC_VERSION))
$(GOLANGCI_LINT):
	$(call install,github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION))
