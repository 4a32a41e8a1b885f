#!/usr/bin/env bash
# Makes a small certificate authority and one certificate for each role, to try mutual TLS with (docs/security.md).
# Again in the same DIR it keeps the authority and replaces the certificates, as a rotation does.
#
#   examples/certificates/make.sh DIR [--days N] [--host NAME-OR-ADDRESS]…
#
# DIR gets ca.pem, ca.key, and ROLE.pem, ROLE.key for learner, worker, relay, verifier and operator. Not for
# production: the authority's key lies beside the rest, without a password.
set -euo pipefail

fail() {
  echo "make.sh: $*" >&2
  exit 2
}

directory=
days=30
hosts=(localhost 127.0.0.1 ::1)
while (($# > 0)); do
  case $1 in
    --days | --host)
      (($# > 1)) || fail "$1 needs a value"
      if [[ $1 == --days ]]; then days=$2; else hosts+=("$2"); fi
      shift
      ;;
    -*) fail "unknown option $1; usage: make.sh DIR [--days N] [--host NAME-OR-ADDRESS]…" ;;
    *)
      [[ -z $directory ]] || fail "one directory, not also $1"
      directory=$1
      ;;
  esac
  shift
done
[[ -n $directory ]] || fail "usage: make.sh DIR [--days N] [--host NAME-OR-ADDRESS]…"
[[ $days =~ ^[0-9]+$ ]] || fail "--days $days is no number of days"
command -v openssl > /dev/null || fail "openssl is missing"

umask 077
mkdir -p "$directory"
staging=$(mktemp -d "$directory/.staging-XXXXXX")
trap 'rm -rf "$staging"' EXIT

# new_key FILE
new_key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2> /dev/null; }

if [[ ! -e $directory/ca.key ]]; then
  new_key "$staging/ca.key"
  openssl req -x509 -new -key "$staging/ca.key" -days 3650 -subj "/CN=tpo test authority" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign -out "$staging/ca.pem"
  mv "$staging/ca.key" "$staging/ca.pem" "$directory/"
fi

# alternative_names ROLE
alternative_names() {
  local names="URI:spiffe://tpo.example/tpo/$1,DNS:$1" host
  for host in "${hosts[@]}"; do
    if [[ $host =~ ^[0-9.]+$ || $host == *:* ]]; then names+=",IP:$host"; else names+=",DNS:$host"; fi
  done
  echo "$names"
}

for role in learner worker relay verifier operator; do
  new_key "$staging/$role.key"
  printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n%s\nsubjectAltName=%s\n' \
    "extendedKeyUsage=serverAuth,clientAuth" "$(alternative_names "$role")" > "$staging/$role.extensions"
  openssl req -new -key "$staging/$role.key" -subj "/CN=$role" -out "$staging/$role.request"
  openssl x509 -req -in "$staging/$role.request" -CA "$directory/ca.pem" -CAkey "$directory/ca.key" \
    -set_serial "0x$(openssl rand -hex 16 | sed 's/^./1/')" -days "$days" -extfile "$staging/$role.extensions" \
    -out "$staging/$role.pem" 2> /dev/null
done
# A file is replaced as a whole, and a key at once after its certificate: a process that reads a pair in between reads
# it again a moment later.
for role in learner worker relay verifier operator; do
  mv "$staging/$role.pem" "$directory/$role.pem"
  mv "$staging/$role.key" "$directory/$role.key"
done
echo "$directory: ca.pem, and .pem and .key for learner, worker, relay, verifier, operator; valid for $days days"
