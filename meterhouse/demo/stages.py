"""Write the records as files of each stage, and count what is to become of them."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import NamedTuple

import polars as pl

from meterhouse.demo.calendar import MONTHS
from meterhouse.demo.delivery import STAGES


class Stage(NamedTuple):
    """Files to land, the date to bill through then, and records by outcome and by reason.

    Outcomes are accepted, duplicate, conflict and quarantined; reasons are those of
    the quarantined ones.
    """

    through: date
    files: Mapping[str, tuple[Path, ...]]
    outcomes: Mapping[str, int]
    reasons: Mapping[str, int]


class Delivery(NamedTuple):
    """All records of one source: columns at, line, file, outcome, fault."""

    source: str
    suffix: str
    header: str | None
    slices: int
    records: pl.DataFrame


def write_stages(folder: Path, deliveries: list[Delivery]) -> tuple[Stage, ...]:
    """Write `<folder>/<stage>/<source>/…` for every stage that has records."""
    written = {delivery.source: _write(folder, delivery) for delivery in deliveries}
    records = pl.concat(
        one.records.select("outcome", "fault", stage=pl.col("file") // one.slices)
        for one in deliveries
    )
    return tuple(
        Stage(
            through=_through(stage),
            files={name: files[stage] for name, files in written.items() if stage in files},
            outcomes=_counts(records.filter(pl.col("stage") == stage), "outcome"),
            reasons=_counts(records.filter(pl.col("stage") == stage), "fault"),
        )
        for stage in range(STAGES)
    )


def _write(folder: Path, delivery: Delivery) -> dict[int, tuple[Path, ...]]:
    written: dict[int, tuple[Path, ...]] = {}
    ordered = delivery.records.sort("file", "at", "line")
    for (number,), records in ordered.group_by("file", maintain_order=True):
        stage, part = divmod(int(str(number)), delivery.slices)
        path = folder / str(stage + 1) / delivery.source / _name(delivery, stage, part)
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [delivery.header] if delivery.header else []
        path.write_bytes("\n".join([*lines, *records["line"].to_list(), ""]).encode())
        written[stage] = (*written.get(stage, ()), path)
    return written


def _name(delivery: Delivery, stage: int, part: int) -> str:
    # The correction sorts behind the files of its month.
    month = f"{MONTHS[min(stage, STAGES - 2)]:%Y-%m}"
    which = "late" if stage == STAGES - 1 else str(part + 1)
    return f"{delivery.source}-{month}-{which}.{delivery.suffix}"


def _through(stage: int) -> date:
    # The correction is billed through the date that was billed before: nothing else is new then.
    return MONTHS[min(stage + 1, STAGES - 1)]


def _counts(records: pl.DataFrame, column: str) -> dict[str, int]:
    counted = records.drop_nulls(column).group_by(column).len().sort(column)
    return dict(counted.iter_rows())
