#!/bin/bash
# What exists and has been seen to work so far: the planner, on the seed's layer layout with a 14B specialist that does not fit.
# Devices are simulated: a list in fleet.json. The two-node demo with everything is demo.sh (docs/state.md).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. demo/lib.sh
command -v cargo >/dev/null || { echo "the demo needs Rust (cargo): see https://rustup.rs" >&2; exit 1; }

step "Building the planner"
cargo build -p cherokee-plan --example timeline
step "Three 16 GB GPUs, four roles: night, the hour before dawn, day, and the gap before the dream"
"$TARGET/debug/examples/timeline" demo/intent.json demo/fleet.json \
  2026-11-24T08:30:00Z 2026-11-24T11:59:00Z 2026-11-24T18:00:00Z 2026-11-25T05:00:00Z
cat <<TXT

Try next:
  edit demo/intent.json or demo/fleet.json and run \`make demo\` again
  make test          # the planner's properties: no GPU twice, no memory over, nothing moves that need not
  docs/state.md      # how far each other room has been seen to work
TXT
