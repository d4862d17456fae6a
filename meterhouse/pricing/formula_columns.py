"""A formula as an expression of columns: one pass for all windows that share it."""

from collections.abc import Callable
from decimal import Decimal
from functools import reduce

import polars as pl

from meterhouse.money import AMOUNT
from meterhouse.pricing.formula_tree import (
    Arithmetic,
    Call,
    Comparison,
    Condition,
    If,
    Joined,
    Name,
    Negative,
    Not,
    Number,
    Value,
)
from meterhouse.pricing.formula_value import COMPARISONS

_NEVER = pl.lit(None, dtype=AMOUNT)


def column(node: Value, named: Callable[[str], pl.Expr]) -> pl.Expr:
    """The value as Decimal(38, 18), null where the formula divides by zero.

    `named` gives the column of a name, Decimal(38, 18) without nulls.
    """
    match node:
        case Number(number):
            return _literal(number)
        case Name(name):
            return named(name)
        case Negative(part):
            return _literal(Decimal(0)) - column(part, named)
        case Arithmetic(sign, left, right):
            return _arithmetic(sign, column(left, named), column(right, named))
        case Call(function, parts, places):
            return _call(function, [column(part, named) for part in parts], places)
        case If(condition, then, otherwise):
            holds = _holds(condition, named)
            chosen = pl.when(holds).then(column(then, named)).otherwise(column(otherwise, named))
            return pl.when(holds.is_not_null()).then(chosen).otherwise(_NEVER)


def _literal(number: Decimal) -> pl.Expr:
    return pl.lit(number, dtype=AMOUNT)


def _arithmetic(sign: str, left: pl.Expr, right: pl.Expr) -> pl.Expr:
    if sign == "+":
        return left + right
    if sign == "-":
        return left - right
    if sign == "*":
        return (left * right).cast(AMOUNT)
    # Dividing by zero would stop all windows, also where an `if` leads round it.
    divisor = pl.when(right != _literal(Decimal(0))).then(right).otherwise(_NEVER)
    return left / divisor  # exact: quotients keep 18 decimals, half to even, as the docs say.


def _call(function: str, values: list[pl.Expr], places: int) -> pl.Expr:
    if function == "abs":
        return values[0].abs()
    if function in ("min", "max"):
        pick = pl.min_horizontal if function == "min" else pl.max_horizontal
        # They pass nulls over, and a value that divides by zero has no least.
        known = reduce(lambda so_far, one: so_far & one.is_not_null(), values, pl.lit(True))
        return pl.when(known).then(pick(values)).otherwise(_NEVER)
    if function == "round":
        return values[0].round(places, mode="half_away_from_zero").cast(AMOUNT)
    unit = _literal(Decimal(10) ** places)
    scaled = values[0] * unit
    whole = (scaled.ceil() if function == "ceil" else scaled.floor()).cast(AMOUNT)
    return whole / unit  # exact: by a power of ten, back to where it was.


def _holds(node: Condition, named: Callable[[str], pl.Expr]) -> pl.Expr:
    match node:
        case Comparison(sign, left, right):
            found: pl.Expr = COMPARISONS[sign](column(left, named), column(right, named))
            return found
        case Not(condition):
            return ~_holds(condition, named)
        case Joined(word, left, right):
            low, high = _holds(left, named), _holds(right, named)
            return low & high if word == "and" else low | high
