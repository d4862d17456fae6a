"""The modifiers of contracts as tables: one row per contract and discount, commitment, credit."""

from typing import NamedTuple

import polars as pl

from meterhouse.money import AMOUNT
from meterhouse.pricing.modifiers.discounts import ranked
from meterhouse.pricing.modifiers.grants import grants_of
from meterhouse.pricing.modifiers.renewed import RAISES, TERM_ENDS, with_term_ends
from meterhouse.pricing.modifiers.terms import CONTRACT, amounts, days, decoded, listed
from meterhouse.pricing.modifiers.used_before import USED, less_used

MINIMUM = "minimum"
# When a contract is billed, if not when something is due.
DAYS = {"due_after_days": pl.lit(0, pl.Int64), "invoice_day": pl.lit(None, pl.Int64)}
# How the parts of a period are counted, where the profile says it; see contracts/profile.py.
PROFILE = {
    "day_count": pl.lit(None, pl.String),
    "fixed_days": pl.lit(None, pl.Int64),
    "factor_scale": pl.lit(None, pl.String),
    "profile_prorate_end": pl.lit(None, pl.String),
}
# The days from and until which it is paused; nothing is refilled on them.
PAUSED = {"paused": pl.lit(None, pl.List(pl.Struct({"from_on": pl.Date, "until_on": pl.Date})))}
TERMED = (TERM_ENDS, RAISES)


class Terms(NamedTuple):
    """Each has contract_id and `rank` from 0 among those of its contract; `fees` one row each and
    `credits` one row per grant, columns of grants.TERMS."""

    pools: pl.DataFrame
    discounts: pl.DataFrame
    commitments: pl.DataFrame
    credits: pl.DataFrame
    fees: pl.DataFrame


def contract_terms(contracts: pl.DataFrame) -> Terms:
    """`contracts` has one row per contract: contract_id, modifiers, start_on, end_on; those
    that were renewed may have term_ends, the days on which their terms end."""
    modified = with_term_ends(contracts.filter(pl.col("modifiers").is_not_null()))
    fields = decoded(modified["modifiers"], CONTRACT)
    lives = _with_days(modified).select(
        "contract_id", "modifiers", "start_on", "end_on", *TERMED, *DAYS, *PROFILE, *PAUSED, *USED
    )
    terms = lives.join(fields, on="modifiers", how="left")
    life = ("contract_id", "start_on", "end_on", *TERMED)
    return Terms(
        pools=_pools(terms, life),
        discounts=less_used(
            ranked(
                listed(terms.select("contract_id", RAISES, *USED, "discounts"), "discounts"),
                "contract_id",
            )
        ),
        commitments=_commitments(terms, (*life, *DAYS, *USED)),
        credits=grants_of(listed(terms.select(*life, *PAUSED, "credits"), "credits")),
        fees=_fees(terms, (*life, *DAYS, *PROFILE)),
    )


def _fees(terms: pl.DataFrame, life: tuple[str, ...]) -> pl.DataFrame:
    """The service fees, with what a commitment says beside its amount, so that spans count them."""
    nothing = pl.lit(None, dtype=pl.String)
    return (
        terms.filter(pl.col("service_fee").is_not_null())
        .select(*life, "service_fee")
        .unnest("service_fee")
        .with_columns(
            *amounts("percentage", "amount", "cap", "minimum"),
            period=pl.col("period").fill_null("window"),
            prorate=pl.col("prorate").fill_null(value=True),
            start=pl.lit(None, dtype=pl.Date),
            until=pl.lit(None, dtype=pl.Date),
            amounts=pl.lit(None, dtype=pl.List(AMOUNT)),
            items=pl.lit(None, dtype=pl.List(pl.String)),
            counts=pl.lit("net"),
            true_up="description",
            component=nothing,
        )
    )


def _with_days(contracts: pl.DataFrame) -> pl.DataFrame:
    """The contracts with when they are billed and how counted, where they do not say it."""
    known = DAYS | PROFILE | PAUSED | USED
    missing = {name: given for name, given in known.items() if name not in contracts.columns}
    return contracts.with_columns(**missing)


def _pools(terms: pl.DataFrame, life: tuple[str, ...]) -> pl.DataFrame:
    shared = listed(terms.select(*life, "pools"), "pools")
    return _ranked(
        shared.sort("contract_id", "place").with_columns(*amounts("quantity"), *days("start"))
    )


def _commitments(terms: pl.DataFrame, life: tuple[str, ...]) -> pl.DataFrame:
    """The minimum of the contract is a commitment of every period with a name of its own."""
    given = listed(terms.select(*life, "commitments"), "commitments").with_columns(
        component=pl.lit("true_up")
    )
    nothing = pl.lit(None, dtype=pl.String)
    least = (
        terms.filter(pl.col("minimum").is_not_null())
        .select(*life, "minimum")
        .unnest("minimum")
        .with_columns(
            id=pl.lit(MINIMUM),
            period=pl.col("period").fill_null("window"),
            start=nothing,
            until=nothing,
            counts=pl.lit("net"),
            true_up=pl.lit("Increased to the minimum"),
            items=pl.lit(None, dtype=pl.List(pl.String)),
            amounts=pl.lit(None, dtype=pl.List(pl.String)),
            component=pl.lit("minimum"),
            place=pl.lit(-1, dtype=pl.Int64),
        )
    )
    both = pl.concat([least.select(given.columns), given], how="vertical_relaxed")
    return _ranked(
        both.sort("contract_id", "place").with_columns(
            *amounts("amount"),
            *days("start", "until"),
            amounts=pl.col("amounts").list.eval(pl.element().cast(AMOUNT)),
        )
    )


def _ranked(terms: pl.DataFrame) -> pl.DataFrame:
    return terms.with_columns(rank=pl.int_range(pl.len()).over("contract_id"))


def named(item: str) -> pl.Expr:
    """Whether the terms are for the item in column `item`: no list is all of them."""
    is_all = pl.col("items").list.len().fill_null(0) == 0
    return is_all | pl.col("items").list.contains(pl.col(item)).fill_null(value=False)


def gives_units(terms: Terms) -> bool:
    """Whether quantities are less by pools or grants of contracts."""
    return not terms.pools.is_empty() or "units" in terms.credits["unit"]


def nothing_given(terms: Terms) -> bool:
    """Whether there are no terms at all."""
    return all(table.is_empty() for table in terms)
