#!/bin/bash
# All tests with their set-up and progress: `run.sh unit|cluster|all`. `make test` calls this.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CLUSTER_NAME=${CLUSTER_NAME_FOR_TESTS:-test}
. demo/lib.sh
need_tools

unit() {
  step "Formatting and lints"
  cargo fmt --all --check
  cargo clippy --workspace --all-targets -- -D warnings
  step "Generated files and the arrows between the rooms"
  cargo xtask gen --check
  cargo xtask check
  step "Go: vet and unit tests of the test cluster"
  (cd tests/cluster && CGO_ENABLED=0 go vet . ./internal/... && CGO_ENABLED=0 go test ./internal/...)
  step "A small real model and a real Redis for the unit tests"
  CHEROKEE_TEST_MODEL=$(images/model.sh)
  export CHEROKEE_TEST_MODEL
  command -v redis-server >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends redis-server >/dev/null; }
  step "Unit and property tests"
  cargo test --workspace --lib --bins
  cargo test --workspace --exclude cherokee-operator --test '*'
}

cluster() {
  step "Building the programs"
  cargo build --workspace --all-targets
  step "Booting cluster \`$CLUSTER_NAME\`"
  tests/cluster/cluster up
  [ -n "${KEEP:-}" ] || trap 'tests/cluster/cluster down' EXIT
  images_up
  step "The API server on the CRD: examples, refusals, and their words"
  export CHEROKEE_TEST_KUBECONFIG=$KUBECONFIG
  cargo test -p cherokee-operator --test api
  step "Two nodes: installation by Helm, layout, windows, faults"
  operator_up
  cargo test -p cherokee-operator --test nodes -- --test-threads=1
}

case ${1:-all} in
  unit) unit ;;
  cluster) cluster ;;
  all) unit; cluster ;;
  *) echo "usage: $0 unit|cluster|all" >&2; exit 2 ;;
esac
step "All passed"
