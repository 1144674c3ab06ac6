#!/usr/bin/env bash
# Write the hashed locks of every role from pyproject.toml. Called by `make lock` with the path of uv.
#
# Each lock is complete and universal: it lists every package for each supported Python and platform behind
# environment markers, with the hashes of all its files, and names no index, so a mirror serves as well as any.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=$1
locks=deploy/requirements

compile() { # NAME EXTRA...: lock of the extras as deploy/requirements/NAME.txt
    local name=$1 extras=() extra
    shift
    for extra in "$@"; do extras+=(--extra "$extra"); done
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
        --override $locks/overrides.txt "${constraints[@]}" "${extras[@]}" --output-file "$locks/$name.txt" pyproject.toml
}

constraints=()
compile dev gateway worker local dev
# All roles use the versions of the development lock, so the tested versions are the shipped ones.
constraints=(--constraint $locks/dev.txt)
compile runtime gateway worker local
compile gateway gateway
compile worker worker
compile worker-gpu worker-gpu
