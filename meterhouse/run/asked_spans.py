"""From what is asked to spans of time: whose days they are, and the pieces they are cut into."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise

import duckdb
import polars as pl

from meterhouse.errors import UsageError
from meterhouse.periods import INSTANT, zone_days
from meterhouse.run.estimating import windows_between

NO_CONTRACT_ZONE = "UTC"
MOST = 1500  # pieces of one customer: a day's minutes, a month's hours, four years of days
DAY = timedelta(days=1)
Choose = Callable[[list[str]], str]
Moment = date | datetime


@dataclass(frozen=True)
class Asked:
    """What is estimated; `start` is in, `end` is not: local midnights, or instants.

    `customer` is an id, external id or alias, or `all`. `per` is minute, hour, day, month or
    window. `version` holds for all windows; by default the one in force at each start.
    """

    meter: str
    customer: str
    start: Moment | None = None
    end: Moment | None = None
    per: str | None = None
    zone: str | None = None
    version: int | None = None
    known_at: int | None = None
    since_batch: int = 0
    with_price: bool = False


def refuse_zones(zones: list[str]) -> str:
    """The refusal of a day that begins at several instants."""
    raise UsageError(
        f"The customer has contracts in {len(zones)} zones ({', '.join(zones)}), where the days "
        "begin at different times. Nothing was measured. Give --zone, or instants such as "
        "2025-11-01T00:00:00Z."
    )


def zones_of(
    db: duckdb.DuckDBPyConnection,
    asked: Asked,
    charged: pl.DataFrame,
    customer: str | None,
    choose: Choose,
) -> pl.DataFrame:
    """customer_id and zone of everybody who is asked for, one row each."""
    contracts = db.sql("select customer_id, zone from book.contracts").pl()
    if customer is not None:
        zones = sorted(set(charged["zone"]) or set(contracts["zone"])) or [NO_CONTRACT_ZONE]
        needs = asked.per is not None or not _are_instants(asked)
        zone = asked.zone or (choose(zones) if len(zones) > 1 and needs else zones[0])
        return pl.DataFrame({"customer_id": [customer], "zone": [zone]})
    # A customer of several zones is told in that of the first contract, as in usage_by_day.
    ordered = charged.sort("window_start_on", "contract_id").select("customer_id", "zone")
    found = ordered.unique("customer_id", keep="first", maintain_order=True)
    if found.is_empty():
        first = contracts.sort("customer_id", "zone").unique("customer_id", keep="first")
        found = _users(db, asked).join(first, on="customer_id", how="left")
    named = pl.lit(asked.zone) if asked.zone else pl.col("zone").fill_null(NO_CONTRACT_ZONE)
    return found.with_columns(zone=named)


def _users(db: duckdb.DuckDBPyConnection, asked: Asked) -> pl.DataFrame:
    """Where no contract reads the meter: whoever has events of its type."""
    return db.sql(
        "select distinct customer_id from facts.usage_events where event_type in "
        "(select event_type from book.meters where meter_id = ?)",
        params=[asked.meter],
    ).pl()


def _are_instants(asked: Asked) -> bool:
    return all(isinstance(at, datetime) or at is None for at in (asked.start, asked.end))


def spans_of(
    asked: Asked, zones: pl.DataFrame, current: pl.DataFrame, last_on: date | None
) -> pl.DataFrame:
    """customer_id, zone, window_start and window_end: the span asked, or that of the windows now,
    as far as there is usage."""
    if asked.start is None:
        if current.is_empty():
            raise UsageError(
                f"No contract of {asked.customer} reads the meter, so there is no window to begin "
                "at. Nothing was measured. Give --from and --to."
            )
        bounds = current.group_by("customer_id").agg(
            pl.col("window_start").min(), pl.col("window_end").max()
        )
        spans = zones.join(bounds, on="customer_id")
    else:
        spans = zones.join(_instants(zones, asked.start, "window_start"), on="zone")
    end = asked.end or (None if last_on is None else last_on + DAY)
    if end is None:
        raise UsageError("No usage is recorded yet. Nothing was measured; give --to.")
    ends = _instants(zones, end, "until")
    spans = spans.join(ends, on="zone")
    if "window_end" in spans.columns:
        least = pl.col("until") if asked.end else pl.min_horizontal("window_end", "until")
        spans = spans.with_columns(window_end=least).drop("until")
    else:
        spans = spans.rename({"until": "window_end"})
    if spans.filter(pl.col("window_start") >= pl.col("window_end")).height == spans.height:
        raise UsageError(
            f"Nothing lies from {asked.start} to before {end}: --to is the first moment that is "
            "left out. Nothing was measured."
        )
    return spans.filter(pl.col("window_start") < pl.col("window_end")).sort("customer_id")


def _instants(zones: pl.DataFrame, moment: Moment, name: str) -> pl.DataFrame:
    """The instant that is meant in each zone: itself, or the day's first."""
    names = zones["zone"].unique().sort()
    if isinstance(moment, datetime):
        return pl.DataFrame({"zone": names}).with_columns(pl.lit(moment).cast(INSTANT).alias(name))
    return zone_days(names.to_list(), moment, moment).select(
        "zone", pl.col("starts_at").alias(name)
    )


def pieces(asked: Asked, spans: pl.DataFrame) -> pl.DataFrame:
    """The spans cut into what `per` says; the first and last piece end with the span."""
    if asked.per is None:
        return spans
    bounds = ("zone", "window_start", "window_end")
    found = [
        {**dict(zip(bounds, one, strict=True)), "opens": max(a, one[1]), "closes": min(b, one[2])}
        for one in spans.select(bounds).unique().sort(bounds).iter_rows()
        for a, b in _cut(one[0], one[1], one[2], asked.per)
    ]
    instants = dict.fromkeys((*bounds[1:], "opens", "closes"), INSTANT)
    schema: dict[str, pl.DataType | type[pl.DataType]] = {"zone": pl.String, **instants}
    cut = pl.DataFrame(found, schema=schema)
    return (
        spans.join(cut, on=list(bounds))
        .select("customer_id", "zone", window_start="opens", window_end="closes")
        .sort("customer_id", "window_start")
    )


def _cut(zone: str, start: datetime, end: datetime, per: str) -> list[tuple[datetime, datetime]]:
    step = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1)}.get(per, DAY)
    count = (end - start) // step
    if per != "month" and count > MOST:
        raise UsageError(
            f"The span has {count:,} {per}s, and at most {MOST:,} are measured at once. Nothing "
            "was measured. Give a shorter span, or longer pieces."
        )
    if per != "month":
        return windows_between(start, end, zone, per)
    days = zone_days([zone], start.date().replace(day=1) - DAY, end.date() + 32 * DAY)
    firsts = days.filter(pl.col("day").dt.day() == 1)["starts_at"].to_list()
    # The month in which the span begins may begin before it.
    edges = [start, *(at for at in firsts if start < at < end), end]
    return list(pairwise(edges))
