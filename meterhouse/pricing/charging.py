"""From windows with quantities to all lines of a contract: models, modifiers, rounding."""

from datetime import date

import polars as pl

from meterhouse.money import QUANTITY
from meterhouse.pricing import continued, divided, stubs
from meterhouse.pricing.counted_before import is_before, with_counted_before
from meterhouse.pricing.modifiers import grant_units, items, quantities, shares
from meterhouse.pricing.modifiers.contract_terms import (
    Terms,
    contract_terms,
    gives_units,
    nothing_given,
)
from meterhouse.pricing.modifiers.contracts import contract_lines
from meterhouse.pricing.modifiers.grants import SALES, Draws, last_day
from meterhouse.pricing.modifiers.lines import LINES, as_it_is, to_places
from meterhouse.pricing.modifiers.pools import pooled
from meterhouse.pricing.modifiers.terms import with_item_terms
from meterhouse.pricing.modifiers.unused import with_unused

_TEXT = pl.lit(None, dtype=pl.String)
# What a window is taken to be where its frame does not say: alone, whole and without modifiers.
DEFAULTS: dict[str, pl.Expr] = {
    "charge_id": pl.col("window_id"),
    "contract_id": pl.col("window_id"),
    "item_id": pl.lit("item"),
    "item_description": pl.lit("item"),
    "component": pl.lit("usage"),
    "dimensions": pl.lit("{}"),
    "modifiers": _TEXT,
    "meter_id": _TEXT,
    "aggregation": _TEXT,
    "is_silent": pl.lit(value=False),
    "split_tiers": _TEXT,
    "stub_flags": _TEXT,
    "timing": pl.lit("arrears"),
    "is_period_last": pl.lit(value=True),
    "is_late": pl.lit(value=False),
    "due_on": pl.col("window_end_on"),
}
# First come, first served: the order in which windows take what several of them share.
_TURN = ("contract_id", "window_start_on", "item_id", "dimensions", "window_id")
_MODIFIED = pl.col("modifiers").is_not_null()


def charge_lines(
    windows: pl.DataFrame,
    parts: pl.DataFrame | None = None,
    contracts: pl.DataFrame | None = None,
    *,
    through: date = date.max,
    exact: bool = False,
    draws: Draws | None = None,
) -> pl.DataFrame:
    """One row per line, columns of LINES: those of the windows, and those that modifiers make.

    `windows` and `parts` are those of `rate_windows`; windows may say DEFAULTS and the modifiers
    (canonical JSON) of their item, `contracts` (contract_id, modifiers, start_on, end_on) those of
    contracts. Of commitments, only spans that end by `through` are short of something. `exact`
    leaves all places where invoices round: for figures published so. `draws` keeps what grants
    paid.
    """
    known = completed(with_counted_before(windows))
    terms = None if contracts is None else contract_terms(contracts)
    if terms is None or nothing_given(terms):
        terms = None
    draws = Draws() if draws is None else draws
    rated = rate_quantities(known, parts, terms, through=through, draws=draws)
    places = as_it_is if exact else to_places
    amounts = rated.with_columns(amount="amount_unrounded") if exact else rated
    own = _own_lines(known, amounts)
    if terms is None and known["modifiers"].null_count() == known.height:
        return own.filter(~is_before("based_on"))
    of = _modified_contracts(contracts if terms is not None else None)
    # Most windows have none, and are as they were billed.
    charged = known.with_columns(amounts["amount"], amounts["steps"]).filter(
        _MODIFIED | pl.col("contract_id").is_in(of)
    )
    charges, made = items.item_lines(items.charges_of(with_unused(charged)), places)
    lines = [own, made, *draws.lines]
    if terms is not None:
        mine = charges.filter(
            pl.col("contract_id").is_in(of),
            # What was counted for contracts before is told by itself.
            ~is_before("charge_id"),
            # What grants are bought for is not changed by the modifiers of contracts.
            ~pl.col("component").is_in(SALES),
        )
        lines.append(contract_lines(mine, terms, places, through, draws))
    return pl.concat(lines).filter(~is_before("based_on"))


