# shellcheck shell=bash
# What a machine must have, sourced: missing packages are installed where that can be done, the rest is said in one sentence.

require_root() {
  [ "$(uname -s)" = Linux ] || die "the test cluster needs Linux, this is $(uname -s): use CLUSTER=current with a cluster of your own"
  [ "$(id -u)" = 0 ] || die "the test cluster needs root for namespaces, links and cgroups: run it with sudo, or use CLUSTER=current with a cluster of your own"
}

# require_programs PROGRAM=PACKAGE...
require_programs() {
  local pair packages=()
  for pair in "$@"; do command -v "${pair%%=*}" >/dev/null || packages+=("${pair#*=}"); done
  [ ${#packages[@]} = 0 ] || install_packages "${packages[@]}"
}

install_packages() {
  command -v apt-get >/dev/null || die "these packages are missing and there is no apt to install them: $*"
  [ "$(id -u)" = 0 ] || die "these packages are missing, and installing them needs root: $*"
  say "installing $*"
  local log; log=$(mktemp)
  local install=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 install -y --no-install-recommends "$@")
  if ! "${install[@]}" >"$log" 2>&1 && ! { again apt-get update && "${install[@]}"; } >"$log" 2>&1; then
    tail -n 5 "$log" >&2; rm -f "$log"
    die "apt could not install $*; the end of its output is above"
  fi
  rm -f "$log"
}

require_cluster_programs() {
  PATH=$PATH:/usr/sbin:/sbin
  require_programs runc=runc nft=nftables iptables=iptables conntrack=conntrack ip=iproute2 openssl=openssl curl=curl \
    pgrep=procps unshare=util-linux nsenter=util-linux flock=util-linux sysctl=procps
}

# What images/build.sh takes from this machine. redis-tools holds the server too, as redis-check-rdb, and starts no service.
require_image_programs() { require_programs strip=binutils redis-check-rdb=redis-tools; }

# require_kernel tries each feature in namespaces of its own, so that nothing stays behind.
require_kernel() {
  unshare --net --mount --pid --fork true 2>/dev/null || die "this kernel or container does not let root make namespaces (unshare --net --mount --pid): use a machine or a privileged container"
  local try="unshare --net"
  $try ip link add v0 type veth peer name v1 2>/dev/null || die "this kernel has no veth links: load the module veth"
  $try ip link add b0 type bridge 2>/dev/null || die "this kernel has no bridges: load the module bridge"
  $try nft 'add table ip t; add chain ip t c { type nat hook prerouting priority 0; }' 2>/dev/null || die "this kernel has no nf_tables with NAT: load the modules nf_tables and nft_nat"
  [ -w /sys/fs/cgroup ] || die "/sys/fs/cgroup cannot be written to: use a machine or a privileged container with cgroups"
  [ -e /proc/sys/net/bridge/bridge-nf-call-iptables ] || modprobe br_netfilter 2>/dev/null || die "this kernel has no br_netfilter: load that module"
  local probe; mkdir -p "$cache"; probe=$(mktemp -d "$cache/probe.XXXX"); mkdir "$probe"/{lower,upper,work,merged}
  unshare --mount mount -t overlay none -o "lowerdir=$probe/lower,upperdir=$probe/upper,workdir=$probe/work" "$probe/merged" 2>/dev/null || { rm -rf "$probe"; die "no overlay mount can be made in $cache: load the module overlay, or set CHEROKEE_CACHE to a folder on a disk file system"; }
  rm -rf "$probe"
}

# require_addresses refuses networks that something else on this machine uses, such as a cluster of another name.
require_addresses() {
  local net routes others
  for net in "$node_net" "$pod_nets" "$service_net"; do
    routes=$(ip -4 route show root "$net")
    [ -n "$routes" ] || continue
    others=$(find "${registry%/*}" -type f -size +0 -printf '%f ')
    die "cluster \`$cluster\` needs the network $net, which this machine uses already (${routes%%$'\n'*}): choose another CLUSTER_NAME (for the tests CLUSTER_NAME_FOR_TESTS), or remove what is in the way, \`CLUSTER_NAME=NAME $here/cluster down\`; clusters here: $others"
  done
}
