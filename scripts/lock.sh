#!/usr/bin/env bash
# Make requirements/dev.txt and bench.txt again from pyproject.toml: every platform, Python 3.11 and newer, with hashes.
# Versions already locked are kept as long as they fit; `scripts/lock.sh --upgrade` takes the newest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

uv=$(command -v uv || true)
if [ -z "$uv" ]; then
    throwaway=$(mktemp -d)
    trap 'rm -rf "$throwaway"' EXIT
    python3 -m venv "$throwaway"
    "$throwaway/bin/python" -m pip install --quiet --disable-pip-version-check uv
    uv=$throwaway/bin/uv
fi
"$uv" pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-annotate --no-header --quiet --output-file requirements/dev.txt "$@"
"$uv" pip compile requirements/bench.in --constraint requirements/dev.txt --universal --python-version 3.11 \
    --generate-hashes --no-emit-index-url --no-annotate --no-header --quiet --output-file requirements/bench.txt
