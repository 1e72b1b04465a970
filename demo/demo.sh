#!/bin/bash
# From nothing to an answer: builds, boots a two-node cluster with simulated GPUs, installs the operator with Helm, applies
# one CherokeeCluster and asks it the same question twice, then lets the dream worker at it. `make demo` calls this.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. demo/lib.sh

need_tools
need_cluster
step "Building the programs (the first time takes some minutes)"
cargo build --workspace --bins
step "Booting cluster \`$CLUSTER_NAME\`: two nodes, bluefin with 1 and redfin with 2 simulated GPUs"
make -s cluster-up
step "Building and loading the images: operator, worker, Redis, and a small real model"
images_up
step "Installing the operator with Helm"
operator_up
resource=$TARGET/demo.yaml
# In the dream worker's own window its night would be over before the first question, so then it is day elsewhere.
zone=America/Chicago offset=-06:00
case $(date -u +%H) in 07 | 08 | 09 | 10 | 11 | 12) zone=Asia/Tokyo offset=+09:00 ;; esac
sed "s#MODEL_IMAGE#$MODEL#; s#America/Chicago#$zone#" manifests/demo/layer.yaml >"$resource"
step "Who would sit where at 3 in the night: the same resource planned without any cluster"
show kubectl cherokee plan -f "$resource" --gpus bluefin=1x16303,redfin=2x16303 --at "$(date -d tomorrow +%F)T03:00:00$offset"
step "Applying one CherokeeCluster: conscious on bluefin, dream and backup on redfin"
show kubectl get nodes -L nvidia.com/gpu.count,cherokee.ai/simulated-gpus
kubectl get namespace "$NAMESPACE" >/dev/null 2>&1 || kubectl create namespace "$NAMESPACE" >/dev/null
if [ -n "$(kubectl get -n "$NAMESPACE" ckc,pvc -o name)" ]; then
  echo "removing an earlier demo's cluster and its memory, so that this one begins with nothing learnt"
  kubectl delete -n "$NAMESPACE" ckc --all --timeout=120s >/dev/null
  kubectl delete -n "$NAMESPACE" pvc --all --timeout=120s >/dev/null
fi
kubectl label --overwrite namespace "$NAMESPACE" pod-security.kubernetes.io/enforce=restricted >/dev/null
show kubectl apply -n "$NAMESPACE" -f "$resource"
waiting "the cluster to be Ready" kubectl wait -n "$NAMESPACE" ckc/cherokee --for=condition=Ready --timeout=600s
show kubectl get -n "$NAMESPACE" ckc
show kubectl get -n "$NAMESPACE" pods -o wide

greeting="Say hello."
step "A question to the conscious worker"
ask "$greeting"
step "The same question again: muscle memory answers"
ask "$greeting"

question="Name three things that a river and a memory have in common."
step "A question whose answer is cut by its token limit: it is not remembered, but noted for the night"
ask "$question" --max-tokens 24

step "Waking the dream worker outside its window (2 to 6 AM)"
show kubectl cherokee dream -n "$NAMESPACE" cherokee --for 20m
waiting "the dream worker to be ready" dream_ready
show kubectl cherokee status -n "$NAMESPACE" cherokee
waiting "its night to end" dreamt
step "What the dream changed: the same question, the same limit, and the whole answer"
ask "$question" --max-tokens 24

cat <<TXT

The cluster stays up. Try next:
  export KUBECONFIG=\$(make -s kubeconfig) PATH=\$(make -s bin):\$PATH
  kubectl cherokee status -n $NAMESPACE cherokee        # who is where, and why
  kubectl delete deployment -n $NAMESPACE --all         # and see them come back
  kubectl explain ckc.spec.roles                        # the resource as a book
  curl \$(make -s gateway-url)/v1/models                 # OpenAI's API; any client works
  make demo-down                                        # end it, nothing is left behind
TXT
