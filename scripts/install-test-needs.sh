#!/usr/bin/env bash
# Installs what `make test` needs besides Rust: Debian packages and cargo tools. Quick when all is there.
set -euo pipefail

# Debian packages, each with what it is for.
packages=(
  build-essential   # C parts: SQLite, zstd, QuickJS
  curl              # an independent HTTP client
  mosquitto         # an independent broker, beside which ours is tested
  mosquitto-clients # independent MQTT clients
  python3           # independent servers and the MQTT interoperability tests
  shellcheck        # checks these scripts
  sqlite3           # reads what flows wrote into SQLite
)

# Tools from crates.io: name, version. They stay in cargo's own bin folder, so only the first run compiles them.
cargo_tools=(
  "cargo-nextest 0.9.151"
  "cargo-deny 0.20.2"
)

is_installed() {
  [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

install_packages() {
  local missing=() package as_root=()
  for package in "${packages[@]}"; do
    is_installed "$package" || missing+=("$package")
  done
  if ((${#missing[@]} == 0)); then return; fi

  if ((EUID != 0)); then as_root=(sudo); fi
  if ! can_be_root; then
    echo "These packages are missing: ${missing[*]}" >&2
    echo "Install them once as root, then try again:  apt-get install ${missing[*]}" >&2
    exit 1
  fi
  echo "Installing: ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"

  # Debian starts a broker that it installs, on the port that a node listens on. The tests start their own elsewhere.
  if [[ " ${missing[*]} " == *" mosquitto "* && -d /run/systemd/system ]]; then
    echo "Stopping the service mosquitto, so that port 1883 is free. Undo: systemctl enable --now mosquitto"
    "${as_root[@]}" systemctl disable --now mosquitto
  fi
}

# Root, or sudo that asks for nothing, or sudo with a person at the terminal to answer it.
can_be_root() {
  ((EUID == 0)) || { command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [[ -t 0 ]]; }; }
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

if ! command -v dpkg-query >/dev/null; then
  echo "This is not Debian: see to it that these are there by yourself: ${packages[*]}" >&2
else
  install_packages
fi
install_cargo_tools