def _modified_contracts(contracts: pl.DataFrame | None) -> pl.Series:
    """The ids of contracts that have modifiers, as one list."""
    none = pl.Series("contract_id", [], dtype=pl.String)
    return (none if contracts is None else contracts.filter(_MODIFIED)["contract_id"]).implode()


def completed(windows: pl.DataFrame) -> pl.DataFrame:
    """The windows in their order with whatever they do not say themselves."""
    missing = {name: given for name, given in DEFAULTS.items() if name not in windows.columns}
    return stubs.cut_terms(shares.with_share(windows.with_columns(**missing)))


def rate_usage(windows: pl.DataFrame, parts: pl.DataFrame | None = None) -> pl.DataFrame:
    """What `rate_windows` gives, after the modifiers of items that change quantities.

    For figures of single windows: what they cost before anything is taken off or added. Windows
    that say `split_tiers` come with all parts of their periods before them; others are alone.
    """
    is_alone = "split_tiers" not in windows.columns
    told = windows.with_columns(split_tiers=pl.lit("restart")) if is_alone else windows
    return rate_quantities(completed(told), parts)


def rate_quantities(
    windows: pl.DataFrame,
    parts: pl.DataFrame | None = None,
    terms: Terms | None = None,
    *,
    through: date = date.max,
    draws: Draws | None = None,
) -> pl.DataFrame:
    """What `rate_windows` gives of `completed` windows, in their order, of the quantities that are
    left to charge; `quantity` is as asked.

    The steps before the price come first in `steps`.
    """
    placed = divided.with_positions(windows)
    is_led = _may_be_led(placed, terms)
    numbered = placed.with_row_index("row_no")
    asking = numbered.filter(is_led).sort(_TURN)
    if asking.is_empty():
        rated = continued.rate(placed, parts)
        return rated if placed is windows else rated.with_columns(_asked(windows))
    told = quantities.freed(quantities.converted(with_item_terms(asking)))
    if terms is not None and gives_units(terms):
        last = last_day(windows, through)
        told = grant_units.drawn(pooled(told, terms.pools), terms.credits, last, draws)
    others = numbered.filter(~is_led).with_columns(
        pl.col("quantity").cast(QUANTITY), before=pl.lit("")
    )
    left = pl.concat([others, told.select(others.columns)]).sort("row_no")
    led = pl.when(pl.col("before") == "").then("steps").otherwise(_led("before", "steps"))
    rated = continued.rate(left.drop("row_no", "before"), parts)
    return (
        rated.with_columns(_asked(windows), left["before"]).with_columns(steps=led).drop("before")
    )


def _may_be_led(placed: pl.DataFrame, terms: Terms | None) -> pl.Expr:
    """Whether something may be taken off a window's quantity before its price.

    Parts of a period share what is free, also with those that say nothing of it.
    """
    is_led = _MODIFIED
    if "nth" in placed.columns and placed["modifiers"].null_count() < placed.height:
        is_led |= pl.col("nth").is_not_null()
    if terms is None or not gives_units(terms):
        return is_led
    giving = pl.concat([terms.pools["contract_id"], terms.credits["contract_id"]])
    return is_led | pl.col("contract_id").is_in(giving.unique().implode())


def _asked(windows: pl.DataFrame) -> pl.Series:
    """The quantities that were measured, not what is left or what a part adds to its period."""
    return windows["quantity"].cast(QUANTITY)


def _led(before: str, steps: str) -> pl.Expr:
    """A JSON array of the steps before and then the steps of the price."""
    inside = pl.col(steps).str.strip_prefix("[").str.strip_suffix("]")
    both = pl.concat_str(before, inside).str.strip_suffix(",")
    return pl.format("[{}]", both)


def _own_lines(windows: pl.DataFrame, rated: pl.DataFrame) -> pl.DataFrame:
    """The lines of the windows themselves: based on their own row, which says all the rest."""
    told = rated.with_columns(windows["component"], based_on="window_id")
    return told.select(
        (pl.col(name) if name in told.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in LINES.items()
    )
