#!/bin/bash
# Tests with their set-up and progress: `run.sh unit|model|api|nodes|all`. `make test` calls `all`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CLUSTER_NAME=${CLUSTER_NAME_FOR_TESTS:-test}
. demo/lib.sh

build() {
  need_tools
  step "Building programs and tests (the first time takes a while)"
  cargo build --workspace --all-targets
}

unit() {
  step "Formatting and lints"
  make -s lint
  step "Generated files, and the arrows between the rooms"
  make -s check
  step "Go: unit tests of the test cluster"
  make -s cluster-check
  step "A real Redis for the tests"
  command -v redis-server >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends redis-server >/dev/null; }
  step "Unit and property tests"
  cargo test --workspace --lib --bins
  step "Tests of the rooms from outside, with a real Redis"
  cargo test --workspace --test crd --test readable --test daemon --test night --test gateway --test pure --test server --test plan
}

# Not part of `all`: on a slow machine the model's answers run into the tests' deadlines (docs/state.md).
model() {
  step "Engine and worker on the real model"
  CHEROKEE_TEST_MODEL=$(images/model.sh)
  export CHEROKEE_TEST_MODEL
  cargo test --workspace --no-fail-fast --test with_model --test http
}

# Boots the cluster and installs the operator with Helm; ends the cluster with the tests, unless KEEP=1.
cluster() {
  step "Booting cluster \`$CLUSTER_NAME\`"
  tests/cluster/cluster up
  [ -n "${KEEP:-}" ] || trap 'tests/cluster/cluster down' EXIT
  images_up
  export CHEROKEE_TEST_KUBECONFIG=$KUBECONFIG
  step "Installing the operator with Helm"
  operator_up
}

api() {
  step "The API server on the CRD: examples, refusals, and their words"
  cargo test --workspace --test api
}

nodes() {
  step "A Python with the official openai package"
  python3 -c 'import ensurepip' 2>/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv >/dev/null; }
  [ -x "$TARGET/openai-venv/bin/python" ] || python3 -m venv "$TARGET/openai-venv"
  "$TARGET/openai-venv/bin/pip" install --quiet 'openai>=3,<4'
  export CHEROKEE_TEST_PYTHON=$TARGET/openai-venv/bin/python
  CHEROKEE_TEST_MODEL=$(images/model.sh)
  export CHEROKEE_TEST_MODEL
  step "Two nodes: layout, refusals, windows, faults, clients, model sources"
  cargo test --workspace --test nodes -- --test-threads=1
}

case ${1:-all} in
  unit) build; unit ;;
  model) build; model ;;
  api) build; cluster; api ;;
  nodes) build; cluster; nodes ;;
  all) build; unit; cluster; api; nodes ;;
  *) echo "usage: $0 unit|model|api|nodes|all" >&2; exit 2 ;;
esac
step "All passed"
