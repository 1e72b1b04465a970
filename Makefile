# Cherokee Operator. `make` lists the targets; `make demo` and `make test` do all set-up by themselves.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# demo and test clusters live side by side on one machine (tests/cluster/README.md).
export CLUSTER_NAME ?= demo
export GPU_ACCESS ?= dra
export CHEROKEE_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/cherokee-operator
CLUSTER_TOOL := tests/cluster/cluster
# Outside the checkout, so that another clone finds the dependencies built.
export CARGO_TARGET_DIR ?= $(CHEROKEE_CACHE)/target
TARGET := $(CARGO_TARGET_DIR)
PROGRAMS := $(TARGET)/debug

.PHONY: help
help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo demo-down
demo: ## From nothing to an answer: a two-node cluster with simulated GPUs, the operator, one CherokeeCluster; left up
	@demo/demo.sh

demo-down: ## End the demo's cluster
	@$(CLUSTER_TOOL) down

.PHONY: test test-unit test-model test-api test-nodes test-plugin
test: ## Unit, property and model tests, then a real cluster: API server, layout, refusals, windows, faults and clients
	@tests/run.sh all

test-unit: ## Unit and property tests of all rooms, generated files: no cluster
	@tests/run.sh unit

test-model: ## Engine and worker on the real model, on the CPU
	@tests/run.sh model

test-api: ## The CRD on the API server; leaves the cluster up with KEEP=1 (tests/run.sh has the other variables)
	@tests/run.sh api

test-nodes: ## Layout, refusals, windows, faults and clients on two nodes; leaves the cluster up with KEEP=1
	@tests/run.sh nodes

test-plugin: ## The layout under the device plugin instead of DRA; leaves the cluster up with KEEP=1
	@tests/run.sh plugin

.PHONY: bench
bench: ## Muscle memory beside LiteLLM's Redis cache, in one run, as ratios; the time of the worst plans
	@bench/run.sh

# Cargo compares the modification times of sources, not their folder: without this, artefacts of another checkout would count as fresh.
.PHONY: claim
claim:
	@mkdir -p $(TARGET) && [ "$$(cat $(TARGET)/checkout 2>/dev/null)" = "$(CURDIR)" ] || \
	  { find Cargo.toml src crates tests \( -name '*.rs' -o -name Cargo.toml \) -exec touch {} + && echo "$(CURDIR)" > $(TARGET)/checkout; }

.PHONY: build images
# Always the whole workspace: a selection of packages selects other features and compiles everything below them again.
build: claim ## Build the programs
	@cargo build --workspace --bins

images: build ## Build the container images (OCI archives) into the target folder
	@images/build.sh $(TARGET)/images $(PROGRAMS)

include tests/cluster/cluster.mk

.PHONY: kubeconfig gateway-url bin
kubeconfig: ## Print the path of the cluster's kubeconfig (use make -s)
	@$(CLUSTER_TOOL) kubeconfig

gateway-url: ## Print the address of the gateway as seen from this machine (use make -s)
	@$(CLUSTER_TOOL) gateway-url cherokee cherokee-gateway

bin: ## Print the folder with kubectl, helm and kubectl-cherokee (use make -s)
	@mkdir -p $(TARGET)/bin && ln -sf "$$($(CLUSTER_TOOL) bin)"/{kubectl,helm} $(TARGET)/bin/ && \
	  ln -sf "$$(realpath $(PROGRAMS))/cherokee" $(TARGET)/bin/kubectl-cherokee && realpath $(TARGET)/bin

.PHONY: gen check fmt lint deny check-cuda
gen: build ## Generate the CRD, the chart's copy of it and manifests/install.yaml
	@$(PROGRAMS)/xtask gen && $(PROGRAMS)/xtask render --helm "$$($(CLUSTER_TOOL) bin)/helm"

check: build ## Lint the chart and render it as users do; compare generated files, dependencies and imports with the code
	@$(PROGRAMS)/xtask gen --check && $(PROGRAMS)/xtask render --check --helm "$$($(CLUSTER_TOOL) bin)/helm" && $(PROGRAMS)/xtask check

fmt: ## Format the code
	@cargo fmt --all && gofmt -w tests/cluster

lint: claim ## Formatting and clippy, warnings are errors
	@cargo fmt --all --check && cargo clippy --workspace --all-targets -- -D warnings

deny: ## Licences, sources and bans of the dependencies (installs cargo-deny)
	@command -v cargo-deny >/dev/null || cargo install --locked cargo-deny; cargo deny check bans licenses sources

check-cuda: ## Compile the engine for CUDA (sm_120) without a GPU; installs the toolchain, takes many minutes
	@crates/engine/check-cuda.sh
