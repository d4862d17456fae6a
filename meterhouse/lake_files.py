"""The files of a lake on the disk: are they what was registered, and which does nobody name."""

import time
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from meterhouse.durable import file_sha256
from meterhouse.errors import Corrupt


def differing(root: Path, registered: Sequence[tuple[str, str]]) -> list[Corrupt]:
    """The files (path below `root`, SHA-256) that are not there or have other bytes, in order."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        found = pool.map(partial(_compare, root), registered)
        return [fault for fault in found if fault is not None]


def remove_orphans(root: Path, known: Collection[str], age_hours: int) -> list[str]:
    """Delete files of facts below `root` that are not known and older; returns their paths."""
    limit = time.time() - age_hours * 3600
    removed = []
    for path in sorted((root / "facts").rglob("*")):
        relative = path.relative_to(root).as_posix()
        if path.is_file() and relative not in known and path.stat().st_mtime <= limit:
            path.unlink()
            removed.append(relative)
    return removed


def _compare(root: Path, registered: tuple[str, str]) -> Corrupt | None:
    path, digest = registered
    full = root.joinpath(path)
    if not full.is_file():
        return Corrupt(path, "it is registered but not there")
    actual = file_sha256(full)
    if actual == digest:
        return None
    return Corrupt(path, f"its SHA-256 is {actual[:16]}…, registered was {digest[:16]}…")
