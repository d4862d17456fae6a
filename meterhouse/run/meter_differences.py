"""Two definitions of a meter against each other: quantity and money of every charge window.

Each window is measured from its events under both, in one statement, and both are rated at the
price of the item in one pass. Nothing is recorded.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import polars as pl

from meterhouse.errors import UsageError
from meterhouse.lake import Lake
from meterhouse.run.estimates import customer_of
from meterhouse.run.estimating import measure
from meterhouse.run.meter_versions import Meters, read_meters
from meterhouse.run.metered_windows import asks_of, last_day, read_book, usage_windows
from meterhouse.run.pooling import asked_members
from meterhouse.run.proposed import Proposed, propose, proposed
from meterhouse.run.usage_prices import rate_windows_of_usage, with_earlier_parts, with_ways

SIDES = ("a", "b")
WINDOW = ("customer_id", "contract_id", "item_id", "window_start_on", "window_end_on", "currency")
BILLED = """
select window_id, cast(sum(amount) as decimal(38, 18)) as billed,
    string_agg(distinct number, ', ' order by number) as documents
from facts.standing_lines semi join compared using (window_id) group by window_id
"""


@dataclass(frozen=True)
class Compared:
    """What is compared: A and B are METER or METER@VERSION; windows that overlap the days.

    With `book`, B is as the folder has it, recorded or not.
    """

    a: str
    b: str
    first: date | None = None
    until: date | None = None
    customer: str | None = None
    book: Path | None = None


class Side(NamedTuple):
    """One definition: the meter, a version that holds for all windows or None, and its book."""

    meter: str
    version: int | None
    meters: Meters

    @property
    def unit(self) -> str:
        """Unit of the newest version."""
        return str(self.meters.newest(self.meter)["unit"])


class Differences(NamedTuple):
    """`lines`: one row per dimensions of each window in which the two differ, with both quantities
    and amounts; `windows`: how many were compared."""

    lines: pl.DataFrame
    windows: int
    warnings: list[str]
    units: tuple[str, str]
    customer: str | None


def differences(lake: Lake, asked: Compared) -> Differences:
    """Every window that reads A, or where none does B, under both definitions."""
    change = None if asked.book is None else proposed(lake, asked.book)
    with lake.reading() as db:
        customer = None if asked.customer is None else customer_of(db, asked.customer)
        read_book(db, None if customer is None else [customer], None)
        recorded = read_meters(db)
        a = _side(asked.a, recorded)
        windows = _windows(db, asked, recorded)
        b = _side(asked.b, recorded if change is None else _with(db, change))
        lines = _lines(db, windows, a, b)
        compared = lines["window_id"].n_unique()
        differing = _differing(lines)
        db.register("compared", differing.select("window_id").unique().to_arrow())
        billed = db.sql(BILLED).pl()
        db.unregister("compared")
    told = differing.join(billed, on="window_id", how="left")
    warnings = _warnings(a, b, windows.filter("is_asked"), compared)
    return Differences(told, compared, warnings, (a.unit, b.unit), customer)


def _differing(lines: pl.DataFrame) -> pl.DataFrame:
    """All lines of the windows whose quantity or amount is another in all."""
    sums = lines.group_by("window_id").agg(pl.col("quantity_difference", "amount_difference").sum())
    changed = sums.filter((pl.col("quantity_difference") != 0) | (pl.col("amount_difference") != 0))
    return lines.join(changed, on="window_id", how="semi", maintain_order="left")


def _side(name: str, meters: Meters) -> Side:
    """METER, or METER@3."""
    meter, _, number = name.partition("@")
    if number and not number.isdigit():
        raise UsageError(
            f"{name!r} is not a meter: write METER, or METER@2 for its version 2. Nothing was "
            "compared."
        )
    side = Side(meter, int(number) if number else None, meters)
    meters.definitions(side.meter, side.version)  # Refuses what is not known or cannot be measured.
    return side


def _with(db: duckdb.DuckDBPyConnection, change: Proposed) -> Meters:
    """The meters as they would be after applying the folder."""
    propose(db, change)
    return read_meters(db)


def _windows(db: duckdb.DuckDBPyConnection, asked: Compared, meters: Meters) -> pl.DataFrame:
    """The windows that are compared, and the earlier parts of their periods without `is_asked`."""
    known = {row["meter_id"] for row in meters.rows}
    # One that is only in the folder cannot be read by a contract yet.
    names = [one.partition("@")[0] for one in (asked.a, asked.b)]
    named = list(dict.fromkeys(name for name in names if name in known))
    until = (last_day(db, meters, named), asked.until, date(1970, 1, 1))
    last_on = max(day for day in until if day)
    for name in named:
        found = usage_windows(db, [name], last_on)
        if found.is_empty():
            found = usage_windows(db, [meters.live(name)], last_on)
        if found.height:
            return with_earlier_parts(_within(found, asked), found)
    raise UsageError(
        f"No contract{'' if asked.customer is None else ' of ' + asked.customer} reads "
        f"{asked.a} or {asked.b}, so there is no window to compare. Nothing was compared. "
        "`meterhouse meters estimate` measures any span of time."
    )


def _within(windows: pl.DataFrame, asked: Compared) -> pl.DataFrame:
    """The windows that overlap the days."""
    first, until = asked.first or date.min, asked.until or date.max
    kept = windows.filter(pl.col("window_end_on") > first, pl.col("window_start_on") < until)
    if kept.is_empty():
        raise UsageError(
            f"No charge window of {asked.a} lies from {asked.first or 'the start'} to before "
            f"{asked.until or 'the end'}. Nothing was compared."
        )
    return kept


def _lines(db: duckdb.DuckDBPyConnection, windows: pl.DataFrame, a: Side, b: Side) -> pl.DataFrame:
    """One row per window and dimensions with both quantities and amounts; what one side does not
    have is 0. A window before the first definition of a side is left out."""
    count = windows.height
    sides = []
    for number, side in enumerate((a, b)):
        numbered = windows.with_columns(ask_no=pl.int_range(count) + number * count)
        asks = asks_of(numbered, side.meters.definitions(side.meter, side.version))
        sides.append((numbered, asks))
    rules = _rules(a, b)
    (windows_a, asks_a), (windows_b, asks_b) = sides
    both = pl.concat([asks_a, _renamed(asks_b, b)])
    # Later parts are numbered on from the windows of their side: all are made unique again.
    members = asked_members(db, pl.concat([windows_a, windows_b]))
    found = measure(db, _renumbered(both, count), 0, rules, members)
    heads = both.filter(pl.col("ask_no") == pl.col("part_of")).select("ask_no", "meter_version")
    told = [
        with_ways(db, one.join(heads, on="ask_no"), side.meters, side.meter)
        for one, side in ((windows_a, a), (windows_b, b))
    ]
    numbered = pl.concat(told).drop("dimensions")
    rows = numbered.join(found, on="ask_no").with_columns(
        window_id=pl.format("{}|{}|{}", "window_id", pl.col("ask_no") // count, "dimensions"),
        base="window_id",
        charge_id=pl.col("ask_no").cast(pl.String),
        side=pl.col("ask_no") // count,
    )
    # Each side has periods of its own, whose parts go on one after the other.
    apart = rows.with_columns(item_id=pl.format("{}|{}", "item_id", "side"))
    rated = rate_windows_of_usage(apart).select("window_id", "amount")
    # What reads more than a quantity is compared by its quantity alone.
    priced = rows.join(rated, on="window_id", how="left").with_columns(window_id="base")
    return _beside(priced.filter("is_asked"))


def _renamed(asks: pl.DataFrame, side: Side) -> pl.DataFrame:
    """Asks of B under a name of their own: a folder may give a version a new number's content."""
    return asks.with_columns(meter_id=pl.format("b:{}", "meter_id"))


