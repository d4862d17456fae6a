"""The columns of a line to bill, and its key."""

import polars as pl

from meterhouse.canonical_columns import array_of, day, short_sha256, string
from meterhouse.money import AMOUNT, QUANTITY

KEY = (
    "contract_id",
    "item_id",
    "component",
    "dimensions",
    "payer_id",
    "currency",
    "window_start_on",
    "window_end_on",
    "role",
)

# The window, as contracts cut it.
WINDOW: dict[str, pl.DataType | type[pl.DataType]] = {
    "window_id": pl.String,
    "contract_id": pl.String,
    "version_seq": pl.Int64,
    "customer_id": pl.String,
    "payer_id": pl.String,
    "entity_id": pl.String,
    "currency": pl.String,
    "zone": pl.String,
    "terms_id": pl.String,
    "purchase_order": pl.String,
    "item_id": pl.String,
    "item_description": pl.String,
    "component": pl.String,
    "dimensions": pl.String,
    "timing": pl.String,
    "meter_id": pl.String,
    "meter_version": pl.Int64,
    "price_model": pl.String,
    "price": pl.String,
    "fixed_quantity": QUANTITY,
    "prorate_start": pl.Boolean,
    "prorate_end": pl.Boolean,
    "window_start_on": pl.Date,
    "window_end_on": pl.Date,
    "window_start": pl.Datetime("us", "UTC"),
    "window_end": pl.Datetime("us", "UTC"),
    "period_start_on": pl.Date,
    "period_end_on": pl.Date,
    "due_on": pl.Date,
    "served_end_on": pl.Date,
}

# One row per line to bill: the window, what it should cost, what was billed, the difference.
LINE: dict[str, pl.DataType | type[pl.DataType]] = {
    "line_key": pl.String,
    "role": pl.String,
    **WINDOW,
    "determinant_id": pl.String,
    "quantity": QUANTITY,
    "amount_unrounded": AMOUNT,
    "steps": pl.String,
    "desired_amount": AMOUNT,
    "already_billed": AMOUNT,
    "amount": AMOUNT,
    "is_correction": pl.Boolean,
    "original_number": pl.String,
    "original_invoice_date": pl.Date,
    "reason": pl.String,
    "cause": pl.String,
    "boundary_on": pl.Date,
}


def with_line_key(windows: pl.DataFrame) -> pl.DataFrame:
    """The windows with `role` (their component) and `line_key` (32 hex digits)."""
    keyed = windows.with_columns(role=pl.col("component"))
    dates = {"window_start_on", "window_end_on"}
    parts = [day(pl.col(name)) if name in dates else string(pl.col(name)) for name in KEY]
    texts = keyed.select(line_key=array_of(*parts)).to_series()
    return keyed.with_columns(short_sha256(texts))


def select_line(frame: pl.DataFrame) -> pl.DataFrame:
    """The columns of LINE in order and type; a column the frame lacks is null."""
    present = frame.columns
    return frame.select(
        (pl.col(name) if name in present else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in LINE.items()
    )
