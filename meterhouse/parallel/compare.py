"""The comparison of one month: every difference has a cause, and causes add up to it."""

from dataclasses import dataclass

import polars as pl

from meterhouse.errors import ChecksFailed
from meterhouse.money import AMOUNT
from meterhouse.parallel.causes import explained
from meterhouse.parallel.columns import CAUSES, ROUNDING, VARIANCES
from meterhouse.parallel.matching import KEY, named, pairs

CELL = ("customer_id", "currency")
OF_CAUSES = tuple(f"of_{cause}" for cause in CAUSES)


@dataclass(frozen=True)
class Compared:
    """`variances`: columns VARIANCES. `cells`: one row per customer and currency with old, new,
    difference, unexplained (gross), and `of_<cause>`; customers without a name are null."""

    variances: pl.DataFrame
    cells: pl.DataFrame
    pairs: int

    @property
    def unexplained(self) -> int:
        """How many variances have no cause."""
        return self.variances.filter(pl.col("cause") == "other").height


def compared(old: pl.DataFrame, new: pl.DataFrame) -> Compared:
    """Compare the lines of both sides (columns SIDE) in period 0; others only explain timing."""
    every = pairs(old, new)
    timed, rest = _timed(every)
    now = rest.filter(pl.col("period") == 0)
    is_two = pl.col("old_is") & pl.col("new_is")
    surplus, single = _surplus(now.filter(is_two), old, new)
    found = [
        timed.filter(pl.col("period") == 0),
        surplus,
        _one_sided(now.filter(~is_two)),
        _with_detail(explained(single)),
    ]
    told = pl.concat([*(_variances(one) for one in found), _unnamed(old), _rounding(old, new)])
    merged = _merged_rounding(told)
    variances = merged.sort("customer_id", "currency", "product", "from_on", "cause", "old_numbers")
    cells = _cells(old, new, variances)
    return Compared(variances, cells, every.filter(pl.col("period") == 0).height)


def _variances(rows: pl.DataFrame) -> pl.DataFrame:
    given = rows.with_columns(
        amount=(pl.col("net") + pl.col("tax")).cast(AMOUNT), line_key=pl.col("new_key")
    )
    there = set(given.columns)
    return given.filter((pl.col("net") != 0) | (pl.col("tax") != 0)).select(
        (pl.col(name) if name in there else pl.lit(None)).cast(kind).alias(name)
        for name, kind in VARIANCES.items()
    )


