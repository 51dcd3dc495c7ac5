#!/bin/sh
# Makes the demo and the tests runnable on a bare Debian machine: the programs nft and ip, and this package's own dependencies.
# Arguments are further Debian packages that are wanted. Quiet and quick when nothing is missing; safe to run again.
set -eu
cd "$(dirname "$0")/../.."

START_POLICY=/usr/sbin/policy-rc.d
DAEMONS='dnsdist nsd unbound'
OLDEST_NODE=22 # what the optional packages of the tests ask for in their `engines`

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

is_installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing_packages() {
  command -v nft >/dev/null || echo nftables
  command -v ip >/dev/null || echo iproute2
  command -v sysctl >/dev/null || echo procps # the kernel tests
  command -v iptables >/dev/null || echo iptables # test/netns/doctor.test.ts
  # The Node.js that npm brings along is linked against it; Debian's own is not.
  ldconfig -p | grep -q 'libatomic\.so\.1' || echo libatomic1
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
  without_daemons quietly apt-get install --yes --no-install-recommends $wanted
  for daemon in $DAEMONS; do
    case " $wanted" in *" $daemon "*) quietly update-rc.d "$daemon" disable ;; esac
  done
}

# Debian starts a daemon when it installs one. The tests start their own, in their own namespaces; none may be left to serve this machine, now
# (invoke-rc.d asks this program) or after its next start. A machine that has such a policy keeps it.
without_daemons() {
  if [ -e "$START_POLICY" ]; then
    "$@"
    return
  fi
  trap 'rm -f "$START_POLICY"' EXIT
  trap 'exit 1' INT TERM
  printf '#!/bin/sh\nexit 101\n' >"$START_POLICY"
  chmod +x "$START_POLICY"
  "$@"
  rm -f "$START_POLICY"
  trap - EXIT INT TERM
}

# npm writes node_modules/.package-lock.json last, so it is older than the lock file only when something changed since.
has_node_modules() {
  [ -f node_modules/.package-lock.json ] && [ -z "$(find package-lock.json -newer node_modules/.package-lock.json)" ]
}

install_node_modules() {
  command -v npm >/dev/null || fail 'Cannot find npm: install Node.js with npm (on Debian: apt-get install nodejs npm)'
  echo 'Installing node_modules (npm)' >&2
  # npm ci refuses a lock file that does not list an optional package of some other platform, which happens when the registry
  # that it was made with lacks that package. npm install takes the same locked versions and leaves the lock file alone.
  npm ci >/dev/null 2>&1 || quietly npm install --no-save
  link_node
}

# npm 9, which Debian has, unpacks the Node.js package and does not link its program.
link_node() {
  for package in node_modules/node-linux-*; do
    [ ! -x "$package/bin/node" ] || [ -e node_modules/.bin/node ] || ln -s "../${package##*/}/bin/node" node_modules/.bin/node
  done
}

# npm leaves out optional packages that do not run on the Node.js that runs npm, and on Debian's those are half the test tools.
# So what the first installation brought along does it again, from a folder that npm does not touch.
install_on_current_node() {
  runtime=$(mktemp -d)
  cp -L node_modules/.bin/node "$runtime/node"
  (PATH="$runtime:$PATH" && install_node_modules)
  rm -rf "$runtime"
}

is_node_old() {
  [ "$(node -p 'process.versions.node.split(".")[0]')" -lt "$OLDEST_NODE" ]
}

[ "$(id -u)" -eq 0 ] || fail 'Not root: the demo and the kernel tests make network namespaces; run them as root'
install_packages "$@"
if ! has_node_modules; then
  was_old=$(is_node_old && echo yes || echo no)
  install_node_modules
  if [ "$was_old" = yes ] && [ -e node_modules/.bin/node ]; then install_on_current_node; fi
fi
