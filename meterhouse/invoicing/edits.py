"""What people change of drafts: applied anew whenever drafts are made, until they are issued.

An edit never changes what a line was rated at. Money is moved by a line of its own beside the line
that was edited, so that desired less billed stays exact: what was issued of it stays, whatever runs
correct of the edited line later.
"""

import polars as pl

from meterhouse.canonical_columns import object_of, string
from meterhouse.invoicing.by_hand import ADJUSTMENT
from meterhouse.money import AMOUNT, rounded

MONEY = ("amount", "discount", "percent", "quantity", "waive")
HEADER = ("note", "purchase_order", "due_on")
GROUP = ("payer_id", "entity_id", "currency", "terms_id", "for_contract", "boundary_on")
# One row per edit that is neither issued nor withdrawn nor replaced by a newer one of its kind:
# `op` one of MONEY or HEADER, 'description' or 'add'; `value` as text; `key` of the line it makes;
# `draft_id` where it was made. For 'add' also the line and the document that it belongs to.
EDITS: dict[str, pl.DataType | type[pl.DataType]] = {
    **dict.fromkeys(
        ("edit_id", "op", "draft_id", "line_key", "value", "text", "key", "contract_id",
         "customer_id", "zone", "payer_id", "entity_id", "currency", "terms_id", "for_contract"),
        pl.String,
    ),
    **dict.fromkeys(("boundary_on", "from_on", "until_on"), pl.Date),
    **dict.fromkeys(("starts_at", "ends_at"), pl.Datetime("us", "UTC")),
}  # fmt: skip
ORPHANED = (
    "Edit {} is orphaned: the line it changes is no longer on this draft. Withdraw it, or move it "
    "to another line: `meterhouse invoices edit`."
)


def edited(lines: pl.DataFrame, edits: pl.DataFrame) -> pl.DataFrame:
    """The gathered lines (columns.LINE and for_contract) with what edits change and add."""
    if edits.is_empty():
        return lines
    told = edits.filter(pl.col("op") == "description").select("line_key", _told="text")
    renamed = lines.join(told, on="line_key", how="left", maintain_order="left").with_columns(
        item_description=pl.coalesce("_told", "item_description")
    )
    made = [renamed.drop("_told"), adjustments(lines, edits), _added(lines, edits)]
    return pl.concat([frame.select(lines.columns) for frame in made])


def adjustments(lines: pl.DataFrame, edits: pl.DataFrame) -> pl.DataFrame:
    """One line per edit of money whose line is there: from what it comes to, to what it should."""
    asked = edits.filter(pl.col("op").is_in(MONEY)).select(
        "line_key", "edit_id", "op", "text", value="value", _key="key"
    )
    joined = lines.join(asked, on="line_key", how="inner", maintain_order="left")
    moved = joined.with_columns(_moved=(_wanted() - pl.col("amount")).cast(AMOUNT))
    price = object_of(
        {
            "edit": string(pl.col("edit_id")),
            "model": string(pl.lit(ADJUSTMENT)),
            "of_line": string(pl.col("line_key")),
        }
    )
    named = pl.coalesce("text", pl.format("Adjustment: {}", "item_description"))
    return (
        moved.filter(pl.col("_moved") != 0)
        .with_columns(price=price, item_description=named)
        .with_columns(*_own(pl.col("_moved")))
        .select(lines.columns)
    )


def _own(amount: pl.Expr) -> list[pl.Expr]:
    """What a line that people made says of itself."""
    nothing = pl.lit(None)
    return [
        pl.col("_key").alias("line_key"),
        # Of its own, so that no window has it twice.
        pl.col("_key").alias("window_id"),
        *(pl.lit(ADJUSTMENT).alias(name) for name in ("role", "component", "price_model")),
        *(amount.cast(AMOUNT).alias(n) for n in ("amount", "amount_unrounded", "desired_amount")),
        pl.lit(0, AMOUNT).alias("already_billed"),
        pl.lit("[]").alias("steps"),
        pl.lit(0).cast(pl.Decimal(38, 12)).alias("quantity"),
        nothing.cast(pl.String).alias("determinant_id"),
        nothing.cast(pl.String).alias("meter_id"),
        nothing.cast(pl.Int64).alias("meter_version"),
        nothing.cast(pl.String).alias("reason"),
    ]


