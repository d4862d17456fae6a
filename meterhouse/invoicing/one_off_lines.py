"""The lines of one-off invoices, as a run bills them beside those of contracts."""

import polars as pl

from meterhouse.canonical_columns import array_of, integer, short_sha256, string
from meterhouse.invoicing.by_hand import ONE_OFF as ROLE
from meterhouse.invoicing.columns import select_line
from meterhouse.money import AMOUNT, rounded

# What stands in the place of a contract: no contract has an id with a colon.
PREFIX = "one-off:"
# One row per line: who, when and what, with `line_no` from 1 and the first instants of its days.
ASKED: dict[str, pl.DataType | type[pl.DataType]] = {
    **dict.fromkeys(
        ("one_off_id", "customer_id", "entity_id", "currency", "terms_id", "reference", "zone"),
        pl.String,
    ),
    "date": pl.Date,
    "line_no": pl.Int64,
    "description": pl.String,
    "quantity": AMOUNT,
    "unit_price": AMOUNT,
    "price": pl.String,
    "from_on": pl.Date,
    "until_on": pl.Date,
    "starts_at": pl.Datetime("us", "UTC"),
    "ends_at": pl.Datetime("us", "UTC"),
    "version_seq": pl.Int64,
}


def one_off_lines(asked: pl.DataFrame) -> pl.DataFrame:
    """Lines to bill (columns.LINE) of what was asked for (ASKED).

    What is served after the invoice's date is billed in advance: its revenue waits for the days.
    """
    contract = pl.concat_str([pl.lit(PREFIX), "one_off_id"])
    item = pl.format("line-{}", pl.col("line_no").cast(pl.String).str.zfill(3))
    key = array_of(string(pl.lit(ROLE)), string(pl.col("one_off_id")), integer(pl.col("line_no")))
    product = (pl.col("quantity") * pl.col("unit_price")).cast(AMOUNT)
    is_ahead = pl.col("until_on") > pl.col("date") + pl.duration(days=1)
    made = asked.with_columns(
        line_key=short_sha256(asked.select(key=key).to_series()),
        amount_unrounded=product,
        amount=rounded(product, pl.col("currency")),
    ).with_columns(
        role=pl.lit(ROLE),
        component=pl.lit(ROLE),
        dimensions=pl.lit("{}"),
        steps=pl.lit("[]"),
        price_model=pl.lit(ROLE),
        window_id="line_key",
        contract_id=contract,
        payer_id="customer_id",
        purchase_order="reference",
        item_id=item,
        item_description="description",
        timing=pl.when(is_ahead).then(pl.lit("advance")).otherwise(pl.lit("arrears")),
        window_start_on="from_on",
        window_end_on="until_on",
        window_start="starts_at",
        window_end="ends_at",
        period_start_on="from_on",
        period_end_on="until_on",
        served_end_on="until_on",
        due_on="date",
        boundary_on="date",
        desired_amount="amount",
        already_billed=pl.lit(0, AMOUNT),
        is_correction=pl.lit(value=False),
    )
    return select_line(made).sort("contract_id", "item_id")
