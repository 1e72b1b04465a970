#!/bin/bash
# Tests with their set-up and progress: `run.sh unit|model|api|nodes|plugin|all`. `make test` calls `all`.
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
  require_programs redis-server=redis-server
  step "Unit and property tests"
  cargo test --workspace --lib --bins
  step "Tests of the rooms from outside, with a real Redis"
  cargo test --workspace --test crd --test readable --test daemon --test night --test gateway --test pure --test server --test plan
}

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
  collected
}

# Waits until Kubernetes' garbage collector knows the kind that was just installed. It looks for new kinds twice a minute, and
# children of a resource that comes and goes before that are left lying for minutes. A fresh probe has no such history.
collected() {
  local probe=0
  step "Waiting for the garbage collector to know the new kind"
  until [ $probe -gt 0 ] && kubectl wait --for=delete "configmap/probe-$probe" --timeout=5s >/dev/null 2>&1; do
    probe=$((probe + 1))
    [ $probe -lt 60 ] || die "the garbage collector does not delete children of a CherokeeCluster that is not there"
    kubectl create -f - >/dev/null <<YAML
apiVersion: v1
kind: ConfigMap
metadata:
  name: probe-$probe
  namespace: default
  ownerReferences: [{apiVersion: cherokee.ai/v1alpha1, kind: CherokeeCluster, name: gone, uid: 00000000-0000-4000-8000-0000000000$((probe + 10))}]
YAML
  done
}

api() {
  step "The API server on the CRD: examples, refusals, and their words"
  cargo test --workspace --test api
}

nodes() {
  step "A Python with the official openai package"
  venv openai-venv 'openai>=3,<4'
  export CHEROKEE_TEST_PYTHON=$TARGET/openai-venv/bin/python
  CHEROKEE_TEST_MODEL=$(images/model.sh)
  export CHEROKEE_TEST_MODEL
  step "Two nodes: layout, refusals, windows, faults, clients, model sources"
  cargo test --workspace --test nodes -- --test-threads=1 --skip device_plugin::
}

plugin() {
  step "The same under the device plugin"
  cargo test --workspace --test nodes -- --test-threads=1 device_plugin::
}

case ${1:-all} in
  unit) build; unit ;;
  model) build; model ;;
  api) build; cluster; api ;;
  nodes) build; cluster; nodes ;;
  plugin) build; GPU_ACCESS=device-plugin cluster; plugin ;;
  all) build; unit; model; cluster; api; nodes; GPU_ACCESS=device-plugin cluster; plugin ;;
  *) echo "usage: $0 unit|model|api|nodes|plugin|all" >&2; exit 2 ;;
esac
step "All passed"
