"""Matrix pricing: units are sorted into cells by their dimensions, each cell has its own price."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal, localcontext
from typing import Any

import polars as pl

from meterhouse.canonical import canonical_json
from meterhouse.money import AMOUNT
from meterhouse.pricing import cells, inner
from meterhouse.pricing import parts as parts_of
from meterhouse.pricing.steps import EXACT, ZERO, Json, spelled, text


def charge(parts: Sequence[Mapping[str, Any]], price: Mapping[str, Any]) -> Decimal:
    """The unrounded charge. Slow and obvious: tests hold `rate` to it."""
    wanted = [cell["keys"] for cell in price["cells"]]
    units: dict[int | None, Decimal] = {}
    with localcontext(EXACT):
        for part in parts:
            cell = cells.cell_of(cells.read(part.get("keys", "{}")), wanted)
            units[cell] = units.get(cell, ZERO) + Decimal(part["quantity"])
        return sum((_cost(price, cell, of_it) for cell, of_it in units.items()), ZERO)


def _cost(price: Mapping[str, Any], cell: int | None, units: Decimal) -> Decimal:
    own = price["default"] if cell is None else price["cells"][cell]["price"]
    return ZERO if own is None else inner.charge(units, own)


def rate(windows: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """One row per window: window_id, amount_unrounded and steps (one per cell that has units)."""
    numbers, prices = parts_of.documents(windows["price"])
    rows = parts_of.rows_of(windows, parts, numbers)
    wanted = [[cell["keys"] for cell in price["cells"]] for price in prices]
    default = pl.Series([len(own) for own in wanted], dtype=pl.Int64)
    sorted_in = (
        cells.chosen(rows, wanted)
        .with_columns(
            pl.col("cell_no").fill_null(
                pl.col("price_no").replace_strict(range(len(prices)), default)
            )
        )
        .group_by("at", "price_no", "cell_no")
        .agg(pl.col("quantity").sum(), rows=pl.len(), example=pl.col("keys").first())
        .join(_terms(prices), on=["price_no", "cell_no"], how="left")
    )
    priced = inner.rated(sorted_in.filter(pl.col("inner").is_not_null()))
    free = sorted_in.filter(pl.col("inner").is_null())
    return parts_of.gathered(
        windows,
        [
            priced.with_columns(place="cell_no", step=_step()),
            free.with_columns(place="cell_no", amount=parts_of.NOUGHT, step=_unmatched()),
        ],
    )


def _terms(prices: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """One row per price and cell; the default, numbered behind the last, has the keys null."""
    rows = []
    for price_no, price in enumerate(prices):
        for cell_no, cell in enumerate(price["cells"]):
            rows.append((price_no, cell_no, *terms_of(cell["price"]), keys_text(cell["keys"])))
        if price["default"] is not None:
            rows.append((price_no, len(price["cells"]), *terms_of(price["default"]), "null"))
    names = dict.fromkeys(("inner_model", "inner", "cell_keys"), pl.String)
    return pl.DataFrame(
        rows, schema={"price_no": pl.UInt32, "cell_no": pl.Int64, **names}, orient="row"
    )


def terms_of(price: Mapping[str, Any]) -> tuple[str, str]:
    """The model of a price inside another one, and its canonical text."""
    # Its texts come from a canonical text: checking them again takes most of the time.
    return price["model"], json.dumps(price, separators=(",", ":"), ensure_ascii=False)


def keys_text(keys: Mapping[str, Sequence[str]]) -> str:
    """The keys of a cell as canonical JSON; one value is written as itself."""
    return canonical_json({n: v[0] if len(v) == 1 else list(v) for n, v in keys.items()})


def _step() -> pl.Expr:
    return spelled(
        "cell",
        amount=text(pl.col("amount")),
        keys=Json(pl.col("cell_keys")),
        quantity=text(pl.col("quantity")),
        steps=Json(pl.col("steps")),
    )


def _unmatched() -> pl.Expr:
    """What no cell and no default is for: told, so that it is not free by mistake."""
    return spelled(
        "unmatched",
        amount="0",
        combinations=pl.col("rows").cast(pl.String),
        example=Json(pl.col("example")),
        quantity=text(pl.col("quantity").cast(AMOUNT)),
    )
