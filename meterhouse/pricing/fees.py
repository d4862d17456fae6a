"""Fees of any model: what a fixed quantity costs in a full period, by the part that is charged.

A fee reads no meter. `flat` does all of this itself; the other models say what a full period costs.
What was charged in the period already (`above_quantity`) is taken off at the same price.
"""

import polars as pl

from meterhouse.money import AMOUNT, QUANTITY
from meterhouse.pricing.flat import CREDIT, charged_days, less_unused
from meterhouse.pricing.models import MODELS, PARTS
from meterhouse.pricing.steps import ZERO, spelled, text

_READING = [name for name, model in MODELS.items() if model.reads_parts]


def is_here(windows: pl.DataFrame) -> bool:
    """Whether any of the windows is such a fee."""
    return "component" in windows.columns and bool(windows.select(_is_fee().any()).item())


def asked(windows: pl.DataFrame, parts: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What is to rate for numbered windows: fees at the quantity they reach, and once more at the
    one that was charged before, by numbers above all others; a fixed quantity is the one part of
    models that read parts."""
    above = _above(windows)
    reached = pl.col("quantity").cast(AMOUNT) + above
    raised = pl.when(_is_fee()).then(reached).otherwise("quantity").cast(QUANTITY)
    before = windows.filter(_is_fee() & (above > 0)).with_columns(
        window_id=pl.col("window_id") + windows.height, quantity=above.cast(QUANTITY)
    )
    told = pl.concat([windows.with_columns(quantity=raised), before])
    reading = told.filter(_is_fee() & pl.col("price_model").is_in(_READING))
    one = pl.lit(1, dtype=pl.Int64)
    whole = reading.select(
        "window_id", "quantity", part_no=one, keys=pl.lit("{}"), weight_numerator=one,
        weight_denominator=one,
    ).select(pl.col(name).cast(kind) for name, kind in parts.schema.items())  # fmt: skip
    others = parts.join(reading, on="window_id", how="anti")
    return told, pl.concat([others.select(list(PARTS)), whole])


def by_share(windows: pl.DataFrame, rated: pl.DataFrame) -> pl.DataFrame:
    """RATED of the windows: of fees the part of the full period, less what is unused of it."""
    fees = windows.filter(_is_fee())
    known = fees.select(_known(fees))
    is_off = pl.col("window_id") >= windows.height
    off = rated.filter(is_off).select(pl.col("window_id") - windows.height, off="amount_unrounded")
    full = (
        known.join(rated, on="window_id", validate="1:1")
        .join(off, on="window_id", how="left", validate="1:1")
        .with_columns(pl.col("off").fill_null(ZERO))
        .with_columns(full=pl.col("amount_unrounded") - pl.col("off"))
    )
    cut = full.with_columns(amount_unrounded=_part()).with_columns(steps=_steps())
    if "credit_numerator" in cut.columns and (cut["credit_numerator"] != 0).any():
        cut = less_unused(cut, pl.col("full"))
    others = rated.filter(~is_off).join(fees, on="window_id", how="anti")
    return pl.concat([others, cut.select(others.columns)])


def _is_fee() -> pl.Expr:
    return (pl.col("component") == "fee") & (pl.col("price_model") != "flat")


def _above(windows: pl.DataFrame) -> pl.Expr:
    told = pl.col("above_quantity") if "above_quantity" in windows.columns else pl.lit(None)
    return told.cast(AMOUNT).fill_null(ZERO)


def _known(fees: pl.DataFrame) -> list[pl.Expr]:
    """The columns that a part is reckoned from; by days where nothing says more."""
    days, of = charged_days(), (pl.col("period_end_on") - pl.col("period_start_on"))
    if "share_numerator" in fees.columns:
        share = [pl.col("share_numerator"), pl.col("share_denominator")]
    elif "period_end_on" in fees.columns:
        share = [days, of.dt.total_days()]
    else:
        share = [pl.lit(1, dtype=pl.Int64), pl.lit(1, dtype=pl.Int64)]
    credit = [pl.col(name) for name in CREDIT if name in fees.columns]
    return [
        pl.col("window_id"),
        *credit,
        _above(fees).alias("above"),
        share[0].alias("days"),
        share[1].alias("period_days"),
    ]


def _part() -> pl.Expr:
    # exact: multiplied first, divided once, with the budget of pricing/flat.py for its decimals.
    part = pl.col("full") * pl.col("days").cast(AMOUNT) / pl.col("period_days").cast(AMOUNT)
    return (
        pl.when(pl.col("days") == pl.col("period_days")).then("full").otherwise(part).cast(AMOUNT)
    )


def _steps() -> pl.Expr:
    """The steps of the full period, then what was charged before and what the part leaves out."""
    inside = pl.col("steps").str.strip_prefix("[").str.strip_suffix("]")
    before = spelled(
        "charged_before",
        amount=text(-pl.col("off")),
        from_="0",
        quantity=text(pl.col("above")),
        to=text(pl.col("above")),
    )
    part = spelled(
        "part",
        amount=text(pl.col("amount_unrounded") - pl.col("full")),
        days=pl.col("days").cast(pl.String),
        period_days=pl.col("period_days").cast(pl.String),
    )
    is_cut = pl.col("days") != pl.col("period_days")
    told = pl.concat_str(
        inside,
        pl.when(pl.col("off") != 0).then(pl.format(",{}", before)).otherwise(pl.lit("")),
        pl.when(is_cut).then(pl.format(",{}", part)).otherwise(pl.lit("")),
    )
    return pl.format("[{}]", told.str.strip_prefix(","))
