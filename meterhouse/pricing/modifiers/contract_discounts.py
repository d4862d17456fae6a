"""Discounts of a contract: on what its items cost at one boundary, spread over their lines."""

import polars as pl

from meterhouse.canonical_columns import object_of, string
from meterhouse.invoicing.allocation import allocated
from meterhouse.money import PLACES
from meterhouse.pricing.modifiers import discounts
from meterhouse.pricing.modifiers.contract_terms import named
from meterhouse.pricing.modifiers.lines import Places, made
from meterhouse.pricing.modifiers.renewed import RAISES, raised
from meterhouse.pricing.modifiers.unused import kept
from meterhouse.pricing.steps import or_null, spelled, text

BOUNDARY = ("contract_id", "due_on")


def contract_discounts(
    charges: pl.DataFrame, terms: pl.DataFrame, places: Places
) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """The charges with `net` after the discounts of their contracts, and the lines they make."""
    lines = []
    for one in discounts.by_rank(terms):
        joined = charges.join(one, on="contract_id", how="left", maintain_order="left")
        # What was billed and given back since still weighs: other lines keep their shares.
        joined = joined.with_columns(weight=pl.col("net") + pl.col("unused"))
        holds = discounts.holds("window_start_on") & named("item_id") & (pl.col("weight") > 0)
        of = joined.filter(pl.col("id").is_not_null() & holds)
        spread_out = spread(of.join(_totals(of, places), on=BOUNDARY), "weight").with_columns(
            given=pl.col("share"), share=kept(pl.col("share"), of.columns, places)
        )
        spread_out = spread_out.with_columns(line_amount=-pl.col("share"))
        lines.append(_lines(spread_out))
        charges = _less_unused(less(charges, spread_out), spread_out)
    return charges, lines


def _totals(of: pl.DataFrame, places: Places) -> pl.DataFrame:
    """One row per boundary: what the discount takes off it in all, in the order of time."""
    given = ("percentage", "off", "cap", "cap_total", "currency", RAISES)
    summed = of.group_by(BOUNDARY).agg(
        pl.col(given).first(),
        base=pl.col("weight").sum(),
        newest_on=pl.col("window_start_on").max(),
    )
    # A boundary at which a term ends and the next one begins is one of the next.
    base = raised(summed, "newest_on", "off", "cap")
    took = discounts.off(pl.col("base"), places, "contract_id")
    return base.sort(BOUNDARY).with_columns(total=took).select(*BOUNDARY, "base", "total")


def spread(charges: pl.DataFrame, weight: str) -> pl.DataFrame:
    """The charges with `share`: their parts of the `total` of their boundary."""
    return allocated(with_places(charges), by=BOUNDARY, amount="total", weight=weight).drop(
        "places"
    )


def with_places(charges: pl.DataFrame) -> pl.DataFrame:
    """The charges with the places of their currency."""
    places = pl.col("currency").replace_strict(dict(PLACES), return_dtype=pl.Int64)
    return charges.with_columns(places=places)


def less(charges: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """The charges with `net` less their parts' `share`."""
    known = parts.select("charge_id", "share")
    joined = charges.join(known, on="charge_id", how="left", maintain_order="left")
    net = pl.col("net") - pl.col("share").fill_null(0)
    return joined.with_columns(net=net).drop("share")


def _less_unused(charges: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """The charges with `unused` less what a discount makes it smaller by."""
    known = parts.select("charge_id", fewer=pl.col("given") - pl.col("share"))
    joined = charges.join(known, on="charge_id", how="left", maintain_order="left")
    unused = pl.col("unused") - pl.col("fewer").fill_null(0)
    return joined.with_columns(unused=unused).drop("fewer")


def about(item: str) -> pl.Expr:
    """The dimensions of a contract's line: the item that its part is of."""
    return object_of({"item": string(pl.col(item))})


def _lines(parts: pl.DataFrame) -> pl.DataFrame:
    step = spelled(
        "contract_discount",
        amount=text(pl.col("line_amount")),
        cap=or_null(text(pl.col("cap"))),
        cap_total=or_null(text(pl.col("cap_total"))),
        fixed=or_null(text(pl.col("off"))),
        id=pl.col("id"),
        of=text(pl.col("net")),
        of_all=text(pl.col("base")),
        percentage=or_null(text(pl.col("percentage"))),
        total=text(pl.col("total")),
    )
    return made(
        parts,
        "discount",
        item_id=pl.col("id"),
        dimensions=about("item_id"),
        item_description=pl.format(
            "{}: {}", pl.col("description").fill_null("Discount"), "item_description"
        ),
        steps=pl.format("[{}]", step),
    )
