#!/bin/bash
# Tests with their set-up and progress: `run.sh unit|model|api|nodes|plugin|all`. `make test` calls `all`. Environment:
#   KEEP=1                   the cluster stays up; the last lines say how to remove it
#   CLUSTER_NAME_FOR_TESTS   its name, by default `test`: with another one two checkouts test at once
#   CLUSTER=current          the cluster of the present kubeconfig instead (tests/cluster/README.md)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CLUSTER_NAME=${CLUSTER_NAME_FOR_TESTS:-test}
. demo/lib.sh

# Checks the machine's requirements before minutes of building.
needs() {
  need_tools
  case $1 in unit | all) require_programs redis-server=redis-server ;; esac
  case $1 in api | nodes | plugin | all) need_cluster ;; esac
}

build() {
  step "Building programs and tests (the first time takes a while)"
  cargo build --workspace --all-targets
}

unit() {
  step "Formatting and lints"
  make -s lint
  step "Generated files, the chart, dependencies and imports"
  make -s check
  step "Go: unit tests of the test cluster"
  make -s cluster-check
  step "Unit and property tests"
  cargo test --workspace --lib --bins
  step "Tests of the rooms from outside, with a real Redis"
  cargo test --workspace --test crd --test readable --test daemon --test night --test gateway --test pure --test server --test plan \
    --test plugin --test docs
}

model() {
  step "Engine and worker on the real model"
  CHEROKEE_TEST_MODEL=$(images/model.sh)
  export CHEROKEE_TEST_MODEL
  cargo test --workspace --no-fail-fast --test with_model --test footprint --test http
}

# on_cluster OPTION...: cargo test as a process of the cluster, so that whoever takes the cluster down ends it too.
on_cluster() { env "$mark" cargo test --workspace "$@"; }

# Boots the cluster and installs the operator with Helm.
cluster() {
  trap ended EXIT
  step "Booting cluster \`$CLUSTER_NAME\`"
  # Remove what a killed run left in the cluster or still runs against it.
  [ -n "${KEEP:-}" ] || tests/cluster/cluster down
  tests/cluster/cluster up
  images_up
  export CHEROKEE_TEST_KUBECONFIG=$KUBECONFIG
  step "Installing the operator with Helm"
  operator_up
  collected
}

# A failed run prints diagnostics before the cluster is removed; with KEEP=1 the cluster stays.
ended() {
  local status=$?
  trap - EXIT
  [ $status = 0 ] || look
  if [ -n "${KEEP:-}" ] && [ "${CLUSTER:-}" != current ]; then
    say "cluster \`$CLUSTER_NAME\` stays: \`$this down\` removes it"
  else
    tests/cluster/cluster down || true
  fi
  exit $status
}

# The kubeconfig is that of the test cluster only once the images are up; before that its logs are all there is.
look() {
  if [ -n "${CHEROKEE_TEST_KUBECONFIG:-}" ] && kubectl --request-timeout=10s get --raw /readyz >/dev/null 2>&1; then
    demo/explain.sh
  elif [ "${CLUSTER:-}" != current ]; then
    tail -n 20 "$run"/log/*.log >&2 || true
  fi
}

# Waits until Kubernetes' garbage collector knows the kind that was just installed. It looks for new kinds twice a minute, and
# children of a resource that comes and goes before that are left lying for minutes. A fresh probe has no such history.
collected() {
  local probe=0
  step "Waiting for the garbage collector to know the new kind"
  until [ $probe -gt 0 ] && kubectl wait --for=delete "configmap/probe-$probe" --timeout=5s >/dev/null 2>&1; do
    probe=$((probe + 1))
    [ $probe -lt 240 ] || die "the garbage collector does not delete children of a CherokeeCluster that is not there"
    kubectl create -f - >/dev/null <<YAML || sleep 1
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
  on_cluster --test api
}

nodes() {
  step "A Python with the official openai package"
  venv openai-venv 'openai>=3,<4'
  export CHEROKEE_TEST_PYTHON=$TARGET/openai-venv/bin/python
  CHEROKEE_TEST_MODEL=$(images/model.sh)
  export CHEROKEE_TEST_MODEL
  # A cluster of your own is not ours to pull plugs of.
  local skipped=(--skip device_plugin::)
  [ "${CLUSTER:-}" != current ] || skipped+=(--skip faults:: --skip refusals::a_gpu_that_has_gone)
  step "Two nodes: layout, refusals, windows, faults, clients, model sources"
  on_cluster --test nodes -- --test-threads=1 "${skipped[@]}"
}

plugin() {
  step "The same under the device plugin"
  on_cluster --test nodes -- --test-threads=1 device_plugin::
}

kind=${1:-all}
case $kind in unit | model | api | nodes | plugin | all) ;; *) echo "usage: $0 unit|model|api|nodes|plugin|all" >&2; exit 2 ;; esac
needs "$kind"
build
case $kind in
  unit) unit ;;
  model) model ;;
  api) cluster; api ;;
  nodes) cluster; nodes ;;
  plugin) GPU_ACCESS=device-plugin cluster; plugin ;;
  all)
    unit; model; cluster; api; nodes
    # How GPUs are had in a cluster of your own is not ours to change.
    if [ "${CLUSTER:-}" != current ]; then GPU_ACCESS=device-plugin cluster; plugin; fi ;;
esac
step "All passed"
