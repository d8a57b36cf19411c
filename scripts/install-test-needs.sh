#!/usr/bin/env bash
# Installs what `make test` needs besides Rust: Debian packages and cargo tools. Quick when all is there.
set -euo pipefail
# shellcheck source=scripts/debian-packages.sh
. "$(dirname "$0")/debian-packages.sh"

# Debian packages besides those of the build, each with what it is for.
test_packages=(
  curl              # an independent HTTP client
  mosquitto         # an independent broker, beside which ours is tested
  mosquitto-clients # independent MQTT clients
  python3           # independent servers and the MQTT interoperability tests
  python3-paho-mqtt # an independent MQTT client that speaks WebSocket
  shellcheck        # checks these scripts
  strace            # lets the syncs of a node fail
  sqlite3           # reads what flows wrote into SQLite
)

# Tools from crates.io: name, version. They stay in cargo's own bin folder, so only the first run compiles them.
cargo_tools=(
  "cargo-nextest 0.9.151"
  "cargo-deny 0.20.2"
)

# Debian starts a broker that it installs, on the port that a node listens on. The tests start their own elsewhere.
stop_service_mosquitto() {
  if [[ ! -d /run/systemd/system ]]; then return; fi
  echo "Stopping the service mosquitto, so that port 1883 is free. Undo: systemctl enable --now mosquitto"
  as_root systemctl disable --now mosquitto
}

install_cargo_tools() {
  local tool name version
  for tool in "${cargo_tools[@]}"; do
    read -r name version <<<"$tool"
    if ! command -v "$name" >/dev/null; then
      echo "Compiling $name $version: a few minutes, once on this machine"
      # Light optimisation compiles in two thirds of the time, and these tools mostly wait.
      env -u CARGO_TARGET_DIR CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off \
        cargo install --quiet --locked --version "$version" "$name"
    fi
  done
}

new_mosquitto=$(missing_packages mosquitto)
install_packages "${build_packages[@]}" "${test_packages[@]}"
if [[ -n $new_mosquitto && -z $(missing_packages mosquitto) ]]; then stop_service_mosquitto; fi
install_cargo_tools
