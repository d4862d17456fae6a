"""Why a line that was billed is billed again, as one word that documents put into a sentence.

It follows from what was billed and what is due now, so that a rebuild finds it again. Only the
documents of entities that say `decreases` tell it.
"""

from collections.abc import Collection

import polars as pl

from meterhouse.pricing.order import MODIFIERS

LATE_USAGE, CORRECTED_USAGE = "late_usage", "corrected_usage"
CHANGED_PRICE, CHANGED_TERMS = "changed_price", "changed_terms"
CANCELLED, FOLLOWS = "cancelled", "follows"
CAUSES = (LATE_USAGE, CORRECTED_USAGE, CHANGED_PRICE, CHANGED_TERMS, CANCELLED, FOLLOWS)
_COMPARED = ("quantity", "price", "price_model")
# Lines of one of these belong to one correction.
_ONE = ("contract_id", "item_id", "period_start_on")


def before(known: pl.DataFrame) -> pl.DataFrame:
    """line_key, and `was_` quantity, price and price_model of the newest line that was billed."""
    there = [name for name in _COMPARED if name in known.columns]
    missing = {f"was_{name}": pl.lit(None) for name in _COMPARED if name not in there}
    return known.select("line_key", *(pl.col(name).alias(f"was_{name}") for name in there)).select(
        pl.all(), **missing
    )


def of_changed() -> pl.Expr:
    """The cause of a line that is still due, beside the columns of `before`; null if it is no
    correction."""
    is_priced = pl.col("was_price").ne_missing(pl.col("price")) & pl.col("was_price").is_not_null()
    is_modelled = pl.col("was_price_model").is_not_null() & (
        pl.col("was_price_model") != pl.col("price_model")
    )
    is_usage = pl.col("role") == "usage"
    said = (
        pl.when(pl.col("role").is_in(MODIFIERS))
        .then(pl.lit(FOLLOWS))
        .when(is_priced | is_modelled)
        .then(pl.lit(CHANGED_PRICE))
        .when(is_usage & (pl.col("quantity") > pl.col("was_quantity")))
        .then(pl.lit(LATE_USAGE))
        .when(is_usage & (pl.col("quantity") < pl.col("was_quantity")))
        .then(pl.lit(CORRECTED_USAGE))
        .otherwise(pl.lit(CHANGED_TERMS))
    )
    return pl.when("is_correction").then(said)


def of_vanished(gone: pl.DataFrame, wanted: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """The lines nothing is due for any more, with `cause`: other terms where a line that was never
    billed takes their place, else they were cancelled."""
    if any(name not in frame.columns for name in _ONE for frame in (gone, wanted)):
        return gone.with_columns(cause=pl.lit(CANCELLED))
    new = wanted.join(known, on="line_key", how="anti").select(_ONE).unique()
    replaced = gone.join(new.with_columns(is_new=True), on=_ONE, how="left", maintain_order="left")
    said = (
        pl.when(pl.col("role").is_in(MODIFIERS))
        .then(pl.lit(FOLLOWS))
        .when("is_new")
        .then(pl.lit(CHANGED_TERMS))
        .otherwise(pl.lit(CANCELLED))
    )
    return replaced.with_columns(cause=said).drop("is_new")


def told_by(lines: pl.DataFrame, entities: Collection[str]) -> pl.DataFrame:
    """The lines, of which only those of these entities tell their cause."""
    is_told = pl.col("entity_id").is_in(list(entities))
    return lines.with_columns(cause=pl.when(is_told).then("cause"))
