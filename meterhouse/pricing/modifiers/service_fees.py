"""The service fee: a share of the net of a boundary, or an amount for a period of its own."""

from datetime import date

import polars as pl

from meterhouse.invoicing.allocation import allocated
from meterhouse.money import AMOUNT
from meterhouse.pricing.modifiers.contract_commitments import due_on, spans
from meterhouse.pricing.modifiers.contract_discounts import BOUNDARY, about, spread, with_places
from meterhouse.pricing.modifiers.contract_terms import PROFILE
from meterhouse.pricing.modifiers.counted import SPAN, placed
from meterhouse.pricing.modifiers.fee_periods import by_profile, of_periods
from meterhouse.pricing.modifiers.lines import Places, made
from meterhouse.pricing.modifiers.terms import zero
from meterhouse.pricing.steps import Json, or_null, spelled, text


def service_fees(
    charges: pl.DataFrame, terms: pl.DataFrame, places: Places, through: date
) -> list[pl.DataFrame]:
    """The lines of the service fee; the net of a boundary that is not above zero has no share.

    A share is spread over the charges of its boundary; a fixed amount, and what shares are short of
    the least of their period, are lines of the contract as a whole.
    """
    if terms.is_empty():
        return []
    fees = terms.rename({"amount": "fixed"})
    of = of_periods(charges).join(fees, on="contract_id")
    shares = _shares(of.filter(pl.col("percentage").is_not_null()), places)
    fixed = of.filter(pl.col("fixed").is_not_null()).with_columns(net=zero(), amount="fixed")
    least = shares.filter(pl.col("minimum").is_not_null()).with_columns(
        net="share", amount="minimum"
    )
    return [_lines(shares), _fixed(fixed, places, through), _least(least, places, through)]


def _shares(of: pl.DataFrame, places: Places) -> pl.DataFrame:
    """One row per charge with `share`, its part of the fee of its boundary, and where that has a
    cap for each period `limit`, the most of it."""
    weighed = of.with_columns(weight=pl.max_horizontal("net", zero()))
    base = weighed.group_by(BOUNDARY).agg(
        pl.col("percentage", "currency").first(), base=pl.col("net").sum()
    )
    fee = places(pl.col("percentage") * pl.max_horizontal("base", zero()))
    totals = base.with_columns(total=fee).select(*BOUNDARY, "base", "total")
    shares = spread(weighed.join(totals, on=BOUNDARY), "weight")
    free = shares.filter(pl.col("cap").is_null()).with_columns(limit=pl.lit(None, AMOUNT))
    capped = shares.filter(pl.col("cap").is_not_null()).with_columns(amount="cap")
    if capped.is_empty():
        return free
    return pl.concat([free, _capped(capped, places).select(free.columns)])


def _capped(shares: pl.DataFrame, places: Places) -> pl.DataFrame:
    """The shares cut to what is left of the cap of their period, boundary by boundary."""
    limits = spans(shares, places, by_profile, tuple(PROFILE)).select(*SPAN, limit="owed")
    held = placed(shares).join(limits, on=SPAN, nulls_equal=True)
    part = (*SPAN, "due_on")
    asked = held.group_by(part).agg(pl.col("limit").first(), asked=pl.col("share").sum())
    so_far = pl.col("asked").cum_sum().over(*SPAN, order_by="due_on")
    before = so_far - pl.col("asked")
    left = pl.min_horizontal(so_far, "limit") - pl.min_horizontal(before, "limit")
    cut = asked.with_columns(most=left).select(*part, "most")
    weighed = with_places(held.join(cut, on=part, nulls_equal=True))
    cuts = allocated(weighed, by=part, amount="most", weight="share", into="kept")
    return cuts.with_columns(share="kept")


def _lines(parts: pl.DataFrame) -> pl.DataFrame:
    told: dict[str, pl.Expr | Json] = {
        "amount": text(pl.col("share")),
        "fixed": or_null(text(pl.col("fixed"))),
        "id": pl.col("id"),
        "of": text(pl.col("net")),
        "of_all": text(pl.col("base")),
        "percentage": or_null(text(pl.col("percentage"))),
        "total": text(pl.col("total")),
    }
    capped: dict[str, pl.Expr | Json] = {"cap": text(pl.col("cap")), "limit": text(pl.col("limit"))}
    step = (
        pl.when(pl.col("cap").is_null())
        .then(spelled("service_fee", **told))
        .otherwise(spelled("service_fee", **told, **capped))
    )
    return made(
        parts.with_columns(step=step, line_amount=pl.col("share")),
        "service_fee",
        item_id=pl.col("id"),
        dimensions=about("item_id"),
        item_description=pl.format("{}: {}", "description", "item_description"),
        steps=pl.format("[{}]", "step"),
    )


def _fixed(of: pl.DataFrame, places: Places, through: date) -> pl.DataFrame:
    """One line for each period of which something is due: with the first that is due of it."""
    found = spans(of, places, by_profile, tuple(PROFILE)).with_columns(due_on="first_due_on")
    due = found.filter(pl.col("due_on") <= through)
    is_ahead = pl.col("due_on") < pl.col("cut_close")
    timing = pl.when(is_ahead).then(pl.lit("advance")).otherwise(pl.lit("arrears"))
    return _own(due.with_columns(timing=timing), fixed=text(pl.col("amount")))


def _least(shares: pl.DataFrame, places: Places, through: date) -> pl.DataFrame:
    """What the shares of a period that is over are short of their least."""
    found = spans(shares, places, by_profile, tuple(PROFILE)).with_columns(due_on=due_on())
    due = found.filter(pl.col("due_on") <= through, pl.col("counted") < pl.col("owed"))
    told = pl.format("{}: increased to the minimum", "true_up")
    return _own(
        due.with_columns(timing=pl.lit("arrears"), true_up=told), minimum=text(pl.col("amount"))
    )


def _own(found: pl.DataFrame, **full: pl.Expr | Json) -> pl.DataFrame:
    """The lines of spans: of the contract as a whole, with their own days."""
    step = spelled(
        "service_fee",
        amount=text(pl.col("line_amount")),
        id=pl.col("id"),
        of=text(pl.col("counted")),
        owed=text(pl.col("owed")),
        period=pl.col("period"),
        **full,
    )
    return made(
        found.with_columns(step=step).drop("amount"),
        "service_fee",
        item_id=pl.col("id"),
        dimensions=pl.lit("{}"),
        item_description=pl.col("true_up"),
        window_start_on=pl.col("cut_open"),
        window_end_on=pl.col("cut_close"),
        steps=pl.format("[{}]", "step"),
    )
