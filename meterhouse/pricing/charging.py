"""From windows with quantities to all lines of a contract: models, modifiers, rounding."""

from datetime import date

import polars as pl

from meterhouse.money import QUANTITY
from meterhouse.pricing import continued, divided, stubs
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
    "split_tiers": _TEXT,
    "stub_flags": _TEXT,
    "timing": pl.lit("arrears"),
    "is_period_last": pl.lit(value=True),
    "is_late": pl.lit(value=False),
    "due_on": pl.col("window_end_on"),
}


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
    known = completed(windows)
    terms = None if contracts is None else contract_terms(contracts)
    if terms is None or nothing_given(terms):
        terms = None
    draws = Draws() if draws is None else draws
    rated = rate_quantities(known, parts, terms, through=through, draws=draws)
    places = as_it_is if exact else to_places
    amounts = rated.with_columns(amount="amount_unrounded") if exact else rated
    own = _own_lines(known, amounts)
    if terms is None and known["modifiers"].null_count() == known.height:
        return own
    charged = known.drop("quantity").join(
        amounts.select("window_id", "amount", "steps"), on="window_id", validate="1:1"
    )
    charges, made = items.item_lines(items.charges_of(with_unused(charged)), places)
    lines = [own, made, *draws.lines]
    if terms is not None and contracts is not None:
        of = contracts.filter(pl.col("modifiers").is_not_null())
        mine = charges.join(of, on="contract_id", how="semi").filter(
            # What grants are bought for is not changed by the modifiers of contracts.
            ~pl.col("component").is_in(SALES)
        )
        lines.append(contract_lines(mine, terms, places, through, draws))
    return pl.concat(lines)


def completed(windows: pl.DataFrame) -> pl.DataFrame:
    """The windows with whatever they do not say themselves, in the order in which they come."""
    missing = {name: given for name, given in DEFAULTS.items() if name not in windows.columns}
    known = shares.with_share(windows.with_columns(**missing))
    return stubs.cut_terms(known).sort(
        "contract_id", "window_start_on", "item_id", "dimensions", "window_id"
    )


def rate_usage(windows: pl.DataFrame, parts: pl.DataFrame | None = None) -> pl.DataFrame:
    """What `rate_windows` gives, after the modifiers of items that change quantities.

    For figures of single windows: what they cost before anything is taken off or added.
    """
    alone = windows.with_columns(split_tiers=pl.lit("restart"))
    return rate_quantities(completed(alone), parts)


def rate_quantities(
    windows: pl.DataFrame,
    parts: pl.DataFrame | None = None,
    terms: Terms | None = None,
    *,
    through: date = date.max,
    draws: Draws | None = None,
) -> pl.DataFrame:
    """What `rate_windows` gives, of the quantities that are left to charge; `quantity` is as asked.

    The steps before the price come first in `steps`.
    """
    placed = divided.with_positions(windows)
    shared = None if terms is None or not gives_units(terms) else terms
    if shared is None and windows["modifiers"].null_count() == windows.height:
        return _as_asked(continued.rate(placed, parts), windows, placed)
    told = quantities.freed(quantities.converted(with_item_terms(placed)))
    if shared is not None:
        last = last_day(windows, through)
        told = grant_units.drawn(pooled(told, shared.pools), shared.credits, last, draws)
    rated = continued.rate(told, parts)
    asked = windows.select("window_id", asked=pl.col("quantity").cast(QUANTITY))
    return (
        rated.join(asked, on="window_id", validate="1:1")
        .join(told.select("window_id", "before"), on="window_id", validate="1:1")
        .with_columns(quantity="asked", steps=_led("before", "steps"))
        .drop("asked", "before")
        .sort("window_id")
    )


def _as_asked(rated: pl.DataFrame, windows: pl.DataFrame, placed: pl.DataFrame) -> pl.DataFrame:
    """The rated windows with the quantities that were measured, not what each adds to its
    period."""
    if placed is windows:
        return rated
    asked = windows.select("window_id", asked=pl.col("quantity").cast(QUANTITY))
    joined = rated.join(asked, on="window_id", validate="1:1").with_columns(quantity="asked")
    return joined.drop("asked").sort("window_id")


def _led(before: str, steps: str) -> pl.Expr:
    """A JSON array of the steps before and then the steps of the price."""
    inside = pl.col(steps).str.strip_prefix("[").str.strip_suffix("]")
    both = pl.concat_str(before, inside).str.strip_suffix(",")
    return pl.format("[{}]", both)


def _own_lines(windows: pl.DataFrame, rated: pl.DataFrame) -> pl.DataFrame:
    """The lines of the windows themselves: based on their own row, which says all the rest."""
    own = rated.with_columns(based_on="window_id")
    told = windows.select("window_id", "component").join(own, on="window_id", validate="1:1")
    return told.select(
        (pl.col(name) if name in told.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in LINES.items()
    ).sort("window_id")
