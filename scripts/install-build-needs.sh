#!/usr/bin/env bash
# Installs what compiling Headwater needs besides Rust: a C compiler. Does nothing where there is one.
set -euo pipefail
# shellcheck source=scripts/debian-packages.sh
. "$(dirname "$0")/debian-packages.sh"

# Any will do: the C parts and Rust itself call it by this name.
if echo '#include <stdio.h>' | cc -E - >/dev/null 2>&1; then exit; fi
install_packages "${build_packages[@]}"
