"""Work done and measured in a process of its own, so that memory and imports are told apart."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SAMPLE_SECONDS = 0.02


def child(
    module: str, *arguments: object, seconds: float = 300, python: str = sys.executable
) -> list[dict[str, Any]]:
    """The rows a module's process prints, one JSON object a line; if it fails, one row with what
    it said last as `failed`. A process that takes longer is ended."""
    command = [python, "-m", module, *(str(argument) for argument in arguments)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return [{"failed": f"stopped after {seconds:.0f} s"}]
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"ended with {done.returncode}"]
        rows.append({"failed": said[-1]})
    return rows


def say(**row: Any) -> None:
    """Print a row for the parent."""
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()


def measured(work: Callable[[], Any]) -> tuple[dict[str, Any], Any]:
    """Run once: wall, CPU and peak memory of this process, in all and without mapped files."""
    Path("/proc/self/clear_refs").write_text("5")  # Resets the peak.
    own, is_done = [_status_mb("RssAnon")], threading.Event()
    watch = threading.Thread(target=_watch, args=(own, is_done))
    watch.start()
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        result = work()
    finally:
        seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
        is_done.set()
        watch.join()
    return {
        "seconds": round(seconds, 3),
        "cpu_seconds": round(cpu_seconds, 3),
        "peak_mb": _status_mb("VmHWM"),
        "own_mb": max(own),
    }, result


def _watch(own: list[int], is_done: threading.Event) -> None:
    while not is_done.wait(SAMPLE_SECONDS):
        own.append(_status_mb("RssAnon"))


def _status_mb(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) // 1024


def size_mb(folder: Path) -> float:
    """Bytes of all files below a folder, in millions."""
    sizes = (path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return round(sum(sizes) / 1e6, 1)


def tree_cpu_seconds(process: int) -> float:
    """CPU of a process and of all its children that have ended."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")
