#!/bin/bash
# Compiles the worker with `--features cuda` for one GPU architecture, on a machine without a GPU and without the CUDA toolkit.
# nvcc and its headers come from PyPI into a cache folder. It proves that the kernels and our code compile; nothing is linked
# against the driver and nothing runs. Takes about 7 minutes of 2 cores the first time.
# Environment: CUDA_COMPUTE_CAP (120 = RTX 50 series), CHEROKEE_CACHE (folder for the toolkit), CARGO_TARGET_DIR.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=${CHEROKEE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/cherokee-operator}
toolkit=$cache/cuda-13.0
die() { echo "check-cuda: $*" >&2; exit 1; }

for program in python3 g++ cargo; do
  command -v "$program" >/dev/null || die "\`$program\` is missing; install it first"
done

if [ ! -e "$toolkit/complete" ]; then
  echo "check-cuda: fetching nvcc 13.0 from PyPI into $toolkit"
  rm -rf "$toolkit"
  python3 -m venv "$toolkit" || die "python3 cannot make a virtual environment; install python3-venv"
  "$toolkit/bin/pip" install --quiet --disable-pip-version-check \
    'nvidia-cuda-nvcc==13.0.*' 'nvidia-nvvm==13.0.*' 'nvidia-cuda-crt==13.0.*' 'nvidia-cuda-cccl==13.0.*' 'nvidia-cuda-runtime==13.0.*'
  touch "$toolkit/complete"
fi

nvcc=$(find "$toolkit" -type f -name nvcc -path '*/bin/*' | head -n 1)
[ -n "$nvcc" ] || die "the packages brought no nvcc; remove $toolkit and try again"
chmod +x "$nvcc" "$(dirname "$nvcc")"/* 2>/dev/null || true
CUDA_HOME=$(cd "$(dirname "$nvcc")/.." && pwd)
# The wheels have lib, nvcc and the build scripts look for lib64.
[ -e "$CUDA_HOME/lib64" ] || ln -s lib "$CUDA_HOME/lib64"
export CUDA_HOME NVCC=$nvcc PATH="$CUDA_HOME/bin:$PATH"
export CUDA_PATH=$CUDA_HOME CUDA_COMPUTE_CAP=${CUDA_COMPUTE_CAP:-120}

"$nvcc" --version | tail -n 2
echo "check-cuda: compiling for compute capability $CUDA_COMPUTE_CAP"
cd "$root"
# `check` runs the build scripts, which compile all kernels, and types our own CUDA code. Linking needs the driver's libraries: the
# image's build does that with the toolkit's stubs.
cargo check --locked -p cherokee-worker --features cuda
echo "check-cuda: compiled for compute capability $CUDA_COMPUTE_CAP; not linked, not run"
