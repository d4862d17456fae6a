"""Windowed commitment: each bucket costs its price up to a commitment, a factor more above it."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, localcontext
from typing import Any

import polars as pl

from meterhouse.money import AMOUNT
from meterhouse.pricing import cells, inner
from meterhouse.pricing import parts as parts_of
from meterhouse.pricing.matrix import keys_text, terms_of
from meterhouse.pricing.steps import EXACT, ZERO, Json, number, or_null, spelled, text


def charge(parts: Sequence[Mapping[str, Any]], price: Mapping[str, Any]) -> Decimal:
    """The unrounded charge. Slow and obvious: tests hold `rate` to it."""
    wanted = [cell["keys"] for cell in price["cells"]]
    total = ZERO
    with localcontext(EXACT):
        for part in parts:
            cell = cells.cell_of(cells.read(part.get("keys", "{}")), wanted)
            terms = price["default"] if cell is None else price["cells"][cell]
            total += _bucket(Decimal(part["quantity"]), terms)
    return total


def _bucket(quantity: Decimal, terms: Mapping[str, Any]) -> Decimal:
    cost, commitment = inner.charge(quantity, terms["price"]), committed(terms)
    if commitment is None:
        return cost
    if cost < commitment:
        return commitment if terms["true_up"] else cost
    return commitment + (cost - commitment) * Decimal(terms["overage_factor"])


def committed(terms: Mapping[str, Any]) -> Decimal | None:
    """What is committed for a bucket as an amount; units are valued at the terms' own price."""
    if terms["commitment_amount"] is not None:
        return Decimal(terms["commitment_amount"])
    if terms["commitment_quantity"] is None:
        return None
    return inner.charge(Decimal(terms["commitment_quantity"]), terms["price"])


def rate(windows: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """One row per window: window_id, amount_unrounded and steps (one per bucket)."""
    numbers, prices = parts_of.documents(windows["price"])
    rows = parts_of.rows_of(windows, parts, numbers)
    wanted = [[cell["keys"] for cell in price["cells"]] for price in prices]
    lots = (
        cells.chosen(rows, wanted)
        .with_columns(pl.col("cell_no").fill_null(-1))
        .join(_terms(prices), on=["price_no", "cell_no"], how="left", maintain_order="left")
        .with_columns(number("commitment"), number("factor"))
    )
    gap = pl.col("cost") - pl.col("commitment")
    pieces = (
        inner.rated(lots)
        .rename({"amount": "cost"})
        .with_columns(
            excess=pl.when(gap > 0).then(gap).otherwise(parts_of.NOUGHT),
            lifted=pl.when((gap < 0) & pl.col("true_up")).then(-gap).otherwise(parts_of.NOUGHT),
        )
        .with_columns(
            amount=pl.col("cost")
            - pl.col("excess")
            + pl.col("excess") * pl.col("factor")
            + pl.col("lifted")
        )
        .with_columns(place="part_no", step=_step())
    )
    return parts_of.gathered(windows, [pieces])


def _terms(prices: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """One row per price and cell; the default is numbered -1."""
    rows = []
    for price_no, price in enumerate(prices):
        for cell_no, cell in enumerate([price["default"], *price["cells"]], start=-1):
            commitment = committed(cell)
            said = (None if commitment is None else format(commitment, "f"), cell["overage_factor"])
            keys = keys_text(cell["keys"]) if cell_no >= 0 else "null"
            rows.append((price_no, cell_no, *terms_of(cell["price"]), *said, cell["true_up"], keys))
    texts = dict.fromkeys(("inner_model", "inner", "commitment", "factor"), pl.String)
    schema = {"price_no": pl.UInt32, "cell_no": pl.Int64, **texts}
    return pl.DataFrame(
        rows, schema={**schema, "true_up": pl.Boolean, "cell_keys": pl.String}, orient="row"
    )


def _step() -> pl.Expr:
    return spelled(
        "committed_bucket",
        amount=text(pl.col("amount")),
        commitment=or_null(text(pl.col("commitment").cast(AMOUNT))),
        cost=text(pl.col("cost")),
        excess=text(pl.col("excess")),
        factor=text(pl.col("factor")),
        keys=Json(pl.col("keys")),
        quantity=text(pl.col("quantity")),
        steps=Json(pl.col("steps")),
        true_up=text(pl.col("lifted")),
    )
