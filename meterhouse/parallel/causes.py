"""Why the two sides of a pair differ, and how much of the difference each cause explains.

Frames are those of `matching.pairs`: sums of the old and of the new side. `net` and `tax` of a
cause are new less old, and the causes of a pair add up to its difference.
"""

import polars as pl

from meterhouse.money import AMOUNT, rounded

_DAYS = tuple(range(28, 32))


def explained(two_sided: pl.DataFrame) -> pl.DataFrame:
    """One row per pair and cause: the columns of the pair, `cause`, `net`, `tax`, `detail`."""
    judged = _shared_tax(_split(_measured(two_sided)))
    parts = [
        judged.filter(_part(cause)).with_columns(
            cause=pl.lit(cause) if cause != "first" else pl.col("first"),
            net=pl.col(f"net_{cause}"),
            tax=pl.col(f"tax_{cause}"),
        )
        for cause in ("first", "price", "tax")
    ]
    return pl.concat(parts)


def _part(cause: str) -> pl.Expr:
    return (pl.col(f"net_{cause}") != 0) | (pl.col(f"tax_{cause}") != 0)


def _measured(pairs: pl.DataFrame) -> pl.DataFrame:
    """`net` and `tax` differences, unit prices, and whether quantities are known and equal."""
    known = pl.col("old_quantity").is_not_null() & pl.col("new_quantity").is_not_null()
    old, new = pl.col("old_quantity").cast(AMOUNT), pl.col("new_quantity").cast(AMOUNT)
    # exact: a unit price of 18 decimals is only multiplied and then rounded to the currency.
    effective = pl.col("old_amount") / pl.when(old != 0).then(old)
    newer = pl.col("new_amount") / pl.when(new != 0).then(new)
    stated = pl.col("old_unit_price")
    return pairs.with_columns(
        net=(pl.col("new_amount") - pl.col("old_amount")).cast(AMOUNT),
        tax=(pl.col("new_tax") - pl.col("old_tax")).cast(AMOUNT),
        more=(new - old).cast(AMOUNT),
        price=pl.coalesce(effective, stated, newer).cast(AMOUNT),
        same_quantity=(~known | (old == new)),
    )


def _split(measured: pl.DataFrame) -> pl.DataFrame:
    """`first`: the cause of the net difference; `net_first`, `net_price` and `net_tax` of it."""
    zero = pl.lit(0).cast(AMOUNT)
    net, units = pl.col("net"), pl.col("units")
    gross = net + pl.col("tax")
    untaxed = (pl.col("old_tax") == 0) | (pl.col("new_tax") == 0)
    is_inside = (net != 0) & untaxed & (gross.abs() <= units) & (net.abs() > units)
    usage = rounded(pl.col("more") * pl.col("price"), pl.col("currency"))
    # Tiers have no one price: their whole difference is that of the quantity.
    is_all_usage = ~pl.col("new_is_linear") | ((net - usage).abs() <= units)
    of_usage = pl.when(is_all_usage.fill_null(True)).then(net).otherwise(usage)
    first = (
        pl.when(is_inside)
        .then(pl.lit("tax"))
        .when(net == 0)
        .then(pl.lit("none"))
        .when(pl.col("same_quantity") & (net.abs() <= units))
        .then(pl.lit("rounding"))
        .when(pl.col("same_quantity") & _is_share_of_days())
        .then(pl.lit("proration"))
        .when(pl.col("same_quantity"))
        .then(pl.lit("price"))
        .otherwise(pl.lit("usage"))
    )
    judged = measured.with_columns(first=first)
    is_usage = pl.col("first") == "usage"
    return judged.with_columns(
        net_first=pl.when(is_usage)
        .then(of_usage)
        .when(pl.col("first") == "tax")
        .then(zero)
        .otherwise(net),
        net_price=pl.when(is_usage).then(net - of_usage).otherwise(zero),
        net_tax=pl.when(pl.col("first") == "tax").then(net).otherwise(zero),
    ).with_columns(pl.col("net_first", "net_price", "net_tax").cast(AMOUNT))


def _is_share_of_days() -> pl.Expr:
    """Whether new is to old as one count of days to another that the windows suggest.

    Compared crosswise, so that nothing is divided; both amounts were rounded by half a unit.
    """
    old, new = pl.col("old_days"), pl.col("new_days")
    month = pl.col("from_on").dt.month_end().dt.day().cast(pl.Int64)
    is_other = old != new
    is_part = (old == new) & (old < month)
    shares = [
        *((is_other, new + add, old) for add in (0, 1, -1)),
        *((is_other, new, old + add) for add in (1, -1)),
        *((is_part, old + add, old) for add in (1, -1)),
        *((is_part, old, old + add) for add in (1, -1)),
        (is_part, month, old),
        (is_part, old, month),
        *((is_part, pl.lit(of), month) for of in _DAYS),
        *((is_part, month, pl.lit(of)) for of in _DAYS),
        *((is_part, pl.lit(of), old) for of in _DAYS),
        *((is_part, old, pl.lit(of)) for of in _DAYS),
    ]  # fmt: skip
    return pl.any_horizontal(when & _is_ratio(over, under) for when, over, under in shares)


def _is_ratio(over: pl.Expr, under: pl.Expr) -> pl.Expr:
    top, bottom = over.cast(AMOUNT), under.cast(AMOUNT)
    apart = (pl.col("new_amount") * bottom - pl.col("old_amount") * top).abs()
    allowed = pl.col("units") * (top + bottom)
    return ((top > 0) & (bottom > 0) & (top != bottom) & (apart * 2 <= allowed)).fill_null(False)


def _shared_tax(judged: pl.DataFrame) -> pl.DataFrame:
    """Tax that follows from a net difference goes with it; the rest is a cause of its own."""
    zero = pl.lit(0).cast(AMOUNT)
    tax, net = pl.col("tax"), pl.col("net")
    base = pl.when(pl.col("old_amount") != 0).then(pl.col("old_amount"))
    # exact: the old rate as it was billed, of 18 decimals; what follows is rounded.
    rate = (pl.col("old_tax") / base).cast(AMOUNT).fill_null(zero)
    follows = rounded(net * rate, pl.col("currency"))
    rest = tax - follows
    is_small = rest.abs() <= pl.col("units")
    is_tax = pl.col("first") == "tax"
    takes_all = ~is_tax & (net != 0) & is_small
    own = (
        pl.when(is_tax)
        .then(zero)
        .when(takes_all)
        .then(tax)
        .when(net == 0)
        .then(pl.when(is_small).then(tax).otherwise(zero))
        .otherwise(follows)
    )
    named = judged.with_columns(
        tax_first=own.cast(AMOUNT),
        # Without a net difference, a unit of tax was rounded another way.
        first=pl.when(pl.col("first") == "none").then(pl.lit("rounding")).otherwise("first"),
    )
    return named.with_columns(
        tax_price=zero, tax_tax=(pl.col("tax") - pl.col("tax_first")).cast(AMOUNT)
    )
