#!/bin/bash
# Prints COUNT simulated nodes with 8 GPUs each, for kwok, and their ResourceSlices. Usage: fake-nodes.sh COUNT | kubectl create -f -
for i in $(seq "$1"); do
n=fake-$i devices=""
for g in 0 1 2 3 4 5 6 7; do
devices+="{name: gpu-$g, attributes: {type: {string: gpu}, uuid: {string: GPU-$n-$g}}, capacity: {memory: {value: 81920Mi}}},"
done
cat <<K
{apiVersion: v1, kind: Node, metadata: {name: $n, annotations: {kwok.x-k8s.io/node: fake},
 labels: {kubernetes.io/hostname: $n, cherokee.ai/simulated-gpus: "true", nvidia.com/gpu.present: "true", nvidia.com/gpu.count: "8", nvidia.com/gpu.memory: "81920"}},
 spec: {taints: [{key: kwok.x-k8s.io/node, value: fake, effect: NoSchedule}]},
 status: {capacity: {cpu: "64", memory: 512Gi, pods: "110"}, allocatable: {cpu: "64", memory: 512Gi, pods: "110"}}}
---
{apiVersion: resource.k8s.io/v1, kind: ResourceSlice, metadata: {name: $n-gpu},
 spec: {driver: gpu.nvidia.com, nodeName: $n, pool: {name: $n, generation: 1, resourceSliceCount: 1}, devices: [${devices%,}]}}
---
K
done
