"""In which file each event comes, and what goes wrong on the way.

Files of one source are numbered from 0, `slices` a month; the file after them brings the
correction of stage 4. Adds columns file, outcome (accepted, duplicate, conflict, quarantined) and
fault (the reason a record was spoilt for, else null).
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from meterhouse.demo.calendar import DAY, MONTHS

STAGES = len(MONTHS)  # One a month, and one for the correction.
LATE_DAYS = 5
# Parts of 10,000. Of a month's last days, a sixth of it, one event in eight comes a month late.
LATE, REPEATED, SPOILT = 1_250, 100, 40


def delivered(
    events: pl.DataFrame, slices: int, reasons: Sequence[str], rng: np.random.Generator
) -> pl.DataFrame:
    """The events in files, with repeats in other files and records to be spoilt."""
    count = events.height
    chance = pl.Series(rng.integers(0, 10_000, count))
    is_late = (
        (events["left"] < LATE_DAYS * DAY)
        & (events["month"] < STAGES - 2)
        & pl.Series(rng.integers(0, 10_000, count) < LATE)
    )
    is_repeated, is_spoilt = chance < REPEATED, chance >= 10_000 - SPOILT
    turn = (is_spoilt.cum_sum() - 1) % len(reasons)
    numbers = range(len(reasons))
    fault = turn.replace_strict(numbers, reasons, return_dtype=pl.String, default=None)
    each = -(-31 // slices) * DAY
    within = (pl.col("into") // each).clip(0, slices - 1)
    first_of_next = (pl.col("month") + 1) * slices
    sent = events.with_columns(
        file=pl.when(is_late).then(first_of_next).otherwise(pl.col("month") * slices + within),
        fault=pl.select(pl.when(is_spoilt).then(fault)).to_series(),
        is_plain=~(is_late | is_repeated | is_spoilt),
    ).with_columns(
        outcome=pl.when(pl.col("fault").is_null())
        .then(pl.lit("accepted"))
        .otherwise(pl.lit("quarantined"))
    )
    return pl.concat([sent, _repeats(sent.filter(is_repeated), slices)])


def _repeats(originals: pl.DataFrame, slices: int) -> pl.DataFrame:
    """The same record in the next file; whichever of the two comes first is accepted."""
    final = (STAGES - 1) * slices - 1
    other = pl.when(pl.col("file") == final).then(final - 1).otherwise(pl.col("file") + 1)
    return originals.with_columns(file=other, outcome=pl.lit("duplicate"))


def contested(sent: pl.DataFrame, indices: Sequence[int], slices: int) -> pl.DataFrame:
    """The records, and two of each of these customers once more with other values.

    Both come in the first month, so the conflict is known before its window is billed.
    """
    of_interest = (
        pl.col("is_plain") & pl.col("index").is_in(list(indices)) & (pl.col("file") < slices - 1)
    )
    firsts = (
        sent.filter(of_interest).sort("at", "id").group_by("index", maintain_order=True).head(2)
    )
    others = firsts.with_columns(
        file=pl.col("file") + 1,
        outcome=pl.lit("conflict"),
        tokens_in=(pl.col("tokens_in").cast(pl.Int64) + 1).cast(pl.String),
    )
    return pl.concat([sent, others.select(sent.columns)])


def corrected(sent: pl.DataFrame, late: pl.DataFrame, slices: int) -> pl.DataFrame:
    """The records, and those of stage 4 behind them."""
    more = late.with_columns(
        file=pl.lit((STAGES - 1) * slices, pl.Int64),
        fault=pl.lit(None, pl.String),
        is_plain=pl.lit(True),
        outcome=pl.lit("accepted"),
    )
    return pl.concat([sent, more.select(sent.columns)])
