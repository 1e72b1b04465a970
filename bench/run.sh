#!/bin/bash
# Muscle memory beside its peer: the same remembered chat answer from our gateway and from LiteLLM's proxy with its Redis cache,
# both in front of one worker and one Redis, in rounds that take turns; then the plans of the worst calendars. `make bench` calls this;
# docs/benchmarks.md has figures.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. demo/lib.sh

LITELLM=1.108.7 rounds=${ROUNDS:-5} seconds=${BENCH_SECONDS:-4}
redis=17379 worker=17400 gateway=17401 peer=17402
question='{"model":"smollm2","max_tokens":64,"temperature":0,"messages":[{"role":"user","content":"Say hello."}]}'
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT

# up NAME URL: waits until URL answers.
up() {
  local deadline=$((SECONDS + 180))
  until curl -sf -o /dev/null "$2"; do
    [ $SECONDS -lt $deadline ] || { echo "$1 does not answer; the end of its log:" >&2; tail -n 15 "$work/$1.log" >&2; exit 1; }
    sleep 0.5
  done
}

start() { local name=$1; shift; "$@" >"$work/$name.log" 2>&1 & }

# remembered PORT HEADER: asks until the answer carries HEADER, the sign of a hit.
remembered() {
  local deadline=$((SECONDS + 180))
  until curl -s -o /dev/null -D - "http://127.0.0.1:$1/v1/chat/completions" -H 'content-type: application/json' -d "$question" | grep -qi "$2"; do
    [ $SECONDS -lt $deadline ] || { echo "port $1 never answers from its cache" >&2; exit 1; }
    sleep 1
  done
}

need_tools
require_programs wrk=wrk redis-server=redis-server curl=curl
step "Building the programs"
cargo build --workspace --bins
step "The peer: LiteLLM $LITELLM"
venv litellm-venv "litellm[proxy]==$LITELLM"

step "Starting Redis, a worker with the real model, our gateway and LiteLLM"
start redis redis-server --port $redis --save '' --dir "$work"
start worker "$TARGET/debug/cherokee-worker" --listen 127.0.0.1:$worker --device cpu --context-tokens 1024 \
  --model "smollm2=$(images/model.sh)"
start gateway "$TARGET/debug/cherokee" gateway --listen 127.0.0.1:$gateway --namespace bench --cluster bench \
  --layout-file bench/layout.json --static-endpoint bench-slot=127.0.0.1:$worker --redis-url redis://127.0.0.1:$redis
# Without a key, as our gateway here: both listen on this machine only.
start litellm env LITELLM_LOG=ERROR LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY=true "$TARGET/litellm-venv/bin/litellm" --config bench/litellm.yaml --host 127.0.0.1 --port $peer
up worker http://127.0.0.1:$worker/readyz
up gateway http://127.0.0.1:$gateway/readyz
up litellm http://127.0.0.1:$peer/health/liveliness
remembered $gateway 'x-cherokee-memory: hit'
remembered $peer 'x-litellm-cache-key'

step "$rounds rounds of $seconds s each at 1 and 16 connections"
for ((round = 1; round <= rounds; round++)); do
  for connections in 1 16; do
    for target in cherokee:$gateway litellm:$peer; do
      BODY=$question wrk -t1 -c$connections -d"${seconds}s" --timeout 60s -s bench/wrk.lua "http://127.0.0.1:${target#*:}/v1/chat/completions" |
        sed -n "s/^figures /${target%:*} $connections /p" >>"$work/figures"
    done
  done
  printf 'round %d of %d\n' "$round" "$rounds"
done
step "Medians over the rounds, and ratios of neighbouring runs (lowest to highest)"
printf '%s, %s CPUs; programs of the dev profile (docs/decisions/0003-one-profile.md); one LiteLLM process\n' \
  "$(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2 | xargs)" "$(nproc)"
python3 bench/report.py <"$work/figures"
step "The worst plans"
cargo run --release --quiet --package cherokee-plan --example worst
