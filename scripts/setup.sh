#!/usr/bin/env bash
# Create the virtual environment given as $1 with the locked requirements and Meterhouse itself, editable.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=${1:-.venv}

fits() { "$1" -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' 2>/dev/null; }

python=
for candidate in ${METERHOUSE_PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
    if fits "$candidate"; then python=$candidate; break; fi
done
if [ -z "$python" ]; then
    echo "Meterhouse needs Python 3.11 to 3.14, and none was found ($(python3 --version 2>&1 | tail -n 1))." \
        "Nothing was installed. Install one, or name it: METERHOUSE_PYTHON=/path/to/python3.12 make setup" >&2
    exit 2
fi

# An environment made by an unsuited or removed Python is made anew.
if [ -d "$venv" ] && ! fits "$venv/bin/python"; then rm -rf "$venv"; fi
[ -d "$venv" ] || "$python" -m venv "$venv"

pip=("$venv/bin/python" -m pip --disable-pip-version-check)
# --no-deps: the lock is complete, and older pips refuse extras in hash-checking mode without it.
"${pip[@]}" install --quiet --no-deps --require-hashes -r requirements/dev.txt
# --no-build-isolation: the locked hatchling builds it, nothing unlocked is fetched.
"${pip[@]}" install --quiet --no-deps --no-build-isolation --editable .
"${pip[@]}" check
echo "Installed into $venv with $("$venv/bin/python" --version)."
