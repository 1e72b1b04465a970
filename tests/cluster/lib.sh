# shellcheck shell=bash
# Shared by the scripts of this folder, sourced: the cluster's name, what derives from it, and how things are said.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${CHEROKEE_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/cherokee-operator}
cluster=${CLUSTER_NAME:-demo}
access=${GPU_ACCESS:-dra}
nodes=(bluefin redfin)                  # a node's index is its place here, from 1
declare -A gpus=([bluefin]=1 [redfin]=2)
gpu_memory_mib=16303

say() { printf '[%3ds] %s\n' "$SECONDS" "$*" >&2; }
# again COMMAND...: what the network may fail is tried three times.
again() { "$@" || { say "trying again: $1"; sleep 5; "$@"; } || { say "and once more: $1"; sleep 30; "$@"; }; }
die() { echo "${0##*/}: $*" >&2; exit 1; }

[[ $cluster =~ ^[a-z][a-z0-9]{0,6}$ ]] || die "CLUSTER_NAME \`$cluster\` must be 1 to 7 lower-case letters and digits, a letter first"
[[ $access == dra || $access == device-plugin ]] || die "GPU_ACCESS \`$access\` is unknown: use dra or device-plugin"

# A proxy for the world knows nothing of the cluster.
export NO_PROXY=${NO_PROXY:+$NO_PROXY,}10.0.0.0/8,127.0.0.0/8
export no_proxy=$NO_PROXY

# Every cluster has addresses of its own, so that several run side by side; up says so when two names fall on the same ones.
case $cluster in
  demo) slot=0 ;;
  test) slot=1 ;;
  smoke) slot=2 ;;
  *) slot=$((3 + $(cksum <<<"$cluster" | cut -d' ' -f1) % 13)) ;;
esac
host=10.89.$slot.1
node_net=10.89.$slot.0/24
pod_nets=10.90.$((16 * slot)).0/20
service_net=10.96.$((16 * slot)).0/20
dns=10.96.$((16 * slot)).10
etcd=127.89.$slot.1                     # loopback: pods do not reach it
bridge=ck-$cluster
node_ip() { echo "10.89.$slot.1$1"; }                 # INDEX
pod_net() { echo "10.90.$((16 * slot + $1)).0/24"; }  # INDEX
veth() { echo "$cluster-$1"; }                        # NODE
cgroup() { echo "cherokee-$cluster-$1"; }             # NODE

# One file for each cluster of this machine, whichever checkout, user or cache folder started it: it is the lock, and its
# text is the run folder. Every process of a cluster carries the mark in its environment.
registry=/run/cherokee-cluster/$cluster
this="CLUSTER_NAME=$cluster $here/cluster"   # what a person types for this very cluster
mark=CHEROKEE_TEST_CLUSTER=$cluster
run=$(cat "$registry" 2>/dev/null) || true
run=${run:-$cache/run/$cluster}

# The built programs depend on the Go sources alone, a running cluster on the scripts and manifests too.
digest() { (cd "$here" && find . -type f "$@" -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) | sha256sum | cut -c1-12; }
parts=$(digest \( -name '*.go' -not -name '*_test.go' -o -name go.mod -o -name go.sum -o -name build.sh \))
recipe=$parts-$(digest \( -name '*.sh' -o -name '*.yaml' \) -not -name 'smoke*')
bin=$cache/cluster-$parts/bin
