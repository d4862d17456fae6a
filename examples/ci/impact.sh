#!/bin/sh
# Writes the invoice impact of the folder book/ of a home as Markdown: impact.sh HOME FILE.
# A book with faults ends with their sentences and exit code 1, and FILE is not written.
set -eu
meterhouse --home "$1" plan --markdown > "$2.part" || { rm -f "$2.part"; exit 1; }
mv "$2.part" "$2"
