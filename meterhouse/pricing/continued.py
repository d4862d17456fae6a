"""Rating of parts of a period: each at the place that the parts before it have reached.

A part costs what its own price asks for the period so far, less what it asks for the parts before:
splitting a period changes nothing, and a new price holds for what comes after it. A price whose
whole quantity lies in one tier (`volume`, `bulk_bps`) picks the tier by the period so far and
charges the units since it holds: units before it keep the price they had. Prorated levels are told
whole in each part; of them only the flat amounts go on.
"""

import polars as pl

from meterhouse.money import AMOUNT, QUANTITY, rounded
from meterhouse.pricing.divided import POSITION
from meterhouse.pricing.models import MODELS, PARTS
from meterhouse.pricing.rating import rate_windows
from meterhouse.pricing.steps import ZERO, spelled, text

# Each bucket has its own price whatever came before it.
_ALONE = ("bucketed", "flat", "windowed_commitment")
# Each part tells its whole level, so that only flat amounts would be charged again.
_PEAK, _FINAL = "prorated_graduated", "prorated_volume"
_LINEAR = ("dynamic", "per_unit")
_BY_EVENT = "bulk_bps"
_ASKED = ("window_id", "currency", "price_model", "price", "quantity")
_NOUGHT = pl.lit(ZERO, dtype=AMOUNT)
_NONE = pl.lit(None, dtype=AMOUNT)
_READING = [name for name, model in MODELS.items() if model.reads_parts]


def rate(windows: pl.DataFrame, parts: pl.DataFrame | None = None) -> pl.DataFrame:
    """What `rate_windows` gives; windows with `nth` go on where the parts before them ended."""
    if "nth" not in windows.columns:
        return rate_windows(windows, parts)
    nothing = pl.DataFrame(schema=dict(PARTS))
    numbered = windows.with_row_index("row_no")
    divided = numbered.filter(pl.col("nth").is_not_null())
    own = nothing if parts is None else parts.join(divided, on="window_id", how="semi")
    placed = _placed(divided, own)
    later = placed.filter(_goes_on())
    if later.is_empty():
        return rate_windows(windows, parts)
    alone = numbered.filter(~pl.col("row_no").is_in(later["row_no"].implode()))
    rated = rate_windows(alone.drop("row_no"), parts)
    both = pl.concat([rated, _continued(later, placed, own).select(rated.columns)])
    places = pl.concat([alone["row_no"], later["row_no"]])
    return both.with_columns(places).sort("row_no").drop("row_no")


