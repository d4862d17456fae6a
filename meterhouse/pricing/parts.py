"""Parts of windows as rows, and the pieces of an amount put together again, for all who read them.

A window is known by `at`, its place among the windows given: joins by a number are faster than by
the text of its id.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from meterhouse.errors import UsageError
from meterhouse.money import AMOUNT
from meterhouse.pricing.steps import RATED, ZERO

NOUGHT = pl.lit(ZERO, dtype=AMOUNT)
# Where windows are known by a number, what people call them.
TOLD_ID = "told_id"
PIECES = pl.Schema({"at": pl.UInt32(), "place": pl.Int64(), "amount": AMOUNT, "step": pl.String()})


def documents(prices: pl.Series) -> tuple[pl.DataFrame, list[Mapping[str, Any]]]:
    """The distinct prices as a frame of price and price_no, and each document by that number.

    Books have few prices and many windows, so only distinct texts are read one by one.
    """
    texts = prices.unique(maintain_order=True)
    numbers = pl.DataFrame({"price": texts}).with_row_index("price_no")
    return numbers, [json.loads(text) for text in texts]


def placed(windows: pl.DataFrame, numbers: pl.DataFrame) -> pl.DataFrame:
    """The windows in their order: at, window_id, price_no and quantity."""
    return (
        windows.join(numbers, on="price", how="left", maintain_order="left")
        .select("window_id", "price_no", "quantity")
        .with_row_index("at")
    )


def rows_of(windows: pl.DataFrame, parts: pl.DataFrame, numbers: pl.DataFrame) -> pl.DataFrame:
    """One row per part in order: at, price_no, part_no, keys, quantity (AMOUNT), its weight.

    A window that has a quantity and no parts is refused: it would cost nothing, silently.
    """
    asked = placed(windows, numbers)
    blind = asked.join(parts, on="window_id", how="anti").filter(pl.col("quantity") > 0)
    if blind.height:
        raise UsageError(
            f"{blind.height} windows have a quantity but no parts, which their price is made for, "
            f"the first is {called(windows, blind['at'][0])!r}. Nothing was rated. Give the parts "
            "of these windows, or a price that needs one quantity only."
        )
    return (
        parts.join(asked.drop("quantity"), on="window_id", how="inner")
        .select(
            *("at", "price_no", "part_no", "keys"),
            quantity=pl.col("quantity").cast(AMOUNT),
            numerator="weight_numerator",
            denominator="weight_denominator",
        )
        .sort("at", "part_no")
    )


def called(windows: pl.DataFrame, at: int) -> str:
    """What people call the window at a place of these."""
    return str(windows[TOLD_ID if TOLD_ID in windows.columns else "window_id"][at])


def gathered(windows: pl.DataFrame, pieces: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """RATED of pieces with the columns of PIECES: per window their sum, and steps by place."""
    columns = [pl.col(name).cast(kind) for name, kind in PIECES.items()]
    together = (
        pl.concat([piece.select(columns) for piece in pieces])
        .sort("at", "place")
        .group_by("at", maintain_order=True)
        # Texts joined as lists: str.join takes three times as long on small groups.
        .agg(amount_unrounded=pl.col("amount").sum(), steps=pl.col("step"))
        .with_columns(pl.col("steps").list.join(","))
    )
    return (
        windows.select("window_id")
        .with_row_index("at")
        .join(together, on="at", how="left", maintain_order="left")
        .with_columns(
            pl.col("amount_unrounded").fill_null(NOUGHT),
            steps=pl.format("[{}]", pl.col("steps").fill_null("")),
        )
        .select(RATED)
    )
