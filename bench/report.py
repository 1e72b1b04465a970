"""Prints the figures of run.sh: lines `target connections requests errors seconds p50_ms p99_ms`, targets taking turns."""

import sys
from statistics import median

runs = {}
for line in sys.stdin:
    target, connections, *figures = line.split()
    requests, errors, seconds, p50, p99 = map(float, figures)
    if errors or not requests:
        sys.exit(f"{target} at {connections} connections: {errors:.0f} errors in {requests:.0f} requests: no figures")
    runs.setdefault((int(connections), target), []).append((requests / seconds, p50, p99))

print(f"{'connections':>11}  {'target':<9} {'requests/s':>10} {'p50 ms':>8} {'p99 ms':>8}")
for (connections, target), rounds in sorted(runs.items()):
    rate, p50, p99 = (median(column) for column in zip(*rounds))
    print(f"{connections:>11}  {target:<9} {rate:>10.0f} {p50:>8.2f} {p99:>8.2f}")
for connections in sorted({connections for connections, _ in runs}):
    pairs = list(zip(runs[connections, "cherokee"], runs[connections, "litellm"], strict=True))
    rate = sorted(ours[0] / theirs[0] for ours, theirs in pairs)
    p50 = sorted(theirs[1] / ours[1] for ours, theirs in pairs)
    print(
        f"at {connections}: {median(rate):.0f} times LiteLLM's requests/s ({rate[0]:.0f} to {rate[-1]:.0f}), "
        f"its p50 is {median(p50):.0f} times ours ({p50[0]:.0f} to {p50[-1]:.0f})"
    )
