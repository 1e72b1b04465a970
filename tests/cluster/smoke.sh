#!/bin/bash
# Shows that the cluster does what README.md says: boots one of its own in each GPU mode, removes it, looks for leftovers.
# Usage: smoke.sh [dra|device-plugin]...
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export CLUSTER_NAME=${CLUSTER_NAME:-smoke}
cluster() { "$here/cluster" "$@"; }
. "$here/lib.sh"
. "$here/require.sh"
require_programs busybox=busybox-static
work=$(mktemp -d)
trap 'status=$?; rm -rf "$work"; [ $status = 0 ] || echo "FAILED; the cluster is left up: CLUSTER_NAME=$CLUSTER_NAME $here/cluster down removes it"' EXIT
ok() { printf '[%3ds] ok   %s\n' "$SECONDS" "$*"; }
fail() { echo "FAIL $*" >&2; exit 1; }
expect() { # WHAT WANT COMMAND...
  local what=$1 want=$2 got; shift 2
  got=$("$@" 2>&1) || true
  [ "$got" = "$want" ] || fail "$what: want '$want', got '$got'"
  ok "$what"
}
eventually() { # WHAT WANT COMMAND...
  local what=$1 want=$2 got until=$((SECONDS + 120)); shift 2
  until got=$("$@" 2>&1); [ "$got" = "$want" ]; do
    [ $SECONDS -lt $until ] || fail "$what: want '$want', got '$got' after two minutes"
    sleep 0.3
  done
  ok "$what"
}
wait_for() { # WHAT COMMAND...
  local what=$1 got until=$((SECONDS + 120)); shift
  until got=$("$@" 2>&1); do
    [ $SECONDS -lt $until ] || fail "$what did not happen in two minutes: $got"
    sleep 0.3
  done
}
marked() { grep -lzxsF "CHEROKEE_TEST_CLUSTER=$CLUSTER_NAME" /proc/[0-9]*/environ | cut -d/ -f3 || true; }
leftovers() { # RUN_DIR
  ip -o link | grep -o "ck-$CLUSTER_NAME\|$CLUSTER_NAME-[a-z]*fin" || true
  ip -4 route | grep -F "ck-$CLUSTER_NAME" || true
  find /sys/fs/cgroup -type d -name "cherokee-$CLUSTER_NAME-*" 2>/dev/null || true
  marked
  grep -F "/run/$CLUSTER_NAME/" /proc/mounts || true
  ls -d "/run/cherokee-cluster/$CLUSTER_NAME" "$1" 2>/dev/null || true
}
container_id_of() { kubectl get pod "$1" -o 'jsonpath={.status.containerStatuses[0].containerID}'; }

images() {
  head -c 3000000 /dev/urandom >"$work/weights.bin"
  bb=$(image -o "$work/bb.tar" -t localhost/bb -entrypoint /bin/busybox "$(command -v busybox)=/bin/busybox")
  model=$(image -o "$work/model.tar" -t localhost/model "$work/weights.bin=/model/weights.bin")
  cluster load "$work/bb.tar" "$work/model.tar"
  expect "an image that is there is not loaded again" "" cluster load "$work/bb.tar" "$work/model.tar"
}
apply() { for f in "$@"; do sed "s#IMAGE_BB#$bb#; s#IMAGE_MODEL#$model#" "$here/$f"; echo ---; done | kubectl apply -f - >/dev/null; }

gpus_dra() {
  gpu_names() { kubectl get resourceslices --sort-by=.spec.nodeName -o 'jsonpath={.items[*].spec.devices[*].attributes.uuid.string}'; }
  expect "GPUs in ResourceSlices" "GPU-bluefin-0 GPU-redfin-0 GPU-redfin-1" gpu_names
  expect "and none as nvidia.com/gpu" "" kubectl get nodes -o 'jsonpath={.items[*].status.capacity.nvidia\.com/gpu}'
  cluster gpu hide GPU-redfin-0
  eventually "a hidden GPU leaves the slices" "GPU-bluefin-0 GPU-redfin-1" gpu_names
  cluster gpu hide GPU-bluefin-0
  eventually "so does a node's only one" "GPU-redfin-1" gpu_names
  cluster gpu show GPU-redfin-0; cluster gpu show GPU-bluefin-0
  eventually "and both come back" "GPU-bluefin-0 GPU-redfin-0 GPU-redfin-1" gpu_names
}
gpus_device_plugin() {
  allocatable() { kubectl get nodes bluefin redfin -o 'jsonpath={.items[*].status.allocatable.nvidia\.com/gpu}'; }
  expect "GPUs allocatable as nvidia.com/gpu" "1 2" allocatable
  expect "and no ResourceSlices" "" kubectl get resourceslices -o name
  cluster gpu hide GPU-redfin-0
  eventually "a hidden GPU is not allocatable" "1 1" allocatable
  cluster gpu show GPU-redfin-0
  eventually "and comes back" "1 2" allocatable
}

