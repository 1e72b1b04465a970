# shellcheck shell=bash
# Removes a cluster however it was left, sourced: what runs is found by its mark, what the kernel keeps by its name.

marked() { grep -lzxsF "$mark" /proc/[0-9]*/environ | cut -d/ -f3; }

clean() {
  local pids left node
  for _ in $(seq 100); do
    pids=$(marked) || true; [ -n "$pids" ] || break
    kill -9 $pids 2>/dev/null || true      # each node is a PID namespace: its pods end with it
    sleep 0.1
  done
  for node in "${nodes[@]}"; do ip link del "$(veth "$node")" 2>/dev/null || true; done
  ip link del "$bridge" 2>/dev/null || true   # the routes go with it
  for _ in $(seq 100); do
    left=$(find /sys/fs/cgroup -depth -type d -path "*/cherokee-$cluster-*" 2>/dev/null) || true; [ -n "$left" ] || break
    rmdir $left 2>/dev/null || true
    sleep 0.1
  done
  rm -rf "$run"
  [ -z "$left" ] || say "these cgroups could not be removed: $left"
}

# forget ends the cluster's registration; the last cluster of the machine takes the mount points of all nodes with it.
# They must stay while another cluster runs: removing one would detach that cluster's mount.
forget() {
  rm -f "$registry"
  rmdir "${registry%/*}" 2>/dev/null || return 0
  rmdir --ignore-fail-on-non-empty /var/lib/kubelet /var/lib/containerd /run/containerd /var/lib/cni /run/netns /run/cdi \
    /var/log/pods /var/log/containers 2>/dev/null || true
}
