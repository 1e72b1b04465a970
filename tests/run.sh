#!/bin/bash
# Tests with their set-up and progress: `run.sh seen|unit|cluster`. `make test` calls `seen`: the rooms whose tests have been seen to
# pass (docs/state.md); a room moves there when they have.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CLUSTER_NAME=${CLUSTER_NAME_FOR_TESTS:-test}
. demo/lib.sh
command -v cargo >/dev/null || { echo "the tests need Rust (cargo): see https://rustup.rs" >&2; exit 1; }

seen() {
  step "Planner: unit, story and property tests"
  cargo test -p cherokee-plan
}

unit() {
  step "Formatting and lints"
  cargo fmt --all --check
  cargo clippy --workspace --all-targets -- -D warnings
  step "Generated files and the arrows between the rooms"
  make -s check
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
  need_tools
  step "Building the programs"
  cargo build --workspace --all-targets
  step "Booting cluster \`$CLUSTER_NAME\`"
  tests/cluster/cluster up
  [ -n "${KEEP:-}" ] || trap 'tests/cluster/cluster down' EXIT
  images_up
  step "A Python with the official openai package"
  python3 -m venv "$TARGET/openai-venv"
  "$TARGET/openai-venv/bin/pip" install --quiet 'openai>=3,<4'
  export CHEROKEE_TEST_PYTHON=$TARGET/openai-venv/bin/python CHEROKEE_TEST_KUBECONFIG=$KUBECONFIG
  step "The API server on the CRD: examples, refusals, and their words"
  cargo test --workspace --test api
  step "Two nodes: installation by Helm, layout, windows, faults"
  operator_up
  cargo test --workspace --test nodes -- --test-threads=1
}

case ${1:-seen} in
  seen) seen ;;
  unit) unit ;;
  cluster) cluster ;;
  *) echo "usage: $0 seen|unit|cluster" >&2; exit 2 ;;
esac
step "All passed"
