# Sourced by the other scripts: installs Debian packages as root or with sudo, and without either names them.
# shellcheck shell=bash
set -euo pipefail

# What compiling needs besides Rust, each with what it is for.
# shellcheck disable=SC2034 # read by those who source this
build_packages=(
  gcc       # C parts: SQLite, zstd, QuickJS, ring; also links
  libc6-dev # their headers
)

# Those of the packages named that are not installed, one a line.
missing_packages() {
  local package
  for package in "$@"; do
    if [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null) != installed ]]; then
      echo "$package"
    fi
  done
}

# Root, or sudo that asks for nothing, or sudo with a person at the terminal to answer it.
can_be_root() {
  ((EUID == 0)) || { command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [[ -t 0 ]]; }; }
}

# Runs a command as root; ask `can_be_root` first.
as_root() {
  if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

# Installs the packages named that are not there yet, or says which they are.
install_packages() {
  local missing
  if ! command -v dpkg-query >/dev/null; then
    echo "This is not Debian: see to it that these are there by yourself: $*" >&2
    return
  fi
  mapfile -t missing < <(missing_packages "$@")
  if ((${#missing[@]} == 0)); then return; fi
  if ! can_be_root; then
    echo "These packages are missing: ${missing[*]}" >&2
    echo "Install them once as root, then try again:  apt-get install ${missing[*]}" >&2
    exit 1
  fi
  echo "Installing: ${missing[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
}
