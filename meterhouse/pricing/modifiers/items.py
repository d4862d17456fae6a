"""The modifiers of an item after its price: discounts, maximum, minimum, commitment."""

import polars as pl

from meterhouse.pricing.modifiers import discounts, limits
from meterhouse.pricing.modifiers.lines import Places, made, nothing
from meterhouse.pricing.modifiers.terms import ITEM, decoded, listed, with_item_terms

TEXTS = {
    "discount": "Discount",
    "maximum": "Reduced to the maximum",
    "minimum": "Increased to the minimum",
    "commitment": "Above the commitment",
    "true_up": "Commitment true-up",
}
# What is summed over the dimensions of a charge.
_OWN = ("amount", "unused")
_LIMITS = (
    ("maximum", "maximum", limits.maximum),
    ("minimum", "minimum", limits.minimum),
    ("commitment", "commitment", limits.overage),
    ("true_up", "commitment", limits.shortfall),
)


def charges_of(rated: pl.DataFrame) -> pl.DataFrame:
    """One row per charge (item and window, over all dimensions): its `gross`, which is its `net`.

    In the order of contract, item and time.
    """
    context = [c for c in rated.columns if c not in {*_OWN, "charge_id", "window_id", "steps"}]
    return (
        rated.sort("contract_id", "item_id", "window_start_on", "charge_id", "window_id")
        .group_by("charge_id", maintain_order=True)
        .agg(
            pl.col(context).first(),
            based_on=pl.col("window_id").first(),
            gross=pl.col("amount").sum(),
            unused=pl.col("unused").sum(),
        )
        .with_columns(net="gross")
    )


def item_lines(charges: pl.DataFrame, places: Places) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The charges with `net` after the modifiers of their items, and the lines these make."""
    modified = charges.filter(pl.col("modifiers").is_not_null())
    if modified.is_empty():
        return charges, nothing()
    terms = decoded(modified["modifiers"], ITEM)
    left, parts = _discounted(modified, terms, places)
    left = with_item_terms(left)
    for component, name, amount in _LIMITS:
        summed = limits.with_sums(left, name, places)
        summed = summed.with_columns(line_amount=amount(places).fill_null(0))
        parts.append(_lines(summed, component, limits.step(component, name)))
        left = summed.with_columns(net=pl.col("net") + pl.col("line_amount")).drop(
            "so_far", "limit_so_far"
        )
    known = left.select("charge_id", changed="net", goes_back="unused")
    joined = charges.join(known, on="charge_id", how="left", maintain_order="left")
    net, unused = pl.coalesce("changed", "net"), pl.coalesce("goes_back", "unused")
    told = joined.with_columns(net=net, unused=unused).drop("changed", "goes_back")
    return told, pl.concat(parts)


def _discounted(
    charges: pl.DataFrame, terms: pl.DataFrame, places: Places
) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    order = discounts.ranked(
        listed(terms.select("modifiers", "discounts"), "discounts"), "modifiers"
    )
    if order.is_empty():
        return charges, []
    left = discounts.applied(charges, order.drop("items", "place"), places)
    told = left.with_columns(line_amount=-pl.col("discounted"))
    return left.drop("discounted", "told"), [
        _lines(told, "discount", pl.col("told").str.strip_chars_end(","))
    ]


def _lines(charges: pl.DataFrame, component: str, step: pl.Expr) -> pl.DataFrame:
    text = pl.format(f"{TEXTS[component]}: {{}}", "item_description")
    return made(
        charges,
        component,
        dimensions=pl.lit("{}"),
        item_description=text,
        steps=pl.format("[{}]", step),
    )
