# Targets for the test cluster; the root Makefile includes this file. CLUSTER_NAME, GPU_ACCESS, CLUSTER and CHEROKEE_CACHE are passed on.
CLUSTER_DIR := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))

# The flags of build.sh, so that its build cache serves.
CLUSTER_GO := CGO_ENABLED=0 GOFLAGS="-trimpath -tags=no_devmapper,no_zfs" go

.PHONY: cluster-up cluster-down cluster-smoke cluster-check cluster-vet

cluster-up: ## Start a real two-node Kubernetes with simulated GPUs (kept when it runs already)
	@$(CLUSTER_DIR)/cluster up

cluster-down: ## Remove that cluster, however it was left
	@$(CLUSTER_DIR)/cluster down

cluster-smoke: ## Show that the cluster itself works, in both GPU modes
	@CLUSTER_NAME=smoke $(CLUSTER_DIR)/smoke.sh dra device-plugin

cluster-check: ## Format and unit tests of the cluster's Go code
	@cd $(CLUSTER_DIR) && test -z "$$(gofmt -l .)" && $(CLUSTER_GO) test -vet=off ./internal/...

cluster-vet: ## go vet of the cluster's Go code: reads all of Kubernetes, many minutes the first time
	@cd $(CLUSTER_DIR) && $(CLUSTER_GO) vet . ./internal/...
