"""Units that several items share: pools of a window, quarter, year or term."""

from decimal import Decimal

import polars as pl

from meterhouse.money import AMOUNT
from meterhouse.pricing.divided import PERIOD
from meterhouse.pricing.models import MODELS
from meterhouse.pricing.modifiers import quantities
from meterhouse.pricing.modifiers.contract_terms import named
from meterhouse.pricing.modifiers.discounts import by_rank
from meterhouse.pricing.modifiers.renewed import with_terms
from meterhouse.pricing.modifiers.spans import span_of
from meterhouse.pricing.modifiers.terms import zero

# A fee has no units to give away, and single events have no total that units could be taken off.
WITHOUT_UNITS = ["flat", *(name for name, model in MODELS.items() if model.reads_parts)]


def pooled(windows: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """The windows with the units of their contract's pools taken off, first come, first served."""
    columns = windows.columns
    for one in by_rank(terms):
        joined = windows.join(one, on="contract_id", how="left", maintain_order="left")
        first, last = pl.coalesce("start", "start_on"), pl.col("end_on")
        dated = with_terms(joined.with_columns(first=first, last=last))
        opens, _ = span_of("window_start_on", "cadence", "first", "last")
        cadence = pl.col("cadence")
        spanned = dated.with_columns(
            opens=pl.when(cadence == "window")
            .then(_begun(joined))
            .when(cadence == "term")
            .then(pl.max_horizontal("first", "term_open"))
            .otherwise(opens),
            size=pl.col("quantity_right").fill_null(zero()),
        )
        wanted = pl.col("quantity").cast(AMOUNT).clip(lower_bound=Decimal(0))
        asked = pl.when(_shares()).then(wanted).otherwise(zero())
        took = quantities.taken(pl.col("size"), asked, "contract_id", "opens")
        windows = quantities.given(spanned.with_columns(taken=took)).select(columns)
    return windows


def _begun(windows: pl.DataFrame) -> pl.Expr:
    """The day on which the window begins: of the parts of a divided period, the first of them."""
    day = pl.col("window_start_on")
    if "nth" not in windows.columns:
        return day
    return pl.when(pl.col("nth").is_not_null()).then(day.min().over(PERIOD)).otherwise(day)


def _shares() -> pl.Expr:
    """Whether the window takes part in the pool beside it."""
    meters = pl.col("meters").list.contains(pl.col("meter_id")).fill_null(value=False)
    by_meter = pl.col("meters").list.len().fill_null(0) > 0
    by_item = pl.col("items").list.len().fill_null(0) > 0
    chosen = pl.when(by_meter & by_item).then(meters | named("item_id")).when(by_meter).then(meters)
    is_there = pl.col("id").is_not_null() & ~pl.col("price_model").is_in(WITHOUT_UNITS)
    since = pl.col("window_start_on") >= pl.col("first")
    may = is_there & since & (pl.col("component") != "fee")
    return may & chosen.otherwise(named("item_id"))
