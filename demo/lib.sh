# What demo.sh and the tests share: images, the operator, questions. Sourced in the root of the checkout.
export CLUSTER_NAME=${CLUSTER_NAME:-demo}
NAMESPACE=${NAMESPACE:-cherokee}
export CHEROKEE_CACHE=${CHEROKEE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/cherokee-operator}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$CHEROKEE_CACHE/target}
TARGET=$CARGO_TARGET_DIR
IMAGES=$TARGET/images
start=$SECONDS
. tests/cluster/lib.sh
. tests/cluster/require.sh

step() { printf '\n\033[1m== %s\033[0m  (%d s)\n' "$*" $((SECONDS - start)); }
show() { printf '$ %s\n' "$*"; "$@"; }

# waiting WHAT COMMAND...: runs COMMAND, which waits itself, and says how long it took.
waiting() {
  local what=$1 from=$SECONDS; shift
  printf 'waiting for %s …\n' "$what"
  "$@" >/dev/null || { printf 'gave up waiting for %s\n' "$what" >&2; demo/explain.sh; exit 1; }
  printf '… after %d s\n' $((SECONDS - from))
}

need_tools() {
  make -s claim
  command -v cargo >/dev/null || die "Rust is needed (cargo): see https://rustup.rs"
  command -v go >/dev/null || die "Go is needed: see https://go.dev/dl"
  # ring is C, and Rust links with it. The package gcc alone would come without the C library's headers.
  require_programs cc=build-essential
}

# What a cluster needs of the machine, said before minutes of building.
need_cluster() {
  if [ "${CLUSTER:-}" = current ]; then
    [ -n "${CHEROKEE:-}" ] && [ -n "${WORKER:-}" ] && [ -n "${REDIS:-}" ] && [ -n "${MODEL:-}" ] ||
      die "with CLUSTER=current the images come from a registry: set CHEROKEE, WORKER, REDIS and MODEL to their references (images/README.md)"
    return
  fi
  require_root
  require_cluster_programs
  require_image_programs
  require_kernel
}

# Builds the images, loads them into both nodes and sets CHEROKEE, WORKER, REDIS and MODEL to their references. With
# CLUSTER=current these are set already: need_cluster has looked.
images_up() {
  if [ "${CLUSTER:-}" != current ]; then
    images/build.sh "$IMAGES" "$TARGET/debug"
    tests/cluster/cluster load "$IMAGES"/*.tar
    . "$IMAGES/images.env"
  fi
  export CHEROKEE WORKER REDIS MODEL
  KUBECONFIG=$(make -s kubeconfig)
  PATH=$(make -s bin):$PATH
  export KUBECONFIG PATH
}

operator_up() {
  helm upgrade --install cherokee-operator charts/cherokee-operator -n cherokee-system --create-namespace \
    --set image.operator="$CHEROKEE" --set image.worker="$WORKER" --set image.redis="$REDIS" \
    --set simulateGpus=true --wait --timeout 10m "$@"
}

# venv NAME PACKAGE...: a Python of that name, in the target folder, with these packages.
venv() {
  local python=$TARGET/$1; shift
  python3 -c 'import ensurepip' 2>/dev/null || install_packages python3-venv
  [ -x "$python/bin/pip" ] || python3 -m venv "$python"
  "$python/bin/pip" install --quiet "$@"
}

# ask TEXT [OPTION...]: one chat query to the gateway; the last line says who answered and how long it took. A cluster of your
# own may have no way in but its API server.
ask() {
  local way=()
  [ "${CLUSTER:-}" = current ] || way=(--url "$(make -s gateway-url)")
  kubectl cherokee query -n "$NAMESPACE" cherokee "$@" "${way[@]}"
}

# The Deployment of the slot where `dream` has its place.
dream_slot() { kubectl get -n "$NAMESPACE" ckc/cherokee -o jsonpath='{.status.roles[?(@.name=="dream")].slots[0]}'; }

dream_ready() {
  kubectl wait -n "$NAMESPACE" ckc/cherokee --for="jsonpath={.status.slots[?(@.name==\"$(dream_slot)\")].state}=Serving" --timeout=600s
}

# Waits for the end of the dream job and prints what it says of its night.
dreamt() {
  local deadline=$((SECONDS + 900)) slot
  slot=$(dream_slot)
  until kubectl logs -n "$NAMESPACE" "deployment/$slot" -c dream | grep 'night ends' >&2; do
    [ $SECONDS -lt $deadline ] || return 1
    sleep 2
  done
}
