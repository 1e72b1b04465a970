#!/bin/bash
# Writes the images as OCI archives, without a container engine: cherokee, worker, redis and model. Each gets its tag from its
# content; OUT_DIR/images.env has a line NAME=REFERENCE for each. BIN_DIR holds the programs `cherokee` and `cherokee-worker`.
# Usage: build.sh OUT_DIR BIN_DIR
set -euo pipefail
[ $# = 2 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
images=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
mkdir -p "$1"; out=$(readlink -f "$1") programs=$(readlink -f "$2")
. "$images/../tests/cluster/lib.sh"
. "$here/require.sh"
tool=$("$here/cluster" bin)/image
require_image_programs
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT

# libraries PROGRAM... lists what the loader needs for them, each at the path where it will look.
libraries() { ldd "$@" 2>/dev/null | grep -o '/[^ :]*\.so[^ :]*' | sort -u | sed 's/.*/&=&/'; }

# base is what every program finds around it: a user that is not root, names by DNS, and the certificates of the web.
mkdir -p "$work/etc"
printf '%s\n' root:x:0:0:root:/:/sbin/nologin nonroot:x:65532:65532:nonroot:/tmp:/sbin/nologin >"$work/etc/passwd"
printf '%s\n' root:x:0: nonroot:x:65532: >"$work/etc/group"
echo 'hosts: files dns' >"$work/etc/nsswitch.conf"
chmod 644 "$work"/etc/*
certificates=/etc/ssl/certs/ca-certificates.crt
[ -s "$certificates" ] || require_programs update-ca-certificates=ca-certificates
base=("$work/etc/passwd=/etc/passwd" "$work/etc/group=/etc/group" "$work/etc/nsswitch.conf=/etc/nsswitch.conf"
  "$certificates=$certificates")

# image NAME REPOSITORY ENTRYPOINT FILE... writes one archive and its line of images.env.
image() {
  local name=$1 repository=$2 entrypoint=$3; shift 3
  local ref; ref=$("$tool" -o "$out/$name.tar.new" -t "localhost/$repository" -entrypoint "$entrypoint" "$@")
  mv "$out/$name.tar.new" "$out/$name.tar"
  echo "${name^^}=$ref" >>"$work/images.env"
  say "$name.tar is $ref, $(($(stat -c %s "$out/$name.tar") / 1000000)) MB"
}

# program NAME REPOSITORY PROGRAM makes the image of one of our own programs.
program() {
  [ -x "$programs/$3" ] || die "no program $programs/$3: build it first with \`make build\`"
  strip --strip-debug -o "$work/$3" "$programs/$3"
  mapfile -t libs < <(libraries "$work/$3")
  image "$1" "$2" "/usr/local/bin/$3" "${base[@]}" "${libs[@]}" "$work/$3=/usr/local/bin/$3"
}

program cherokee cherokee-operator cherokee
program worker cherokee-worker cherokee-worker

server=$(command -v redis-check-rdb) client=$(command -v redis-cli)
mapfile -t libs < <(libraries "$server" "$client")
image redis redis /usr/bin/redis-server "${base[@]}" "${libs[@]}" "$server=/usr/bin/redis-server" "$client=/usr/bin/redis-cli"

model=$("$images/model.sh")
image model smollm2 "" "$model=/models/$(basename "$model")"
mv "$work/images.env" "$out/images.env"
