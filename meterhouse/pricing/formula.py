"""Formula pricing: what a text in a small, safe language says of quantities and constants."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import polars as pl

from meterhouse.errors import UsageError
from meterhouse.money import AMOUNT
from meterhouse.pricing import cells
from meterhouse.pricing import parts as parts_of
from meterhouse.pricing.formula_columns import column
from meterhouse.pricing.formula_reading import read
from meterhouse.pricing.formula_tree import names
from meterhouse.pricing.formula_value import value
from meterhouse.pricing.steps import ZERO, Json, spelled, text
from meterhouse.pricing.two_dimensional import selected, sums

QUANTITY = "quantity"


def charge(parts: Sequence[Mapping[str, Any]], price: Mapping[str, Any]) -> Decimal:
    """The charge at 18 places. Slow and obvious: tests hold `rate` to it."""
    known = {name: Decimal(given) for name, given in price["constants"].items()}
    for name, wanted in {QUANTITY: {}, **price["quantities"]}.items():
        known[name] = max(selected(parts, wanted), ZERO)
    found = value(read(price["formula"]), known)
    if found is None:
        raise UsageError(_divides(price["formula"], 1))
    return max(found, ZERO)


def rate(windows: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """One row per window: window_id, amount_unrounded and steps (one, with all that was read)."""
    numbers, prices = parts_of.documents(windows["price"])
    rows = parts_of.rows_of(windows, parts, numbers)
    asked = parts_of.placed(windows, numbers).select("at", "price_no")
    same: dict[str, list[int]] = {}
    for number, price in enumerate(prices):
        same.setdefault(price["formula"], []).append(number)
    pieces = [
        _rated(formula, {number: prices[number] for number in own}, asked, rows)
        for formula, own in same.items()
    ]
    return parts_of.gathered(windows, pieces)


def _rated(
    formula: str, prices: Mapping[int, Mapping[str, Any]], asked: pl.DataFrame, rows: pl.DataFrame
) -> pl.DataFrame:
    """The pieces of all windows with one formula, whatever their constants and quantities are."""
    tree = read(formula)
    read_names = sorted(set(names(tree)))
    known = asked.join(_constants(prices, read_names), on="price_no", maintain_order="left")
    known = _with_quantities(known, rows, prices, read_names)
    found = known.with_columns(amount=column(tree, lambda name: pl.col(_column(name))))
    undefined = found.filter(pl.col("amount").is_null())
    if undefined.height:
        raise UsageError(_divides(formula, undefined.height))
    return found.with_columns(
        amount=pl.max_horizontal("amount", parts_of.NOUGHT), place=pl.lit(0)
    ).with_columns(step=_step(formula, read_names))


def _constants(prices: Mapping[int, Mapping[str, Any]], read_names: Sequence[str]) -> pl.DataFrame:
    """One row per price: what it says of the names that a formula reads, 0 where it does not."""
    rows = [
        (number, *(Decimal(price["constants"].get(name, "0")) for name in read_names))
        for number, price in prices.items()
    ]
    columns = {_column(name): AMOUNT for name in read_names}
    return pl.DataFrame(rows, schema={"price_no": pl.UInt32, **columns}, orient="row")


def _with_quantities(
    known: pl.DataFrame,
    rows: pl.DataFrame,
    prices: Mapping[int, Mapping[str, Any]],
    read_names: Sequence[str],
) -> pl.DataFrame:
    """The quantities that the formula reads: units of the parts that fit, never below 0."""
    given = [
        {QUANTITY: {}, **prices[n]["quantities"]} if n in prices else {} for n in _up_to(prices)
    ]
    ordered = [[own[name] for name in read_names if name in own] for own in given]
    fitting = cells.fitting(rows.filter(pl.col("price_no").is_in(list(prices))), ordered)
    names_of = pl.DataFrame(
        [
            (number, place, name)
            for number, own in enumerate(given)
            for place, name in enumerate(one for one in read_names if one in own)
        ],
        schema={"price_no": pl.UInt32, "cell_no": pl.Int64, "name": pl.String},
        orient="row",
    )
    fitted = rows.join(fitting.join(names_of, on=["price_no", "cell_no"]), on=["price_no", "keys"])
    for name in sorted({one for own in given for one in own} & set(read_names)):
        units = sums(fitted.filter(pl.col("name") == name)).rename({"quantity": "units"})
        positive = pl.when(pl.col("units") > 0).then("units").otherwise(_column(name))
        known = (
            known.join(units, on="at", how="left", maintain_order="left")
            .with_columns(positive.alias(_column(name)))
            .drop("units")
        )
    return known


def _up_to(prices: Mapping[int, Any]) -> range:
    return range(max(prices) + 1)


def _column(name: str) -> str:
    return f"v_{name}"


def _divides(formula: str, windows: int) -> str:
    return (
        f"The formula `{formula}` divides by zero in {windows} windows. Nothing was rated. Lead "
        "round it: if(x = 0, 0, y / x)."
    )


def _step(formula: str, read_names: Sequence[str]) -> pl.Expr:
    """Names are plain and a formula has no quotes, so that nothing needs escaping."""
    pairs: list[pl.Expr] = []
    for number, name in enumerate(read_names):
        pairs += [
            pl.lit(f'{"," if number else ""}"{name}":"'),
            text(pl.col(_column(name))),
            pl.lit('"'),
        ]
    values = pl.concat_str(pl.lit("{"), *pairs, pl.lit("}"))
    return spelled("formula", amount=text(pl.col("amount")), formula=formula, values=Json(values))
