"""Every version of every meter, also of slots that were corrected: to look at and to measure by."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import polars as pl

from meterhouse.errors import UsageError
from meterhouse.nearest import did_you_mean, known_names
from meterhouse.run.book import ALWAYS, FOREVER, TABLES
from meterhouse.run.meter_rules import rule_of

VERSIONS = f"""
create or replace temp view meter_versions as
select kind, doc_id, coalesce(valid_from, {ALWAYS}) as slot_from, {FOREVER} as slot_to,
    content::json as content, batch_seq as version_seq,
    row_number() over (partition by doc_id order by batch_seq, row_no) as version_no
from facts.book_versions where kind = 'meter'
"""
# What windows are measured by, in the order of time.
DEFINITIONS = {
    "meter_id": pl.String,
    "meter_version": pl.Int64,
    "slot_from": pl.Date,
    "slot_to": pl.Date,
    "is_split": pl.Boolean,
}


@dataclass(frozen=True)
class Meters:
    """The meters of a book: `rows` as book.meters has them, one for each version ever recorded.

    `rules` has the same, as measure() reads them; `in_force` the numbers of the versions that hold
    in some slot. `recorded` maps (meter, version) to the batch that recorded it.
    """

    rows: list[dict[str, Any]]
    rules: list[dict[str, Any]]
    in_force: set[tuple[str, int]]
    recorded: dict[tuple[str, int], int]

    def named(self, name: str) -> list[dict[str, Any]]:
        """All versions of a meter, the oldest first; refuses a name that is not known."""
        found = [row for row in self.rows if row["meter_id"] == name]
        if not found:
            known = {row["meter_id"] for row in self.rows}
            hint = did_you_mean(name, known) or "."
            raise UsageError(
                f"Meter {name!r} is not in the book; nothing was measured{hint} "
                f"Known: {known_names(known)}."
            )
        return found

    def newest(self, name: str) -> dict[str, Any]:
        """The version of a meter that holds last."""
        held = [row for row in self.named(name) if key_of(row) in self.in_force]
        return max(held, key=lambda row: row["slot_from"])

    def live(self, name: str) -> str:
        """The meter that contracts read in its place: itself, or the one whose shadow it is."""
        return self.newest(name)["shadow_of"] or name

    def definitions(self, name: str, version: int | None = None) -> pl.DataFrame:
        """One row per slot as DEFINITIONS: those in force, or one version that holds always."""
        rows = self.named(name)
        if version is None:
            chosen = [row for row in rows if key_of(row) in self.in_force]
        else:
            always = {"slot_from": date.min, "slot_to": date.max, "split": False}
            chosen = [{**row, **always} for row in rows if row["meter_version"] == version]
            if not chosen:
                numbers = known_names([str(row["meter_version"]) for row in rows])
                raise UsageError(
                    f"Meter {name} has no version {version}; nothing was measured. "
                    f"Its versions: {numbers}. `meterhouse meters show {name}` tells them apart."
                )
        _refuse_sql(name, chosen)
        return pl.DataFrame(
            [{**row, "is_split": row["split"]} for row in chosen], schema=DEFINITIONS
        )


def key_of(row: dict[str, Any]) -> tuple[str, int]:
    """The meter and the number of its version."""
    return row["meter_id"], int(row["meter_version"])


def read_meters(db: duckdb.DuckDBPyConnection) -> Meters:
    """The meters of `facts.book_versions`, which is flattened into schema book already."""
    db.execute(VERSIONS)
    rows = _rows(db, TABLES["meters"].replace("from book.slots", "from meter_versions"))
    slots = {key_of(row): row for row in _rows(db, "from book.meters")}
    merged = [{**row, **slots.get(key_of(row), {})} for row in rows]
    merged.sort(key=key_of)
    types = dict(db.execute("select distinct name, type from book.properties").fetchall())
    rules = [rule_of(row, types, number) for number, row in enumerate(merged, start=1)]
    seqs = db.execute("select doc_id, version_no, version_seq from meter_versions").fetchall()
    recorded = {(meter, int(number)): int(seq) for meter, number, seq in seqs}
    return Meters(merged, rules, set(slots), recorded)


def contents(db: duckdb.DuckDBPyConnection, name: str) -> dict[int, dict[str, Any]]:
    """The document of each version of a meter by its number."""
    rows = db.execute(
        "select version_no, content from meter_versions where doc_id = ?", [name]
    ).fetchall()
    return {int(number): json.loads(content) for number, content in rows}


def _rows(db: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    cursor = db.execute(query)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _refuse_sql(name: str, rows: Iterable[dict[str, Any]]) -> None:
    model = next((row["model"] for row in rows if row["aggregation"] == "sql"), None)
    if model is not None:
        raise UsageError(
            f"Meter {name} is written in SQL (model {model}): it reads tables and not single "
            "events, so it cannot be measured without a run. Nothing was measured. "
            "`meterhouse run --through DATE --dry-run` shows what it makes."
        )
