"""Compare an exported folder with its manifest: names, bytes, hashes, and what the files hold."""

from pathlib import Path
from typing import Any

import polars as pl

from meterhouse.durable import file_sha256
from meterhouse.exports import csv_file, manifest, parquet_file, workbook_reading
from meterhouse.exports.tables import LAYOUTS, totals


def differences(folder: Path) -> list[str]:
    """One sentence per difference; none if the folder is what its manifest says."""
    for _ in range(3):
        before = _bytes(folder / manifest.NAME)
        found = _differences(folder)
        # An export that was put in place meanwhile is looked at again, whole.
        if not found or _bytes(folder / manifest.NAME) == before:
            return found
    return found


def strange(folder: Path) -> list[str]:
    """Names in the folder that no export wrote; hidden files, such as locks of editors, are none.

    Where there is no manifest, that is every name.
    """
    if not folder.is_dir():
        return []
    values = manifest.read(folder)
    known = {manifest.NAME, *values["files"]} if values is not None else set[str]()
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    return sorted(names - known)


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def _differences(folder: Path) -> list[str]:
    values = manifest.read(folder)
    if values is None:
        return [f"{folder} has no {manifest.NAME} that can be read."]
    files = values["files"]
    there = {path.name for path in folder.iterdir()}
    found = [f"{name} is missing." for name in sorted(set(files) - there)]
    found += [f"{name} is not in the manifest." for name in strange(folder)]
    for name in sorted(set(files) & there):
        found += _file_differences(folder / name, files[name])
    return found


def _file_differences(path: Path, entry: dict[str, Any]) -> list[str]:
    size, digest = path.stat().st_size, file_sha256(path)
    if size != entry["bytes"]:
        return [f"{path.name} has {size:,} bytes, the manifest says {entry['bytes']:,}."]
    if digest != entry["sha256"]:
        return [
            f"{path.name} has SHA-256 {digest[:16]}…, the manifest says {entry['sha256'][:16]}…."
        ]
    read = _tables(path)
    return [
        f"{path.name}, {name}: it holds {read[name]}, the manifest says {said}."
        for name, said in entry["tables"].items()
        if name in read and read[name] != said
    ]


def _tables(path: Path) -> dict[str, Any]:
    """Rows and totals as they are read back; nothing for a text ledger, whose hash must do."""
    if path.suffix == ".xlsx":
        return workbook_reading.tables(path)
    layout = next((one for one in LAYOUTS if one.name == path.stem), None)
    if layout is None or path.suffix not in (".csv", ".parquet"):
        return {}
    reader = csv_file.read if path.suffix == ".csv" else parquet_file.read
    frame: pl.DataFrame = reader(path, layout)
    return {layout.name: {"rows": frame.height, "totals": totals(frame, layout)}}
