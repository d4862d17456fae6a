"""An amount spread over lines in smallest units, so that the parts add up to it: largest remainder.

Each line gets its share rounded down; the units that are left go to the lines with the largest
remainders, one each, to the earlier line where two remainders are equal.
"""

from collections.abc import Sequence
from decimal import Decimal

import polars as pl

from meterhouse.errors import UsageError
from meterhouse.money import AMOUNT, round_half_away

_WHOLE = pl.Int128
_LARGEST = 2**126
# A Decimal(38, 18) is a whole number of 10^-18; weights are cut by the zeros that all of them end
# in, so that an amount of cents times a weight of cents fits 128 bits.
_ZEROS = (18, 17, 16, 15, 14, 13, 12, 9, 6, 3, 0)
_UNITS = {places: 10 ** (18 - places) for places in range(19)}


def allocated(
    lines: pl.DataFrame,
    *,
    by: Sequence[str],
    amount: str = "amount",
    weight: str = "weight",
    places: str = "places",
    into: str = "share",
) -> pl.DataFrame:
    """The lines in their order with `into`: their parts of the group's amount, Decimal(38, 18).

    `amount` (rounded half away from zero to `places`, 0 to 18) is the same on all lines of a group
    `by`; weights are decimals. Weights that add up to zero count as equal ones.
    """
    counted = _counted(lines, list(by), amount, weight, places)
    _refuse_overflow(counted, list(by))
    total = pl.col("_weight").sum().over(by)
    even = counted.with_columns(_weight=pl.when(total == 0).then(1).otherwise("_weight"))
    shared = even.with_columns(_total=total).with_columns(
        # A group whose weights add up to less than zero is one with all signs turned.
        _product=pl.col("_amount") * pl.col("_weight") * pl.col("_total").sign(),
        _total=pl.col("_total").abs(),
    )
    floored = shared.with_columns(
        _share=pl.col("_product") // pl.col("_total"), _rest=pl.col("_product") % pl.col("_total")
    )
    return _handed_out(floored, list(by), into).select(*lines.columns, into)


def allocate(amount: Decimal, weights: Sequence[Decimal], places: int) -> list[Decimal]:
    """The parts of one amount in the order of their weights. Slow and obvious: the scalar twin."""
    if not weights:
        raise UsageError(f"The amount {amount} has no line to be allocated to.")
    units = int(round_half_away(abs(amount), places).scaleb(places))
    exact = [_ratio(weight) for weight in weights]
    scale = max(under for _, under in exact)
    whole = [over * (scale // under) for over, under in exact]
    total = sum(whole)
    if total == 0:
        whole, total = [1] * len(whole), len(whole)
    if total < 0:
        whole, total = [-weight for weight in whole], -total
    shares = [units * weight // total for weight in whole]
    rests = [units * weight % total for weight in whole]
    order = sorted(range(len(whole)), key=lambda line: (-rests[line], line))
    for line in order[: units - sum(shares)]:
        shares[line] += 1
    sign = -1 if amount < 0 else 1
    return [Decimal(sign * share).scaleb(-places) for share in shares]


def _ratio(number: Decimal) -> tuple[int, int]:
    """The number over a power of ten."""
    places = max(0, -int(number.as_tuple().exponent))
    return int(number.scaleb(places)), 10**places


def _counted(
    lines: pl.DataFrame, by: list[str], amount: str, weight: str, places: str
) -> pl.DataFrame:
    """The lines with whole `_amount` (in units, unsigned), `_sign`, `_unit`, `_weight`, `_line`."""
    unit = pl.col(places).cast(pl.Int64).replace_strict(_UNITS, return_dtype=_WHOLE)
    exact = pl.col(amount).cast(AMOUNT).to_physical()
    counted = lines.with_columns(
        _unit=unit,
        _sign=exact.sign(),
        _amount=(exact.abs() + unit // 2) // unit,
        _weight=pl.col(weight).cast(AMOUNT).to_physical(),
    ).with_row_index("_line")
    return counted.with_columns(_weight=pl.col("_weight") // 10 ** _zeros(counted))


def _zeros(counted: pl.DataFrame) -> int:
    """How many zeros all the weights end in."""
    ends = {str(zeros): (pl.col("_weight") % 10**zeros == 0).all() for zeros in _ZEROS}
    found = counted.select(**ends).row(0)
    return _ZEROS[found.index(True)]


def _refuse_overflow(counted: pl.DataFrame, by: list[str]) -> None:
    """Products of 128 bits would wrap without a word; the bound is of the largest of all groups."""
    longest = counted.group_by(by).len().select(pl.col("len").max()).item() or 0
    largest = counted.select(pl.col("_amount").max(), pl.col("_weight").abs().max()).row(0)
    if (largest[0] or 0) * (largest[1] or 0) * longest >= _LARGEST:
        raise UsageError(
            "An amount to be allocated is too large for the decimals of the weights; nothing was "
            "allocated. Use weights with fewer decimals, such as rounded amounts."
        )


def _handed_out(floored: pl.DataFrame, by: list[str], into: str) -> pl.DataFrame:
    """The shares with the units that are left handed out, in the order of the lines."""
    left = pl.col("_amount").first().over(by) - pl.col("_share").sum().over(by)
    place = pl.int_range(pl.len()).over(by)
    ranked = (
        floored.with_columns(_left=left)
        .sort("_rest", "_line", descending=[True, False])
        .with_columns(_place=place)
    )
    units = pl.col("_share") + (pl.col("_place") < pl.col("_left")).cast(_WHOLE)
    smallest = pl.lit(Decimal("1E-18"), dtype=AMOUNT)
    amount = (pl.col("_sign") * units * pl.col("_unit")).cast(pl.Decimal(38, 0)) * smallest
    return ranked.with_columns(amount.cast(AMOUNT).alias(into)).sort("_line")