def _placed(divided: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """The parts of periods with what is reached after and `before` each, the `run` of one price
    that it belongs to, and where that run began.

    `value_*` are the same of values that single events say, where there are any.
    """
    read = parts.group_by("window_id").agg(
        read=pl.col("quantity").cast(AMOUNT).clip(lower_bound=ZERO).sum(),
        peak=pl.col("quantity").cast(AMOUNT).sort_by("part_no").cum_sum().max(),
        final=pl.col("quantity").cast(AMOUNT).sum(),
    )
    own = pl.col("quantity").cast(AMOUNT)
    ordered = (
        divided.join(read, on="window_id", how="left", maintain_order="left")
        .with_columns(pl.coalesce("read", own.clip(lower_bound=ZERO)).alias("read"))
        .sort(*POSITION, "nth")
        .with_columns(
            group=pl.struct(POSITION).rle_id(),
            run=(pl.col("price") != pl.col("price").shift(1).over(POSITION))
            .fill_null(value=False)
            .cum_sum()
            .over(POSITION),
            after=own.cum_sum().over(POSITION),
            value_after=pl.col("read").cum_sum().over(POSITION),
        )
        .with_columns(
            before=pl.col("after") - own, value_before=pl.col("value_after") - pl.col("read")
        )
    )
    peak = pl.col("peak").fill_null(ZERO).clip(lower_bound=ZERO)
    final = pl.col("final").fill_null(ZERO)
    is_final = pl.col("price_model") == _FINAL
    ordered = ordered.with_columns(
        level=pl.when(is_final).then(final).otherwise(peak),
        level_after=pl.when(is_final).then(final).otherwise(peak.cum_max().over(POSITION)),
    ).with_columns(level_before=pl.col("level_after").shift(1).over(POSITION).fill_null(ZERO))
    run = ("group", "run")
    return ordered.with_columns(
        run_nth=pl.col("nth").first().over(run), run_before=pl.col("before").first().over(run)
    )


def _goes_on() -> pl.Expr:
    """Whether the parts before change what a part costs."""
    model = pl.col("price_model")
    positive = (pl.col("before") >= 0) & (pl.col("quantity") >= 0)
    return (pl.col("nth") > 0) & ~model.is_in(_ALONE) & ~(model.is_in(_LINEAR) & positive)


def _continued(later: pl.DataFrame, placed: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """What `rate_windows` gives of the parts that go on."""
    terms = _terms(later)
    rated = rate_windows(terms, _parts_of(terms, placed, parts))
    signed = terms.select("window_id", "of", "sign", "is_main").join(rated, on="window_id")
    amount = pl.col("sign").cast(AMOUNT) * pl.col("amount_unrounded")
    summed = signed.group_by("of").agg(
        amount_unrounded=amount.sum(),
        main=pl.col("amount_unrounded").filter("is_main").first(),
        steps=pl.col("steps").filter("is_main").first(),
    )
    told = later.join(
        summed, left_on="window_id", right_on="of", validate="1:1", maintain_order="left"
    ).with_columns(steps=_led())
    return told.select(
        "window_id",
        pl.col("quantity").cast(QUANTITY),
        "amount_unrounded",
        amount=rounded(pl.col("amount_unrounded"), pl.col("currency")),
        steps="steps",
    )


def _led() -> pl.Expr:
    """The steps of the period so far after one that takes off what came before the part."""
    off = spelled(
        "earlier",
        amount=text(pl.col("amount_unrounded") - pl.col("main")),
        from_="0",
        quantity=text(pl.col("before")),
        to=text(pl.col("before")),
    )
    inside = pl.col("steps").str.strip_prefix("[").str.strip_suffix("]")
    return pl.format("[{}]", pl.concat_str(off, pl.lit(","), inside).str.strip_suffix(","))


def _terms(later: pl.DataFrame) -> pl.DataFrame:
    """One row per amount that a part is put together from: its sign, quantity, the quantity that
    picks the tier (null: its own), the places whose parts are read, `first` to `last`, and the
    level whose flat amounts are asked for alone."""
    model, run = pl.col("price_model"), pl.col("run")
    by_volume = (model == "volume") & (run > 0)
    by_event = model == _BY_EVENT
    repeats = pl.col("nth") > pl.col("run_nth")
    after, before, start = pl.col("after"), pl.col("before"), pl.col("run_before")
    null, last = _NONE, pl.col("nth")
    by_level = model.is_in([_PEAK, _FINAL])
    plain = ~by_volume & ~by_event & ~by_level
    zero = pl.lit(0, dtype=pl.Int64)
    rows = [
        _term(later.filter(plain), 1, after, null, zero, last, is_main=True),
        _term(later.filter(plain), -1, before, null, zero, last - 1),
        _term(
            later.filter(by_event), 1, after - start, pl.col("value_after"), pl.col("run_nth"),
            last, is_main=True,
        ),
        _term(
            later.filter(by_event & repeats), -1, before - start, pl.col("value_before"),
            pl.col("run_nth"), last - 1,
        ),
    ]  # fmt: skip
    leveled = later.filter(by_level)
    rows.append(_term(leveled, 1, pl.col("quantity"), null, last, last, is_main=True))
    for sign, level in ((-1, "level"), (1, "level_after"), (-1, "level_before")):
        rows.append(_term(leveled, sign, _NOUGHT, null, zero, zero, level=pl.col(level)))
    volume = later.filter(by_volume)
    for sign, reached, of in ((1, after, volume), (-1, before, volume.filter(repeats))):
        rows += [
            _term(of, sign, reached, reached, zero, zero, is_main=sign > 0),
            _term(of, -sign, start, reached, zero, zero),
            _term(of, sign, _NOUGHT, reached, zero, zero),
            _term(of, -sign, _NOUGHT, start, zero, zero),
        ]
    return pl.concat(rows).with_columns(
        of="window_id",
        window_id=pl.format("{}/{}", "window_id", pl.int_range(pl.len()).over("window_id")),
    )


def _term(
    later: pl.DataFrame,
    sign: int,
    quantity: pl.Expr,
    tier_quantity: pl.Expr,
    first: pl.Expr,
    last: pl.Expr,
    *,
    is_main: bool = False,
    level: pl.Expr = _NONE,
) -> pl.DataFrame:
    return later.with_columns(quantity=quantity.cast(QUANTITY)).select(
        *_ASKED,
        "group",
        sign=pl.lit(sign),
        tier_quantity=tier_quantity.cast(AMOUNT),
        first=first.cast(pl.Int64),
        last=last.cast(pl.Int64),
        is_main=pl.lit(value=is_main),
        level=level.cast(AMOUNT),
    )


def _parts_of(terms: pl.DataFrame, placed: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """The parts that the terms read, in the order of time, as PARTS of the terms.

    A window that has a quantity and no parts, its own price needs none, is one part.
    """
    has_level = pl.col("level").is_not_null()
    reading = terms.filter(pl.col("price_model").is_in(_READING), ~has_level)
    members = placed.select("group", "nth", member="window_id", own="quantity")
    read = reading.select("window_id", "group", "first", "last").join(members, on="group")
    within = read.filter(pl.col("nth").is_between("first", "last"))
    told = within.join(parts.rename({"window_id": "member"}), on="member")
    whole = within.join(parts, left_on="member", right_on="window_id", how="anti").filter(
        pl.col("own") > 0
    )
    one = pl.lit(1, dtype=pl.Int64)
    untold = whole.with_columns(
        keys=pl.lit("{}"), quantity="own", part_no=one, weight_numerator=one, weight_denominator=one
    )
    # A level for no time costs its flat amounts.
    flats = terms.filter(has_level).with_columns(
        nth=pl.lit(0, dtype=pl.Int64), keys=pl.lit("{}"), quantity="level", part_no=one,
        weight_numerator=one - 1, weight_denominator=one,
    )  # fmt: skip
    columns = ["window_id", "nth", *(name for name in PARTS if name != "window_id")]
    return (
        pl.concat([one.select(columns) for one in (told, untold, flats)], how="vertical_relaxed")
        .sort("window_id", "nth", "part_no")
        .with_columns(part_no=pl.int_range(1, pl.len() + 1).over("window_id"))
        .select(pl.col(name).cast(kind) for name, kind in PARTS.items())
    )
