"""Where tests make their homes: in memory if there is plenty, because every commit waits for disks.

A home is synced after each of its files; on a disk that is a fifth of the time of a run. What a
killed process leaves is the same in both places: only a power cut would tell them apart.
"""

import os
import shutil
from pathlib import Path

import pytest

IN_MEMORY = Path("/dev/shm")
# A suite that keeps the homes of failed tests alone needs less than 2.
FREE_GB = 8


def use_memory(config: pytest.Config) -> None:
    """Let tmp_path lie in memory; never where the homes of all tests would pile up there."""
    if config.getini("tmp_path_retention_policy") == "failed" and _is_roomy():
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(IN_MEMORY))


def _is_roomy() -> bool:
    """Whether programs may lie there and both it and the machine have so much left."""
    if not IN_MEMORY.is_dir() or not os.access(IN_MEMORY, os.W_OK):
        return False
    if os.statvfs(IN_MEMORY).f_flag & os.ST_NOEXEC:  # Tests install programs into tmp_path.
        return False
    lines = Path("/proc/meminfo").read_text().splitlines()
    available = int(next(line.split()[1] for line in lines if line.startswith("MemAvailable")))
    return min(shutil.disk_usage(IN_MEMORY).free, available * 1024) >= FREE_GB * 10**9