def _wanted() -> pl.Expr:
    """What a line should come to."""
    amount, value = pl.col("amount").cast(AMOUNT), pl.col("value").cast(AMOUNT)
    op, currency = pl.col("op"), pl.col("currency")
    off = rounded((amount * value).cast(AMOUNT), currency)
    product = (pl.col("amount_unrounded") * value).cast(AMOUNT)
    # exact: divided once, last; a quotient on half of the smallest unit is finite and stays on it.
    again = product / pl.col("quantity").cast(AMOUNT)
    return (
        pl.when(op == "amount")
        .then(value)
        .when(op == "discount")
        .then(amount - value)
        .when(op == "percent")
        .then(amount - off)
        .when((op == "quantity") & (pl.col("quantity") != 0))
        .then(rounded(again.cast(AMOUNT), currency))
        .when(op == "waive")
        .then(pl.lit(0, AMOUNT))
        .otherwise(amount)
    )


def _added(lines: pl.DataFrame, edits: pl.DataFrame) -> pl.DataFrame:
    """The lines that were added to documents that are still there."""
    there = lines.select(GROUP).unique()
    asked = edits.filter(pl.col("op") == "add").join(
        there, on=GROUP, how="semi", nulls_equal=True, maintain_order="left"
    )
    price = object_of({"edit": string(pl.col("edit_id")), "model": string(pl.lit(ADJUSTMENT))})
    made = asked.with_columns(
        _key="key",
        item_id=pl.lit(ADJUSTMENT),
        item_description="text",
        dimensions=pl.lit("{}"),
        timing=pl.lit("arrears"),
        price=price,
        window_start_on="from_on",
        window_end_on="until_on",
        window_start="starts_at",
        window_end="ends_at",
        period_start_on="from_on",
        period_end_on="until_on",
        served_end_on="until_on",
        due_on="boundary_on",
        is_correction=pl.lit(value=False),
    ).with_columns(*_own(pl.col("value").cast(AMOUNT)))
    return made.select(
        (pl.col(name) if name in made.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in lines.schema.items()
    )


def with_header(heads: pl.DataFrame, edits: pl.DataFrame) -> pl.DataFrame:
    """The drafts with the header fields that people set; with `note` where there are any edits."""
    if edits.is_empty():
        return heads
    told = edits.filter(pl.col("op").is_in(HEADER))
    wide = heads.select("draft_id")
    for op in HEADER:
        own = told.filter(pl.col("op") == op).select("draft_id", pl.col("value").alias(f"_{op}"))
        wide = wide.join(own, on="draft_id", how="left")
    return (
        heads.join(wide, on="draft_id", how="left", maintain_order="left")
        .with_columns(
            purchase_order=pl.coalesce("_purchase_order", "purchase_order"),
            due_date=pl.coalesce(pl.col("_due_on").str.to_date("%Y-%m-%d"), "due_date"),
            note="_note",
        )
        .drop(f"_{op}" for op in HEADER)
    )


def orphans(lines: pl.DataFrame, edits: pl.DataFrame) -> pl.DataFrame:
    """edit_id and draft_id of edits whose line (or document) is not among the lines."""
    of_lines = edits.filter(pl.col("op").is_in([*MONEY, "description"]))
    gone = of_lines.join(lines, on="line_key", how="anti")
    added = edits.filter(pl.col("op") == "add")
    lost = added.join(lines, on=GROUP, how="anti", nulls_equal=True)
    return pl.concat([frame.select("edit_id", "draft_id") for frame in (gone, lost)])


def with_orphans(heads: pl.DataFrame, lost: pl.DataFrame) -> pl.DataFrame:
    """The drafts, of which those that orphaned edits were made on are blocked with a sentence."""
    if lost.is_empty():
        return heads
    said = (
        lost.sort("edit_id")
        .with_columns(said=pl.format(ORPHANED, pl.col("edit_id").str.head(8)))
        .group_by("draft_id", maintain_order=True)
        .agg(_said=pl.col("said").str.join(" "))
    )
    why = pl.concat_str(["blocked_reason", "_said"], separator=" ", ignore_nulls=True)
    return (
        heads.join(said, on="draft_id", how="left", maintain_order="left")
        .with_columns(
            blocked_reason=pl.when(pl.col("_said").is_not_null())
            .then(why)
            .otherwise("blocked_reason"),
            is_blocked=pl.col("is_blocked") | pl.col("_said").is_not_null(),
        )
        .drop("_said")
    )
