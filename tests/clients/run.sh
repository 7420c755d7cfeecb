#!/usr/bin/env bash
# Real Salesforce clients against emulated orgs: installs them (install.sh), then runs their suites.
# usage: run.sh [SUITE...]    ORGFERRY=path of the command, else the debug build's
set -euo pipefail
cd "$(dirname "$0")/../.."
here=tests/clients
there=${CARGO_TARGET_DIR:-target}/clients
$here/install.sh

# Where the kernel lets us, the suites run on a machine without a network: a client that calls home finds nobody.
offline=()
if unshare -rn ip link set lo up 2>/dev/null; then
    offline=(unshare -rn sh -c 'ip link set lo up && exec "$@"' offline)
fi
exec "${offline[@]}" "$there/py/bin/python" $here/run.py "$there" "$@"
