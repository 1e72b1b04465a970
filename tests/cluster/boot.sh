# shellcheck shell=bash
# Boots the cluster, sourced: etcd, API server, controller manager, scheduler and volume provisioner on the host, each node
# (node.sh) in namespaces of its own, CoreDNS as a pod.

# Every program is started again when it ends, as systemd would: on a busy machine the controller manager gives up when the
# API server is not healthy within 10 s. pid/NAME is the loop's, the program is its child.
start() {
  local what=$1; shift
  setsid env "$mark" bash -c 'while :; do "$@"; sleep 0.5; done' - "$@" >"$run/log/$what.log" 2>&1 9>&- </dev/null &
  echo $! >"$run/pid/$what"
  disown
}

# wait_for SECONDS WHAT COMMAND... polls, so that Ctrl-C is heard at once.
wait_for() {
  local until=$((SECONDS + $1)) what=$2; shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $until ] || die "$what did not happen in time; the logs are in $run/log, \`$this down\` removes all"
    sleep 0.2
  done
}

kube() { "$run/bin/kubectl" --kubeconfig "$run/kubeconfig" --request-timeout=60s "$@"; }
api_ready() { curl -sk --max-time 10 "https://$host:6443/readyz" | grep -q ok; }

put() { sed "s#BIN_FOLDER#$bin#; s#DNS_ADDRESS#$dns#" "$here/$1" | kube apply -f -; }

make_bridge() {
  ip link add "$bridge" type bridge
  ip addr add "$host/24" dev "$bridge"
  ip link set "$bridge" up
}

make_credentials() {
  local token
  openssl genrsa -out "$run/pki/sa.key" 2048 2>/dev/null
  openssl rsa -in "$run/pki/sa.key" -pubout -out "$run/pki/sa.pub" 2>/dev/null
  token=$(openssl rand -hex 16)
  (umask 077; echo "$token,admin,admin,system:masters" >"$run/pki/tokens.csv"; cat >"$run/kubeconfig" <<K
apiVersion: v1
kind: Config
clusters: [{name: $cluster, cluster: {server: "https://$host:6443", certificate-authority: "$run/pki/apiserver.crt"}}]
users: [{name: admin, user: {token: $token}}]
contexts: [{name: $cluster, context: {cluster: $cluster, user: admin}}]
current-context: $cluster
K
  )
}

start_api() {
  start etcd "$bin/etcd" --data-dir "$run/etcd" --listen-client-urls "http://$etcd:2379" \
    --advertise-client-urls "http://$etcd:2379" --listen-peer-urls "http://$etcd:2380" \
    --initial-advertise-peer-urls "http://$etcd:2380" --initial-cluster "default=http://$etcd:2380" \
    --unsafe-no-fsync --log-level error
  start kube-apiserver "$bin/kube-apiserver" --etcd-servers="http://$etcd:2379" --bind-address="$host" \
    --advertise-address="$host" --secure-port=6443 --cert-dir="$run/pki" --service-cluster-ip-range="$service_net" \
    --token-auth-file="$run/pki/tokens.csv" --authorization-mode=Node,RBAC --allow-privileged=true \
    --service-account-issuer=https://kubernetes.default.svc --service-account-key-file="$run/pki/sa.pub" \
    --service-account-signing-key-file="$run/pki/sa.key" --kubelet-preferred-address-types=InternalIP \
    --enable-aggregator-routing=true --feature-gates=ImageVolume=true
}

start_controllers() {
  start kube-controller-manager "$bin/kube-controller-manager" --kubeconfig="$run/kubeconfig" --leader-elect=false \
    --service-account-private-key-file="$run/pki/sa.key" --use-service-account-credentials \
    --root-ca-file="$run/pki/apiserver.crt" --flex-volume-plugin-dir="$run/volume-plugins" --secure-port=0
  start kube-scheduler "$bin/kube-scheduler" --kubeconfig="$run/kubeconfig" --leader-elect=false --secure-port=0
  start volumes "$bin/volumes" -kubeconfig "$run/kubeconfig" -root "$run"
}

start_node() { bash "$here/node.sh" "$bin" "$run" "$1" 9>&-; }

node_ready() { [ "$(kube get node "$1" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')" = True ]; }
gpus_published() {
  case $access in
    dra) [ "$(kube get resourceslices -o "jsonpath={.items[?(@.spec.nodeName==\"$1\")].spec.devices[*].name}" | wc -w)" = "$2" ] ;;
    device-plugin) [ "$(kube get node "$1" -o 'jsonpath={.status.allocatable.nvidia\.com/gpu}')" = "$2" ] ;;
  esac
}
shown_gpus() {
  local n=${gpus[$1]} i
  for ((i = 0; i < gpus[$1]; i++)); do grep -qxsF "GPU-$1-$i" "$run/hidden-gpus" && n=$((n - 1)); done
  echo "$n"
}
node_whole() { node_ready "$1" && gpus_published "$1" "$(shown_gpus "$1")"; }

boot() {
  mkdir -p "$run"/{pki,log,pid,etcd}
  ln -s "$bin" "$run/bin"
  make_bridge
  make_credentials
  say "starting the API server at https://$host:6443"
  start_api
  local i=0 node manifest
  for node in "${nodes[@]}"; do
    i=$((i + 1))
    start_node "$node"
    ip route add "$(pod_net $i)" via "$(node_ip $i)"
  done
  ip route add "$service_net" via "$(node_ip 1)"   # Service addresses, as that node's kube-proxy translates them
  wait_for 900 "the API server's start" api_ready
  start_controllers
  say "starting DNS, storage class \`local\` and nodes ${nodes[*]}"
  local manifests=(dns.yaml storage.yaml)
  [ "$access" != dra ] || manifests+=(gpus.yaml)
  for manifest in "${manifests[@]}"; do wait_for 900 "the apply of $manifest" put "$manifest"; done
  for node in "${nodes[@]}"; do
    wait_for 900 "node $node with ${gpus[$node]} GPUs" node_whole "$node"
    say "node $node is ready, simulated GPUs by $access: ${gpus[$node]} of $gpu_memory_mib MiB"
  done
  wait_for 900 "the start of DNS" kube wait -n kube-system --for=condition=Available deployment/coredns --timeout=1s
  echo "$recipe $access" >"$run/ready"
}

# answers: the API server, both nodes and DNS are ready.
answers() {
  local node
  api_ready || return 1
  for node in "${nodes[@]}"; do node_ready "$node" || return 1; done
  kube wait -n kube-system --for=condition=Available deployment/coredns --timeout=10s >/dev/null 2>&1
}

# A cluster of this very recipe is kept when it answers. A busy machine is slow: one refused answer is no reason to begin anew.
healthy() {
  local until=$((SECONDS + 30))
  [ "$(cat "$run/ready" 2>/dev/null)" = "$recipe $access" ] || return 1
  until answers; do
    kill -0 "$(cat "$run/pid/kube-apiserver")" 2>/dev/null && [ $SECONDS -lt $until ] || return 1
    sleep 1
  done
}
