"""What one run knows and bills: fixed at its start, the same for every step."""

import hashlib
import importlib.metadata
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from meterhouse.canonical import short_hash
from meterhouse.installation import dbt_project_dir
from meterhouse.lake import Lake, Pin
from meterhouse.run.own_models import models_hash
from meterhouse.warehouse import Warehouse

ENGINES = ("duckdb", "duckdb-extension-ducklake", "polars", "dbt-core", "dbt-duckdb", "tzdata")


@dataclass(frozen=True)
class Run:
    """`through` is the day at whose local midnight windows are due; `known_at` the last batch."""

    warehouse: Warehouse
    through: date
    pin: Pin
    known_at: int
    is_dry: bool

    @property
    def lake(self) -> Lake:
        """The facts the run reads."""
        return self.warehouse.lake

    @property
    def run_id(self) -> str:
        """Hash of what decides the result: day, batch and code. The same run has the same id."""
        return short_hash([self.through.isoformat(), self.known_at, self._code])

    @property
    def _code(self) -> str:
        return code_hash(self.lake.settings.models)


def code_hash(own: Path | None) -> str:
    """SHA-256 over all that decides a number: our sources, the engines, the home's own models."""
    if own is None:
        return product_hash()
    return hashlib.sha256(f"{product_hash()}|{models_hash(own)}".encode()).hexdigest()


@cache
def product_hash() -> str:
    """SHA-256 over the package's sources, the dbt project and the versions of the engines."""
    digest = hashlib.sha256()
    package = Path(__file__).parents[1]
    project = dbt_project_dir()
    parts = [*package.rglob("*.py"), *(project / "models").rglob("*.sql")]
    parts += [*(project / "macros").rglob("*.sql"), project / "dbt_project.yml"]
    for path in sorted(parts, key=lambda part: part.as_posix()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    for name, version in sorted(versions().items()):
        digest.update(f"{name}={version}\n".encode())
    return digest.hexdigest()


@cache
def versions() -> dict[str, str]:
    """The engines whose version may change a number."""
    return {name: importlib.metadata.version(name) for name in ENGINES}