def _rules(a: Side, b: Side) -> list[dict[str, Any]]:
    """The rules of both sides, numbered apart."""
    made = [*a.meters.rules]
    made += [{**rule, "meter_id": f"b:{rule['meter_id']}"} for rule in b.meters.rules]
    return [{**rule, "meter_no": number} for number, rule in enumerate(made, start=1)]


def _renumbered(asks: pl.DataFrame, count: int) -> pl.DataFrame:
    """Parts after the first of a window get numbers of their own, behind those of both sides."""
    heads = asks.filter(pl.col("ask_no") == pl.col("part_of"))
    parts = asks.filter(pl.col("ask_no") != pl.col("part_of"))
    return pl.concat([heads, parts.with_columns(ask_no=pl.int_range(parts.height) + 2 * count)])


def _beside(rows: pl.DataFrame) -> pl.DataFrame:
    """Both sides of each window and combination of dimensions in one row."""
    key = ["window_id", "dimensions"]
    halves = [
        rows.filter(pl.col("side") == number).select(
            *key, *(pl.col(name).alias(f"{name}_{end}") for name in ("quantity", "amount"))
        )
        for number, end in enumerate(SIDES)
    ]
    # A window in which one side has no definition at all cannot be compared.
    known = rows.group_by("window_id").agg(pl.col("side").n_unique())
    compared = known.filter(pl.col("side") == 2).select("window_id")
    joined = halves[0].join(halves[1], on=key, how="full", coalesce=True)
    heads = rows.select("window_id", *WINDOW).unique("window_id")
    zero = [
        pl.col(f"{name}_{end}").fill_null(0) for name in ("quantity", "amount") for end in SIDES
    ]
    return (
        joined.with_columns(zero)
        .join(compared, on="window_id", how="semi")
        .join(heads, on="window_id")
        .with_columns(
            quantity_difference=pl.col("quantity_b") - pl.col("quantity_a"),
            amount_difference=pl.col("amount_b") - pl.col("amount_a"),
        )
        .sort("customer_id", "contract_id", "item_id", "window_start_on", "dimensions")
    )


def _warnings(a: Side, b: Side, windows: pl.DataFrame, compared: int) -> list[str]:
    found = []
    if a.unit != b.unit:
        found.append(
            f"{a.meter} is in {a.unit} and {b.meter} in {b.unit}: the prices are for {a.unit}, so "
            "the amounts of the second say what would be billed without a new price."
        )
    if windows.height > compared:
        found.append(
            f"{windows.height - compared} windows begin before one of the two has a definition "
            "and were left out."
        )
    return found
