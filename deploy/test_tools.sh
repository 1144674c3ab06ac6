#!/usr/bin/env bash
# Install the programs that some tests need and that no wheel has: redis-server (does Triptych work with Redis as well as
# with Valkey?) and chromium (does the docs page render?). Best effort: it needs root and apt-get. It names the programs
# that stay missing, and their tests report that they were skipped.
set -uo pipefail

missing=()
for tool in redis-server chromium; do
    command -v "$tool" >/dev/null || missing+=("$tool")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "Installing for tests: ${missing[*]} ..."
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >/dev/null 2>&1
    for tool in "${missing[@]}"; do
        # Runlevel 1 keeps the package from starting a server of its own; tests start theirs on a free port.
        RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "$tool" >/dev/null 2>&1
    done
fi

for tool in "${missing[@]}"; do
    command -v "$tool" >/dev/null || echo "Not installed: $tool (needs root and apt-get). Its tests will be skipped." >&2
done
exit 0
