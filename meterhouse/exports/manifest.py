"""The manifest beside an export: what each file holds, its hash, and which manifest it replaced."""

import json
from pathlib import Path
from typing import Any

from meterhouse.canonical import canonical_json, sha256_text
from meterhouse.durable import file_sha256, fsync
from meterhouse.exports.control import Control
from meterhouse.exports.tables import LAYOUTS, Frames, totals

NAME = "manifest.json"
# Raise it when the same tables are written as other files.
VERSION = 2


def tables_of(frames: Frames) -> dict[str, Any]:
    """Rows and control totals of each table."""
    return {
        one.name: {"rows": frames[one.name].height, "totals": totals(frames[one.name], one)}
        for one in LAYOUTS
    }


def file_entry(path: Path, tables: dict[str, Any]) -> dict[str, Any]:
    """One file: bytes, hash, and the tables it holds."""
    return {"bytes": path.stat().st_size, "sha256": file_sha256(path), "tables": tables}


def content(
    control: Control, files: dict[str, Any], content_sha256: str, previous: str | None
) -> dict[str, Any]:
    """The manifest as values; `previous` is the hash of the manifest that this one replaces."""
    return {
        "format": VERSION,
        "entity": control.entity,
        "period": {
            "name": control.period,
            "first": control.first.isoformat(),
            "until": control.until.isoformat(),
            "is_closed": control.is_closed,
        },
        "batch_seq": control.batch_seq,
        "snapshot": control.snapshot,
        "run_id": control.run_id,
        "content_sha256": content_sha256,
        "files": files,
        "previous_manifest_sha256": previous,
    }


def write(folder: Path, values: dict[str, Any]) -> str:
    """Write the manifest as canonical JSON and wait for the disk; returns its hash."""
    text = canonical_json(values)
    path = folder / NAME
    path.write_text(text, encoding="utf-8")
    fsync(path)
    return sha256_text(text)


def read(folder: Path) -> dict[str, Any] | None:
    """The manifest of a folder; None if there is none that can be read."""
    try:
        values = json.loads((folder / NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) and isinstance(values.get("files"), dict) else None
