"""DuckDB connections as every part of Meterhouse opens them: UTC, bounded, offline."""

import importlib.util
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


def connect(settings: Settings, database: Path | None = None) -> duckdb.DuckDBPyConnection:
    """A connection to `database` (in memory if None) with our settings and extensions."""
    settings.temporary.mkdir(parents=True, exist_ok=True)
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "memory_limit": settings.file.memory_limit,
        "temp_directory": str(settings.temporary),
    }
    if settings.file.threads is not None:
        config["threads"] = str(settings.file.threads)
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