network() {
  fetch() { kubectl exec "$1" -- /bin/busybox timeout 3 /bin/busybox wget -qO- http://web.strict/weights.bin 2>/dev/null | cksum; }
  local sum none p; sum=$(cksum <"$work/weights.bin") none=$(cksum </dev/null)
  for p in near far; do eventually "Service by name from pod $p" "$sum" fetch $p; done
  from_host() { curl -s --max-time 5 "$(cluster gateway-url strict web)/weights.bin" | cksum; }
  eventually "Service from this machine" "$sum" from_host
  apply smoke-policy.yaml
  kubectl label --overwrite pod near far allowed=no >/dev/null
  for p in near far; do eventually "NetworkPolicy refuses pod $p" "$none" fetch $p; done
  kubectl label --overwrite pod near far allowed=yes >/dev/null
  for p in near far; do eventually "and lets pod $p in again" "$sum" fetch $p; done
}

storage() {
  written() { kubectl exec -n strict writer -- /bin/busybox cat /disk/file; }
  eventually "a pod that is not root writes to a volume of the default class" written written
  kubectl delete pod -n strict writer --wait --timeout=60s >/dev/null
  apply smoke.yaml
  eventually "the volume outlives the pod" $'written\nwritten' written
}

node_loss() {
  local began=$SECONDS before
  before=$(container_id_of far)
  cluster kill-node redfin
  cluster start-node redfin
  lives_again() { [ "$(container_id_of far)" != "$before" ] && kubectl exec far -- /bin/busybox echo yes; }
  eventually "a killed node is back with its pod" yes lives_again
  eventually "and with its volume" $'written\nwritten\nwritten' written
  case $1 in dra) gpus() { gpu_names; }; want="GPU-bluefin-0 GPU-redfin-0 GPU-redfin-1" ;; *) gpus() { allocatable; }; want="1 2" ;; esac
  eventually "and with its GPUs, $((SECONDS - began)) s after the kill" "$want" gpus
}

# crash_and_stop: what a crash and a Ctrl-C leave is cleaned by the next up and at once.
crash_and_stop() {
  cluster up
  kill -9 $(marked)
  cluster up
  expect "up after a crash of every process" "True True" kubectl get nodes -o 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}'
  kill -9 $(marked)
  cluster down
  expect "nothing is left after a crash and down" "" leftovers "$run"
  "$here/cluster" up & local up=$!
  wait_for "the start of the second node" test -s "$run/pid/redfin"
  kill -TERM $up
  wait $up && fail "an up that was stopped says that all is well"
  expect "nothing is left after an up that was stopped" "" leftovers "$run"
}

for mode in "${@:-dra}"; do
  export GPU_ACCESS=$mode
  cluster up
  KUBECONFIG=$(cluster kubeconfig) bin=$(cluster bin)
  export KUBECONFIG PATH=$bin:$PATH
  run=$(dirname "$KUBECONFIG")
  expect "a second up keeps the cluster" "" bash -c "'$here/cluster' up 2>&1 | grep -v 'is up already' || true"
  expect "nodes say that their GPUs are simulated" "true true" kubectl get nodes -o 'jsonpath={.items[*].metadata.labels.cherokee\.ai/simulated-gpus}'
  images
  "gpus_${mode//-/_}"
  wait_for "the default service account" kubectl get serviceaccount default
  wait_for "the first apply" apply smoke.yaml   # the new namespace's service account comes a moment after it
  apply "smoke-$mode.yaml"
  [ "$mode" = dra ] && want="redfin GPU-redfin-1 true" || want="redfin GPU-redfin-0,GPU-redfin-1 true"
  given() { kubectl logs gpu | sed 's/GPU-redfin-1,GPU-redfin-0/GPU-redfin-0,GPU-redfin-1/'; } # the kubelet gives several in any order
  eventually "a pod sees the GPU it was given" "$want" given
  eventually "restricted Pod Security, read-only root, image volume with subPath" true kubectl get pod -n strict web -o 'jsonpath={.status.containerStatuses[0].ready}'
  network
  storage
  node_loss "$mode"
  kubectl delete -n strict pod/writer pvc/disk --wait --timeout=60s >/dev/null
  eventually "a released volume and its folder are removed" "" bash -c "kubectl get pv -o name; ls '$run/redfin/volumes'"
  cluster down
  expect "nothing is left after down" "" leftovers "$run"
done
crash_and_stop
