#!/bin/bash
# Starts a node; boot.sh calls it. Kill its process 1 (kill -9 $(cat RUN_DIR/pid/NAME)) and the whole node is gone, pods and
# all, as when a machine loses power; call this again and it comes back. Usage: node.sh BIN_DIR RUN_DIR NAME
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
bin=$1 run=$2 name=$3
index=0
for i in "${!nodes[@]}"; do [ "${nodes[$i]}" != "$name" ] || index=$((i + 1)); done
[ $index -gt 0 ] || die "no node \`$name\`: there are ${nodes[*]}"

if [ $$ != 1 ]; then                    # outside: make the namespaces and the cable, and run this again as process 1
  setsid env "$mark" CLUSTER_NAME="$cluster" GPU_ACCESS="$access" unshare --net --mount --pid --fork --kill-child --mount-proc \
    --propagation private bash "$0" "$@" >>"$run/log/node-$name.log" 2>&1 </dev/null &
  outside=$!
  until pid=$(pgrep -P $outside); do
    kill -0 $outside 2>/dev/null || { tail -n 5 "$run/log/node-$name.log" >&2; die "node $name did not start: the end of its log is above"; }
    sleep 0.05
  done
  echo "$pid" >"$run/pid/$name"
  ip link add "$(veth "$name")" type veth peer name eth0 netns "$pid"
  ip link set "$(veth "$name")" master "$bridge" up
  exit
fi

dir=$run/$name
rm -rf "$dir/run" "$dir/var/lib/kubelet/device-plugins"   # as a machine that starts again
export PATH=$bin:$PATH
# The paths that containerd, CNI, the kubelet and device plugins hard-code are private to this node.
for path in /var/lib/kubelet /var/lib/containerd /run/containerd /var/lib/cni /run/netns /run/cdi /var/log/pods /var/log/containers; do
  mkdir -p "$path" "$dir$path"
  mount --bind "$dir$path" "$path"
done
until ip link show eth0 >/dev/null 2>&1; do sleep 0.05; done
ip link set lo up
ip addr add "$(node_ip $index)/24" dev eth0
ip link set eth0 up
ip route add default via "$host"
for i in "${!nodes[@]}"; do
  [ $((i + 1)) = $index ] || ip route add "$(pod_net $((i + 1)))" via "$(node_ip $((i + 1)))"
done
sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1

mkdir -p "$dir/cni" "$dir/volumes"
cat >"$dir/cni/10-bridge.conflist" <<K
{"cniVersion":"1.0.0","name":"pod","plugins":[
 {"type":"bridge","bridge":"cni0","isGateway":true,"hairpinMode":true,
  "ipam":{"type":"host-local","dataDir":"$dir/run/cni","ranges":[[{"subnet":"$(pod_net $index)"}]],"routes":[{"dst":"0.0.0.0/0"}]}},
 {"type":"portmap","capabilities":{"portMappings":true}}]}
K
# restrict_oom_score_adj: without CAP_SYS_RESOURCE runc cannot lower oom_score_adj
cat >"$dir/containerd.toml" <<K
version = 3
[plugins.'io.containerd.nri.v1.nri']
  disable = true
[plugins.'io.containerd.internal.v1.opt']
  path = "$dir/opt"
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
  cdi_spec_dirs = ["/run/cdi"]
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ["$bin"]
    conf_dir = "$dir/cni"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "localhost/pause:3.10"
K
: >"$dir/resolv.conf"
# Image garbage collection is off: images are imported, nothing could pull them again.
cat >"$dir/kubelet.yaml" <<K
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupRoot: /$(cgroup "$name")
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
volumePluginDir: $dir/volume-plugins
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
featureGates: {ImageVolume: true}
failSwapOn: false
clusterDNS: [$dns]
clusterDomain: cluster.local
healthzPort: 0
enforceNodeAllocatable: []
evictionHard: {nodefs.available: "1%"}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
resolvConf: $dir/resolv.conf
K
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
  for c in cpu cpuset memory pids; do echo "+$c" >/sys/fs/cgroup/cgroup.subtree_control || true; done
  mkdir -p "/sys/fs/cgroup/$(cgroup "$name")"
else
  for c in cpu cpuacct cpuset memory devices freezer blkio pids systemd; do
    [ ! -d /sys/fs/cgroup/$c ] || mkdir -p "/sys/fs/cgroup/$c/$(cgroup "$name")"
  done
  for f in cpus mems; do cat /sys/fs/cgroup/cpuset/cpuset.$f >"/sys/fs/cgroup/cpuset/$(cgroup "$name")/cpuset.$f"; done
fi

keep() { while :; do "$@" || true; sleep 0.2; done >>"$run/log/$1-$name.log" 2>&1 & }
keep containerd --config "$dir/containerd.toml"
until ctr version >/dev/null 2>&1; do sleep 0.1; done
ctr -n k8s.io images import "$bin/pause.tar" >/dev/null
until curl -sk --max-time 10 "https://$host:6443/readyz" | grep -q ok; do sleep 0.1; done
labels=cherokee.ai/simulated-gpus=true,nvidia.com/gpu.present=true,nvidia.com/gpu.count=${gpus[$name]},nvidia.com/gpu.memory=$gpu_memory_mib
labels+=,nvidia.com/gpu.product=NVIDIA-GeForce-RTX-5070,nvidia.com/gpu.family=blackwell,nvidia.com/gpu.compute.major=12,nvidia.com/gpu.compute.minor=0
keep kubelet --config "$dir/kubelet.yaml" --kubeconfig "$run/kubeconfig" --hostname-override "$name" \
  --node-ip "$(node_ip $index)" --node-labels "$labels"
keep kube-proxy --kubeconfig "$run/kubeconfig" --proxy-mode nftables --hostname-override "$name" \
  --conntrack-max-per-core=0 --conntrack-min=0 --conntrack-tcp-timeout-established=0 --conntrack-tcp-timeout-close-wait=0 \
  --cluster-cidr "$pod_nets" --metrics-bind-address=127.0.0.1:10249
keep netpol "$name" "$run/kubeconfig"
until [ -S /var/lib/kubelet/device-plugins/kubelet.sock ]; do sleep 0.1; done
keep fake-gpus -mode "$access" -node "$name" -count "${gpus[$name]}" -memory-mib "$gpu_memory_mib" \
  -hidden "$run/hidden-gpus" -kubeconfig "$run/kubeconfig"
wait
