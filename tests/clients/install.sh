#!/usr/bin/env bash
# Installs real Salesforce clients into target/clients, at fixed versions, unless they are there.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=tests/clients
there=${CARGO_TARGET_DIR:-target}/clients
mkdir -p "$there"

missing=()
command -v npm >/dev/null || missing+=(nodejs npm)
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3 python3-venv)
if [ ${#missing[@]} -gt 0 ]; then
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

# A stamp of what is installed spares the next run the work.
want=$(cat $here/package-lock.json | sha256sum)
if [ "$(cat "$there/npm.stamp" 2>/dev/null)" != "$want" ]; then
    echo "installing npm packages"
    rm -rf "$there/npm"
    mkdir -p "$there/npm"
    cp $here/package.json $here/package-lock.json "$there/npm/"
    (cd "$there/npm" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
    echo "$want" >"$there/npm.stamp"
fi
want=$(python3 --version; sha256sum <$here/requirements.txt)
if [ "$(cat "$there/py.stamp" 2>/dev/null)" != "$want" ]; then
    echo "installing Python packages"
    rm -rf "$there/py"
    python3 -m venv "$there/py"
    "$there/py/bin/pip" install --quiet --disable-pip-version-check --no-deps -r $here/requirements.txt
    echo "$want" >"$there/py.stamp"
fi
