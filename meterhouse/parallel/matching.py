"""Old and new lines beside each other: many to one in both directions.

Lines are added up by customer, currency, product and window. Where the windows of a product are
other ones on the two sides, those that are not equal are added up over the whole month.
"""

import polars as pl

from meterhouse.money import AMOUNT, PLACES, QUANTITY
from meterhouse.parallel.columns import ROUNDING

KEY = ("customer_id", "currency", "product", "period")
WINDOW = ("from_on", "until_on")
SIDES = ("old", "new")


def named(lines: pl.DataFrame) -> pl.DataFrame:
    """Lines whose customer and product are known, without those of rounding."""
    is_named = pl.col("customer_id").is_not_null() & pl.col("product").is_not_null()
    return lines.filter(is_named & (pl.col("product") != ROUNDING))


def summed(lines: pl.DataFrame, by: tuple[str, ...], side: str) -> pl.DataFrame:
    """One row per key: sums, the one unit price (null where there are several), days, documents."""
    zero = pl.lit(0).cast(AMOUNT)
    is_known = pl.col("quantity").is_not_null().any()
    is_one = pl.col("unit_price").n_unique() == 1
    days = (pl.col("until_on") - pl.col("from_on")).dt.total_days()
    windows = pl.struct(*WINDOW)
    found = lines.group_by(*by, maintain_order=True).agg(
        quantity=pl.when(is_known).then(pl.col("quantity").sum()).cast(QUANTITY),
        unit_price=pl.when(is_one).then(pl.col("unit_price").first()).cast(AMOUNT),
        amount=pl.col("amount").sum().cast(AMOUNT),
        tax=pl.col("tax").fill_null(zero).sum().cast(AMOUNT),
        lines=pl.len().cast(pl.Int64),
        days=days.filter(windows.is_first_distinct()).sum(),
        first=pl.col("from_on").min(),
        last=pl.col("until_on").max(),
        is_linear=pl.col("is_linear").all(),
        numbers=pl.col("number").unique().sort().str.join(", "),
        key=pl.col("line_key").first(),
    )
    return found.rename({name: f"{side}_{name}" for name in found.columns if name not in by})


def joined(old: pl.DataFrame, new: pl.DataFrame, by: tuple[str, ...]) -> pl.DataFrame:
    """Both sides' sums beside each other; a side that is not there has null `lines`."""
    both = summed(old, by, "old").join(
        summed(new, by, "new"), on=list(by), how="full", coalesce=True, nulls_equal=True
    )
    return both.with_columns(
        old_is=pl.col("old_lines").is_not_null(), new_is=pl.col("new_lines").is_not_null()
    )


def pairs(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """One row per thing to explain: the sums of both sides, with `minor` and `units`.

    `units` is the most that rounding can make: one minor unit for each line. Equal pairs are there
    too, as rows without a difference.
    """
    by = (*KEY, *WINDOW)
    windows = joined(named(old), named(new), by)
    same = (pl.col("old_amount") == pl.col("new_amount")) & (pl.col("old_tax") == pl.col("new_tax"))
    settled = windows.filter(same.fill_null(False))
    open_ = windows.filter(~same.fill_null(False))
    is_paired = (pl.col("old_is") & pl.col("new_is")).all().over(KEY)
    of_windows = open_.filter(is_paired)
    rest = open_.filter(~is_paired).select(*KEY, *WINDOW)
    of_months = joined(_of(old, rest), _of(new, rest), KEY).with_columns(
        from_on=pl.min_horizontal("old_first", "new_first"),
        until_on=pl.max_horizontal("old_last", "new_last"),
    )
    every = pl.concat([settled, of_windows, of_months.select(windows.columns)])
    return with_units(every)


def with_units(every: pl.DataFrame) -> pl.DataFrame:
    """Rows with `minor` (one smallest unit of the currency) and `units` (one for each line)."""
    units = {code: f"1e-{places}" for code, places in PLACES.items()}
    minor = pl.col("currency").replace_strict(units, return_dtype=pl.String).cast(AMOUNT)
    lines = pl.max_horizontal("old_lines", "new_lines")
    return every.with_columns(minor=minor).with_columns(
        units=(pl.col("minor") * lines.cast(AMOUNT)).cast(AMOUNT)
    )


def _of(lines: pl.DataFrame, rest: pl.DataFrame) -> pl.DataFrame:
    return named(lines).join(rest, on=[*KEY, *WINDOW], how="semi", nulls_equal=True)
