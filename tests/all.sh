#!/usr/bin/env bash
# Everything that has to hold: format, lints, tests, documentation. Installs what it needs.
set -euo pipefail
cd "$(dirname "$0")/.."

# SQLite and the TLS primitives are built from C sources that come with their crates.
if ! command -v cc >/dev/null; then
    apt-get update -qq
    apt-get install -y -qq gcc libc6-dev
fi
# State in PostgreSQL is tried on a real server; the tests start one of their own.
if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && ! command -v initdb >/dev/null || ! command -v openssl >/dev/null; then
    apt-get update -qq
    apt-get install -y -qq postgresql openssl
fi
unset ORGFERRY_NO_POSTGRES
for part in rustfmt clippy; do
    command -v "cargo-${part/rust/}" >/dev/null || rustup component add "$part"
done

cargo fmt --check
cargo clippy --locked --all-targets -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items
cargo test --locked
# Builds nothing: the tests above made the command.
tests/clients/run.sh
