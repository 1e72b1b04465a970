#!/bin/bash
# What a person would look at when something does not come up or a test fails: the CherokeeClusters, all pods, the last events,
# and what the operator said last. Needs kubectl on the PATH. What cannot be had is left out.
set -euo pipefail
kube() { kubectl --request-timeout=10s "$@" || true; }

{
  printf '\n-- CherokeeClusters\n'
  kube get ckc --all-namespaces -o yaml
  printf '\n-- pods\n'
  kube get pods --all-namespaces -o wide
  printf '\n-- the last events\n'
  kube get events --all-namespaces --sort-by=.metadata.creationTimestamp | tail -n 40
  printf '\n-- the end of the operator'\''s log\n'
  kube logs -n cherokee-system deployment/cherokee-operator --tail=100 | cut -c1-400
} >&2
