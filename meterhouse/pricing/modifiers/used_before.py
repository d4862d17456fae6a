"""What the system before had counted for a commitment, or taken off by a discount, at the cut-over.

`used` of a contract is a list of kind (`commitment` or `discount`), id, from_on, until_on (the
cut-over) and amount, or null: most contracts were never billed elsewhere.
"""

import polars as pl

from meterhouse.money import AMOUNT
from meterhouse.pricing.modifiers.terms import zero

_FIELDS: dict[str, pl.DataType | type[pl.DataType]] = {
    "kind": pl.String,
    "id": pl.String,
    "from_on": pl.Date,
    "until_on": pl.Date,
    "amount": AMOUNT,
}
USED = {"used": pl.lit(None, pl.List(pl.Struct(_FIELDS)))}


def with_used_before(charges: pl.DataFrame, one: pl.DataFrame) -> pl.DataFrame:
    """The charges of each contract with its commitment, and what was counted for it before as one
    charge more, which no line is made of."""
    joined = charges.join(one.drop("used"), on="contract_id")
    before = _used(one, "commitment")
    if before.is_empty():
        return joined
    rows = before.with_columns(
        item_id=pl.coalesce(pl.col("items").list.first(), "id"),
        charge_id=pl.format("before|{}", "id"),
        timing=pl.lit("arrears"),
        # What is in arrears counts where it ends: on the last day before the cut-over.
        window_start_on="used_from_on",
        window_end_on="used_until_on",
        due_on="used_until_on",
        share_numerator=pl.lit(0),
        share_denominator=pl.lit(1),
        is_late=pl.lit(value=False),
        gross="used_amount",
        net="used_amount",
        unused=zero(),
    )
    told = (
        (pl.col(name) if name in rows.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in joined.schema.items()
    )
    return pl.concat([rows.select(told), joined])


def less_used(discounts: pl.DataFrame) -> pl.DataFrame:
    """Discounts of contracts with `cap_total` less what was taken off before the cut-over."""
    before = (
        _used(discounts, "discount")
        .group_by("contract_id", "id")
        .agg(used_amount=pl.col("used_amount").sum())
    )
    left = discounts.drop("used").join(
        before, on=["contract_id", "id"], how="left", maintain_order="left"
    )
    rest = pl.col("cap_total") - pl.col("used_amount").fill_null(zero())
    total = pl.when(pl.col("cap_total").is_not_null()).then(pl.max_horizontal(rest, zero()))
    return left.with_columns(cap_total=total.cast(AMOUNT)).drop("used_amount")


def _used(terms: pl.DataFrame, kind: str) -> pl.DataFrame:
    """The terms with used_kind, used_from_on, ...: a row for each use of one of this kind."""
    told = terms.filter(pl.col("used").list.len() > 0).explode(
        "used", empty_as_null=False, keep_nulls=False
    )
    fields = (pl.col("used").struct.field(name).alias(f"used_{name}") for name in _FIELDS)
    return told.with_columns(*fields).filter(
        pl.col("used_kind") == kind, pl.col("used_id") == pl.col("id")
    )
