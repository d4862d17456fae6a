"""The service fee: a share of the net of a boundary or an amount, spread over its charges."""

import polars as pl

from meterhouse.pricing.modifiers.contract_discounts import BOUNDARY, about, spread
from meterhouse.pricing.modifiers.lines import Places, made
from meterhouse.pricing.modifiers.terms import zero
from meterhouse.pricing.steps import or_null, spelled, text


def service_fees(charges: pl.DataFrame, terms: pl.DataFrame, places: Places) -> list[pl.DataFrame]:
    """The lines of the service fee; the net of a boundary that is not above zero has no share."""
    if terms.is_empty():
        return []
    weighed = charges.join(terms, on="contract_id").with_columns(
        weight=pl.max_horizontal("net", zero())
    )
    base = weighed.group_by(BOUNDARY).agg(
        pl.col("percentage", "amount", "currency").first(), base=pl.col("net").sum()
    )
    of = pl.max_horizontal("base", zero())
    fee = places(pl.coalesce(pl.col("percentage") * of, "amount"))
    totals = base.with_columns(total=fee).select(*BOUNDARY, "base", "total")
    return [_lines(spread(weighed.join(totals, on=BOUNDARY), "weight"))]


def _lines(parts: pl.DataFrame) -> pl.DataFrame:
    step = spelled(
        "service_fee",
        amount=text(pl.col("share")),
        fixed=or_null(text(pl.col("amount"))),
        id=pl.col("id"),
        of=text(pl.col("net")),
        of_all=text(pl.col("base")),
        percentage=or_null(text(pl.col("percentage"))),
        total=text(pl.col("total")),
    )
    told = parts.with_columns(step=step, line_amount=pl.col("share")).drop("amount")
    return made(
        told,
        "service_fee",
        item_id=pl.col("id"),
        dimensions=about("item_id"),
        item_description=pl.format("{}: {}", "description", "item_description"),
        steps=pl.format("[{}]", "step"),
    )
