"""Commitments as they burn down: what is committed, used, left, and to be expected."""

from datetime import date

import polars as pl

from meterhouse.money import AMOUNT
from meterhouse.pricing.modifiers.contract_commitments import due_on, spans
from meterhouse.pricing.modifiers.contract_terms import contract_terms
from meterhouse.pricing.modifiers.grants import SALES
from meterhouse.pricing.modifiers.lines import to_places
from meterhouse.pricing.modifiers.spans import days_between
from meterhouse.pricing.modifiers.terms import zero
from meterhouse.pricing.modifiers.used_before import with_used_before

COLUMNS: dict[str, pl.DataType | type[pl.DataType]] = {
    "contract_id": pl.String,
    "commitment_id": pl.String,
    "period": pl.String,
    "span_start_on": pl.Date,
    "span_end_on": pl.Date,
    "currency": pl.String,
    "committed": AMOUNT,
    "used": AMOUNT,
    "remaining": AMOUNT,
    "projected": AMOUNT,
    "is_over": pl.Boolean,
}
_OWN = ("usage", "fee")
# None pays a commitment: they come after it, or are bought beside it.
_AFTER = ["credit", "voucher", "service_fee", *SALES]


def burn_down(lines: pl.DataFrame, contracts: pl.DataFrame, through: date) -> pl.DataFrame:
    """One row per commitment of a contract and span that has begun, columns of COLUMNS.

    `lines` are the desired ones, `contracts` those of `charge_lines`. `projected` goes on as the
    days that are charged so far; the windows of a minimum or a commitment by window are no spans.
    """
    terms = contract_terms(contracts).commitments
    ranks = terms.select("contract_id", item_id="id", made_by="rank")
    charges = _charges(lines).join(ranks, on=["contract_id", "item_id"], how="left")
    found = [pl.DataFrame(schema=COLUMNS)]
    longer = terms.filter(pl.col("period") != "window")
    for rank in sorted(longer["rank"].unique().to_list()):
        # What this commitment and later ones charge does not count for it.
        earlier = charges.filter(pl.col("made_by").is_null() | (pl.col("made_by") < rank))
        one = longer.filter(pl.col("rank") == rank)
        found.append(_told(spans(with_used_before(earlier, one), to_places), through))
    return pl.concat(found).sort("contract_id", "commitment_id", "span_start_on")


def _charges(lines: pl.DataFrame) -> pl.DataFrame:
    """The lines as charges of their items, gross without what modifiers make of them."""
    is_part = (pl.col("component") == "discount") & (pl.col("dimensions") != "{}")
    item = pl.when(is_part).then(pl.col("dimensions").str.json_path_match("$.item"))
    own = pl.when(pl.col("component").is_in(_OWN)).then("amount").otherwise(zero())
    return lines.filter(~pl.col("component").is_in(_AFTER)).with_columns(
        item_id=item.otherwise("item_id"),
        charge_id="window_id",
        based_on="window_id",
        gross=own,
        net="amount",
        share_numerator=pl.lit(1),
        share_denominator=pl.lit(1),
        period_start_on="window_start_on",
        period_end_on="window_end_on",
        is_late=pl.col("window_end_seconds") > 0,
    ).drop("amount", "component")  # fmt: skip


def _told(found: pl.DataFrame, through: date) -> pl.DataFrame:
    has_begun = (pl.col("cut_open") <= through) | (pl.col("counted") != 0)
    behind = pl.col("counted") - pl.col("ahead")
    ahead = _gone_on(pl.col("ahead"), "ahead_to") + _gone_on(behind, "behind_to")
    return (
        found.filter(has_begun)
        .with_columns(
            commitment_id="id",
            span_start_on="cut_open",
            span_end_on="cut_close",
            committed="owed",
            used="counted",
            remaining="line_amount",
            projected=to_places(ahead),
            is_over=due_on() <= through,
        )
        .select(pl.col(name).cast(kind) for name, kind in COLUMNS.items())
    )


def _gone_on(counted: pl.Expr, reaches_to: str) -> pl.Expr:
    """What a span comes to if all of its days cost what those did that are charged so far."""
    to = pl.min_horizontal(reaches_to, "cut_close")
    gone = (to - pl.col("cut_open")).dt.total_days().clip(1).cast(AMOUNT)
    # exact: a forecast, never billed; rounded once, at the end.
    return (counted * days_between("cut_open", "cut_close") / gone).fill_null(counted)
