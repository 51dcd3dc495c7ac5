#!/bin/sh
# Makes the demo and the tests runnable on a bare Debian machine: this package's own dependencies, and the programs nft and ip.
# Arguments are further Debian packages that are wanted. Quiet and quick when nothing is missing; safe to run again.
set -eu
cd "$(dirname "$0")/../.."

fail() {
  printf 'install.sh: %s\n' "$1" >&2
  exit 1
}

# Runs a command silently; when it fails, shows what it said.
quietly() {
  log=$(mktemp)
  if ! "$@" >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    fail "Cannot run \"$*\""
  fi
  rm -f "$log"
}

# npm writes node_modules/.package-lock.json last, so it is older than the lock file only when something changed since.
install_node_modules() {
  if [ -f node_modules/.package-lock.json ] && [ -z "$(find package-lock.json -newer node_modules/.package-lock.json)" ]; then
    return
  fi
  command -v npm >/dev/null || fail 'Cannot find npm: install Node.js with npm (on Debian: apt-get install nodejs npm)'
  echo 'Installing node_modules' >&2
  # npm ci refuses a lock file that does not list an optional package of some other platform, which happens when the registry
  # that it was made with lacks that package. npm install takes the same locked versions and leaves the lock file alone.
  npm ci >/dev/null 2>&1 || quietly npm install --no-save
}

is_installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing_packages() {
  command -v nft >/dev/null || echo nftables
  command -v ip >/dev/null || echo iproute2
  for package in "$@"; do is_installed "$package" || echo "$package"; done
}

install_packages() {
  wanted=$(missing_packages "$@" | tr '\n' ' ')
  [ -n "$wanted" ] || return 0
  command -v apt-get >/dev/null || fail "Not a Debian system: install these packages yourself, then run this again: $wanted"
  echo "Installing $wanted(apt-get)" >&2
  export DEBIAN_FRONTEND=noninteractive
  quietly apt-get update
  # shellcheck disable=SC2086 # a list of package names
  quietly apt-get install --yes --no-install-recommends $wanted
}

[ "$(id -u)" -eq 0 ] || fail 'Not root: the demo and the kernel tests make network namespaces; run them as root'
install_node_modules
install_packages "$@"
