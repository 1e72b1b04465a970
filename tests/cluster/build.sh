#!/bin/bash
# Builds every program of the cluster into BIN_DIR: local-cluster (all of Kubernetes, etcd, containerd, CoreDNS, Helm, kubectl:
# one static program that acts by its name), the shim, the CNI plugins, kwok, and the pause image. Usage: build.sh BIN_DIR
set -euo pipefail
mkdir -p "$1"; bin=$(readlink -f "$1")
cd "$(dirname "$0")"
export CGO_ENABLED=0
version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
flag=k8s.io/component-base/version.git
go build -trimpath -tags no_devmapper,no_zfs -o "$bin/local-cluster" \
  -ldflags "-s -w -X ${flag}Version=$version -X ${flag}Major=1 -X ${flag}Minor=$(cut -d. -f2 <<<"$version")" .
go build -trimpath -ldflags "-s -w" -o "$bin/" tool ./pause
for name in etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy coredns containerd ctr kubectl helm \
  fake-gpus netpol image volumes; do
  ln -sf local-cluster "$bin/$name"
done
"$bin/image" -o "$bin/pause.tar" -t localhost/pause:3.10 -entrypoint /pause "$bin/pause=/pause" >/dev/null
