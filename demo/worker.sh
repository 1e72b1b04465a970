#!/bin/bash
# The part that stands on its own so far: one worker on this machine's CPU, a small real model, one answer whole and one streamed.
# The two-node demo with the operator is demo.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. demo/lib.sh
command -v cargo >/dev/null || { echo "the demo needs Rust (cargo): see https://rustup.rs" >&2; exit 1; }
command -v curl >/dev/null || { echo "the demo needs curl: install it with your package manager" >&2; exit 1; }
address=127.0.0.1:${PORT:-18080}

step "Building the worker (the first time takes some minutes)"
cargo build -p cherokee-worker
step "Fetching the model: SmolLM2-135M-Instruct, 98 MB, once"
model=$(images/model.sh)
step "Starting the worker on http://$address"
log=$(mktemp)
"$TARGET/debug/cherokee-worker" --model "smollm2=$model" --device cpu --listen "$address" --context-tokens 1024 \
  --max-sequences 2 --termination-log /dev/null >"$log" 2>&1 &
worker=$!
trap 'kill -TERM $worker 2>/dev/null; wait $worker 2>/dev/null; rm -f "$log"' EXIT

ready() {
  local deadline=$((SECONDS + 300))
  until curl -sf "http://$address/readyz" >/dev/null; do
    kill -0 $worker 2>/dev/null && [ $SECONDS -lt $deadline ] || { cat "$log" >&2; return 1; }
    sleep 1
  done
}
waiting "the model to be loaded" ready

body() { printf '{"model":"smollm2","messages":[{"role":"user","content":"What is the capital of France?"}],"max_tokens":32,"temperature":0,"stream":%s}' "$1"; }
step "One answer, whole"
curl -sSf "http://$address/v1/chat/completions" -H 'content-type: application/json' -d "$(body false)"
step "The same as a stream, its first events"
curl -sSf "http://$address/v1/chat/completions" -H 'content-type: application/json' -d "$(body true)" | grep -m 4 data: || true
step "What the worker says of itself"
curl -sSf "http://$address/status"

cat <<TXT


The worker ends with this script. Try next:
  $TARGET/debug/cherokee-worker --help
  demo/demo.sh      # the whole product on two nodes; docs/state.md says how far it has been seen to work
TXT
