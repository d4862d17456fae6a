"""DuckDB connections as every part of Meterhouse opens them: UTC, bounded, offline."""

import importlib.util
import os
from functools import cache
from pathlib import Path

import duckdb

from meterhouse.errors import UsageError
from meterhouse.settings import Settings

EXTENSIONS = ("sqlite_scanner", "ducklake")


@cache
def extension_path(name: str) -> str:
    """The extension's file inside its wheel: nothing is copied and nothing is downloaded."""
    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    if spec is None or spec.origin is None:
        raise UsageError(
            f"The DuckDB extension {name} is not installed. Run `make setup`, or install "
            f"duckdb-extension-{name.replace('_', '-')}=={duckdb.__version__}."
        )
    return str(next(Path(spec.origin).parent.rglob("*.duckdb_extension")))


@cache
def verify_extensions() -> None:
    """Let DuckDB check the signatures of our extensions, once in this process.

    The check reads 70 MB and took 0.19 s of CPU in each connection; a warm run opens sixteen. The
    files it covers are the ones every later connection loads.
    """
    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as db:
        for name in EXTENSIONS:
            db.execute(f"load {literal(extension_path(name))}")


def threads_of(settings: Settings) -> int:
    """Threads of a connection: what the settings say, else the cores this process may use."""
    return settings.file.threads or usable_cores()


@cache
def usable_cores() -> int:
    """DuckDB counts the cores of the machine or of its container, and not those that a process is
    kept to (taskset, a scheduler of jobs): several threads on one core only wait for each other."""
    with duckdb.connect() as db:
        row = db.execute("select current_setting('threads')").fetchone()
    counted = int(row[0]) if row else 1
    if not hasattr(os, "sched_getaffinity"):  # No such thing on macOS.
        return counted
    return min(counted, len(os.sched_getaffinity(0)))


def connect(
    settings: Settings, database: Path | None = None, *, runs_foreign_sql: bool = False
) -> duckdb.DuckDBPyConnection:
    """A connection to `database` (in memory if None) with our settings and extensions.

    One that runs SQL of others refuses extensions without a signature for good.
    """
    verify_extensions()
    settings.temporary.mkdir(parents=True, exist_ok=True)
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "allow_unsigned_extensions": "false" if runs_foreign_sql else "true",
        "memory_limit": settings.file.memory_limit,
        "temp_directory": str(settings.temporary),
    }
    config["threads"] = str(threads_of(settings))
    db = duckdb.connect(str(database) if database else ":memory:", config=config)
    prepare(db)
    return db


def prepare(db: duckdb.DuckDBPyConnection) -> None:
    """UTC and the extensions; DuckDB refuses the time zone as a connect option."""
    db.execute("set timezone = 'UTC'")
    for name in EXTENSIONS:
        db.execute(f"load {literal(extension_path(name))}")


def literal(text: str) -> str:
    """A quoted SQL string, for the few places that take no parameters (paths, JSON paths)."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A quoted SQL name."""
    return '"' + name.replace('"', '""') + '"'