def _differences(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with `net` and `tax` (new less old; a side that is not there is 0)."""
    return rows.with_columns(
        net=(pl.col("new_amount").fill_null(0) - pl.col("old_amount").fill_null(0)).cast(AMOUNT),
        tax=(pl.col("new_tax").fill_null(0) - pl.col("old_tax").fill_null(0)).cast(AMOUNT),
    )


def _timed(every: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of products that differ by as much, with the other sign, in a month beside; the rest."""
    sums = _differences(every).group_by(KEY).agg(pl.col("net").sum(), pl.col("units").max())
    large = sums.filter(pl.col("net").abs() > pl.col("units")).drop("units")
    near = pl.concat(
        large.with_columns(period=pl.col("period") + step, net=(-pl.col("net")).cast(AMOUNT))
        for step in (1, -1)
    )
    late = large.join(near, on=[*KEY, "net"], how="semi").select(KEY)
    told = _differences(every.join(late, on=KEY, how="semi")).with_columns(
        cause=pl.lit("timing"), detail=pl.lit("the same amount is in a neighbour month")
    )
    return told, every.join(late, on=KEY, how="anti")


def _surplus(
    two_sided: pl.DataFrame, old: pl.DataFrame, new: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Pairs that are equal without some lines of one side: repeats, or credits; and the others."""
    wide = _differences(two_sided).with_row_index("pair")
    keyed = wide.with_columns(
        more=(pl.col("new_quantity").cast(AMOUNT) - pl.col("old_quantity").cast(AMOUNT))
    )
    found = [
        keyed.join(over(named(lines), sign), on=[*KEY, *by], nulls_equal=True)
        for lines, sign in ((old, -1), (new, 1))
        for over, by in ((_repeats, ("net", "tax", "more")), (_credits, ("net", "tax")))
    ]
    hits = pl.concat(one.select("pair", "detail") for one in found).unique(
        "pair", keep="first", maintain_order=True
    )
    side = pl.when(pl.col("net") < 0).then(pl.lit("missing")).otherwise(pl.lit("extra"))
    told = wide.join(hits, on="pair").with_columns(cause=side).drop("pair")
    return told, wide.join(hits, on="pair", how="anti").drop("pair", "net", "tax")


def _repeats(lines: pl.DataFrame, sign: int) -> pl.DataFrame:
    """What a pair differs by if a line of this side is there once only, or some times less."""
    same = (*KEY, "from_on", "until_on", "quantity", "amount", "tax")
    counted = lines.group_by(same).agg(times=pl.len().cast(pl.Int64))
    many = counted.filter((pl.col("times") > 1) & (pl.col("amount") != 0))
    steps = many.with_columns(again=pl.int_ranges(1, pl.col("times"))).explode("again")
    turned = (pl.col("again").cast(AMOUNT) * pl.lit(sign).cast(AMOUNT)).cast(AMOUNT)
    return steps.select(
        *KEY,
        net=(pl.col("amount") * turned).cast(AMOUNT),
        tax=(pl.col("tax").fill_null(0) * turned).cast(AMOUNT),
        more=(pl.col("quantity").cast(AMOUNT) * turned).cast(AMOUNT),
        detail=pl.format("one line is billed {} times", "times"),
    )


def _credits(lines: pl.DataFrame, sign: int) -> pl.DataFrame:
    """What a pair differs by if only the other side lacks the credits of this one."""
    turned = pl.lit(sign).cast(AMOUNT)
    by = lines.filter(pl.col("amount") < 0).group_by(KEY)
    sums = by.agg(
        net=(pl.col("amount").sum().cast(AMOUNT) * turned).cast(AMOUNT),
        tax=(pl.col("tax").fill_null(0).sum().cast(AMOUNT) * turned).cast(AMOUNT),
        detail=pl.format("credited by {} only", pl.col("number").unique().sort().str.join(", ")),
    )
    # Where nothing else is billed there is no pair whose rest could be equal.
    others = lines.filter(pl.col("amount") > 0).select(KEY)
    return sums.join(others, on=KEY, how="semi")


def _one_sided(rows: pl.DataFrame) -> pl.DataFrame:
    """In another currency where the other side has it so, else missing or extra."""
    key = ["customer_id", "product"]
    old, new = (
        rows.filter(pl.col(f"{side}_is")).select(*key, "currency") for side in ("old", "new")
    )
    both = old.join(new, on=key, suffix="_new").filter(pl.col("currency") != pl.col("currency_new"))
    moved = both.group_by(key).agg(
        pl.format("{} and {}", "currency", "currency_new").sort().first().alias("currencies")
    )
    told = _differences(rows).join(moved, on=key, how="left", maintain_order="left")
    alone = pl.when(pl.col("old_is")).then(pl.lit("missing")).otherwise(pl.lit("extra"))
    is_moved = pl.col("currencies").is_not_null()
    return told.with_columns(
        cause=pl.when(is_moved).then(pl.lit("currency")).otherwise(alone),
        detail=pl.when(is_moved).then(pl.format("billed in {}", "currencies")),
    ).drop("currencies")


def _with_detail(rows: pl.DataFrame) -> pl.DataFrame:
    days = pl.format("{} days and {} days", "old_days", "new_days")
    other = pl.col("old_days") != pl.col("new_days")
    return rows.with_columns(detail=pl.when(other).then(days))


def _unnamed(old: pl.DataFrame) -> pl.DataFrame:
    """Old lines whose customer or product is not mapped: not explained until they are."""
    no_customer = pl.col("customer_id").is_null()
    rows = old.filter((pl.col("period") == 0) & (no_customer | pl.col("product").is_null()))
    sentence = (
        pl.when(no_customer)
        .then(pl.format("customer {} is not mapped", "customer"))
        .otherwise(pl.format("product {} is not mapped", pl.col("text").fill_null("(none)")))
    )
    return _variances(
        rows.with_columns(
            cause=pl.lit("other"),
            product=pl.col("text"),
            net=-pl.col("amount"),
            tax=-pl.col("tax").fill_null(0),
            old_amount="amount",
            old_tax="tax",
            old_quantity="quantity",
            old_numbers="number",
            new_key=pl.lit(None, pl.String),
            detail=sentence,
        ).drop("amount")
    )


def _rounding(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """What totals have beyond their lines, by customer and currency."""
    is_it = (pl.col("product") == ROUNDING) & (pl.col("period") == 0)
    is_it &= pl.col("customer_id").is_not_null()
    gross = (pl.col("amount") + pl.col("tax").fill_null(0)).sum().cast(AMOUNT)
    sides = [
        lines.filter(is_it).group_by(CELL).agg(
            gross.alias(f"{side}_amount"),
            pl.col("number").unique().sort().str.join(", ").alias(f"{side}_numbers"),
        )
        for side, lines in (("old", old), ("new", new))
    ]  # fmt: skip
    both = sides[0].join(sides[1], on=CELL, how="full", coalesce=True)
    net = pl.col("new_amount").fill_null(0) - pl.col("old_amount").fill_null(0)
    zero = pl.lit(0).cast(AMOUNT)
    return _variances(
        both.with_columns(
            cause=pl.lit("rounding"),
            product=pl.lit(ROUNDING),
            net=net,
            tax=zero,
            new_key=pl.lit(None, pl.String),
            detail=pl.lit("totals and the sums of their lines"),
        )
    )


def _merged_rounding(told: pl.DataFrame) -> pl.DataFrame:
    """Units of tax that were rounded another way count once for a customer, if they remain."""
    is_unit = (pl.col("cause") == "rounding") & (pl.col("net") == 0)
    units = told.filter(is_unit)
    merged = units.group_by(CELL).agg(
        pl.col("tax", "amount").sum().cast(AMOUNT),
        net=pl.lit(0).cast(AMOUNT),
        product=pl.lit(ROUNDING),
        cause=pl.lit("rounding"),
        detail=pl.format("tax of {} lines", pl.len()),
        new_key=pl.lit(None, pl.String),
    )
    return pl.concat([told.filter(~is_unit), _variances(merged)])


def _cells(old: pl.DataFrame, new: pl.DataFrame, variances: pl.DataFrame) -> pl.DataFrame:
    zero = pl.lit(0).cast(AMOUNT)
    sums = [
        lines.filter(pl.col("period") == 0).group_by(CELL).agg(
            (pl.col("amount").sum() + pl.col("tax").fill_null(zero).sum()).cast(AMOUNT).alias(side)
        )
        for side, lines in (("old", old), ("new", new))
    ]  # fmt: skip
    totals = sums[0].join(sums[1], on=CELL, how="full", coalesce=True, nulls_equal=True)
    by_cause = variances.group_by(CELL).agg(
        pl.col("amount").filter(pl.col("cause") == cause).sum().cast(AMOUNT).alias(f"of_{cause}")
        for cause in CAUSES
    )
    cells = (
        totals.join(by_cause, on=CELL, how="left", nulls_equal=True)
        .with_columns(pl.col("old", "new", *OF_CAUSES).fill_null(zero))
        .with_columns(difference=(pl.col("new") - pl.col("old")).cast(AMOUNT))
        .sort(CELL)
    )
    _refuse_rest(cells)
    return cells.select(*CELL, "old", "new", "difference", *OF_CAUSES, unexplained="of_other")


def _refuse_rest(cells: pl.DataFrame) -> None:
    """Causes add up to the difference, or the comparison is wrong and says nothing."""
    explained_ = pl.sum_horizontal(*OF_CAUSES).cast(AMOUNT)
    wrong = cells.filter(explained_ != pl.col("difference"))
    if wrong.height:
        raise ChecksFailed(
            [
                f"Causes do not add up to the difference of {customer} in {currency}; "
                "nothing was compared. This is a fault of Meterhouse."
                for customer, currency in wrong.select(CELL).iter_rows()
            ]
        )
