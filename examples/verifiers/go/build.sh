#!/usr/bin/env bash
# Builds the verifier: ./build.sh [FILE] writes FILE [build/first_tokens below this folder].
# Needs Debian's golang-go, golang-google-grpc-dev, protoc-gen-go-1-3 and protobuf-compiler; no network.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
output=$(realpath -m "${1:-$here/build/first_tokens}")

for program in go protoc protoc-gen-go; do
  command -v "$program" > /dev/null || {
    echo "build.sh: no $program: apt-get install golang-go golang-google-grpc-dev protoc-gen-go-1-3 protobuf-compiler" >&2
    exit 77
  }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The protocol's files name no Go package: these flags do, and put both into one. Duration as this generation of Go
# packages has it.
mkdir -p "$work/src"
flags=plugins=grpc,paths=source_relative
flags+=,Mtpo/v1/types.proto=tpo/v1,Mtpo/v1/verifier.proto=tpo/v1
flags+=,Mgoogle/protobuf/duration.proto=github.com/golang/protobuf/ptypes/duration
protoc -I "$root/proto" --go_out="$flags:$work/src" tpo/v1/types.proto tpo/v1/verifier.proto

mkdir -p "$(dirname "$output")"
# Debian's Go packages are laid out for GOPATH.
cd "$here"
GO111MODULE=off GOPATH="$work:/usr/share/gocode" GOFLAGS=-buildvcs=false go build -o "$output" main.go
echo "$output"
