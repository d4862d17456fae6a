"""What should have been billed, minus what was: the lines to bill now."""

from datetime import date
from typing import NamedTuple

import polars as pl

from meterhouse.errors import MeterhouseError
from meterhouse.invoicing import causes
from meterhouse.invoicing.columns import KEY, select_line, with_line_key
from meterhouse.money import AMOUNT, QUANTITY
from meterhouse.pricing.order import MODIFIERS

_BILLED = (
    *("line_key", "billed", "original_number", "original_invoice_date", *KEY),
    *("customer_id", "entity_id", "terms_id", "timing"),
)


class Early(NamedTuple):
    """What is billed before it is due, because usage reached a threshold.

    `boundaries` (contract_id, due_on): what of a contract is billed now though it is due later.
    `begun` (line_key): lines that only such documents billed, of which the rest is to come.
    """

    boundaries: pl.DataFrame
    begun: pl.DataFrame


NOTHING_EARLY = Early(
    pl.DataFrame(schema={"contract_id": pl.String, "due_on": pl.Date}),
    pl.DataFrame(schema={"line_key": pl.String}),
)
_BOUNDARY = ("contract_id", "payer_id", "currency", "due_on")


class AmbiguousLines(MeterhouseError):
    """Two rows with one line key, of which each would bill the same window."""

    def __init__(self, side: str, windows: list[str]) -> None:
        self.windows = windows
        super().__init__(
            f"The {side} lines hold more than one row for {len(windows)} line keys, the first "
            f"being {windows[0]}; no line was made. Correct what writes them and run again."
        )


def difference(
    desired: pl.DataFrame,
    billed: pl.DataFrame,
    through: date,
    correction_on: date | None = None,
    early: Early = NOTHING_EARLY,
) -> pl.DataFrame:
    """One row per line to bill among the windows due `through` or billed `early`, columns as in
    `columns.LINE`.

    `billed` may say what people have `credited` of a line: so much of it stays billed at least.
    """
    known = _due(_complete(billed), through, early)
    # What was billed stays wanted, also where a change of terms would make it due later now.
    stays = pl.col("line_key").is_in(known["line_key"].implode())
    wanted = _due(with_line_key(desired), through, early, stays)
    _refuse_repeated(wanted, "desired")
    _refuse_repeated(known, "billed")
    lines = pl.concat([_wanted(wanted, known, early), _vanished(known, wanted)])
    is_first = ~pl.col("is_correction")
    is_early = is_first & (pl.col("due_on") > through)
    on = pl.lit(correction_on or through)
    boundary = pl.when(is_first & ~is_early).then("due_on").otherwise(on)
    return (
        lines.with_columns(amount=pl.col("desired_amount") - pl.col("already_billed"))
        .filter((is_first & ~is_early) | (pl.col("amount") != 0))
        .with_columns(boundary_on=boundary)
        .sort("contract_id", "item_id", "window_start_on", "line_key")
    )


def _due(
    frame: pl.DataFrame, through: date, early: Early, stays: pl.Expr | None = None
) -> pl.DataFrame:
    """What is due, or billed early; what `stays` in any case."""
    is_due = pl.col("due_on") <= through
    due = frame.filter(is_due if stays is None else is_due | stays)
    if early.boundaries.is_empty():
        return due
    open_ones = frame.filter(~is_due if stays is None else ~(is_due | stays))
    billed_now = open_ones.join(early.boundaries, on=["contract_id", "due_on"], how="semi")
    return pl.concat([due, billed_now])


def _complete(billed: pl.DataFrame) -> pl.DataFrame:
    """The billed lines with `due_on`, which follows from the timing when it was not kept."""
    missing = sorted(set(_BILLED) - set(billed.columns))
    if missing:
        raise TypeError(f"billed lacks the columns {', '.join(missing)}")
    if "credited" not in billed.columns:
        billed = billed.with_columns(credited=pl.lit(0).cast(AMOUNT))
    if "due_on" in billed.columns:
        return billed
    is_arrears = pl.col("timing") == "arrears"
    due = pl.when(is_arrears).then("window_end_on").otherwise("window_start_on")
    return billed.with_columns(due_on=due)


def _refuse_repeated(frame: pl.DataFrame, side: str) -> None:
    repeated = frame.filter(pl.col("line_key").is_duplicated())
    if repeated.height:
        name = pl.format("{} {} from {}", "contract_id", "item_id", "window_start_on")
        raise AmbiguousLines(side, repeated.select(name.unique().sort()).to_series().to_list())


def _wanted(wanted: pl.DataFrame, known: pl.DataFrame, early: Early) -> pl.DataFrame:
    columns = ("line_key", "billed", "credited", "original_number", "original_invoice_date")
    ended = known.join(early.begun, on="line_key", how="anti")
    joined = (
        wanted.join(known.select(columns), on="line_key", how="left")
        .join(causes.before(known), on="line_key", how="left")
        .join(_boundaries(ended), on=_BOUNDARY, how="left")
    )
    is_begun = pl.col("line_key").is_in(early.begun["line_key"].implode())
    # A modifier makes no line of nothing. One that is made of a boundary that was billed without
    # it corrects what was billed there.
    is_late = pl.col("role").is_in(MODIFIERS) & pl.col("billed_in").is_not_null()
    return select_line(
        joined.with_columns(
            desired_amount=_with_credited(),
            already_billed=pl.col("billed").fill_null(0),
            is_correction=(pl.col("billed").is_not_null() & ~is_begun) | is_late,
            original_number=pl.coalesce("original_number", pl.when(is_late).then("billed_in")),
            original_invoice_date=pl.coalesce(
                "original_invoice_date", pl.when(is_late).then("billed_on")
            ),
        ).with_columns(reason=_reason(), cause=causes.of_changed())
    )


def _boundaries(known: pl.DataFrame) -> pl.DataFrame:
    """One row per contract and boundary that was billed: the first document that did."""
    first = known.sort("original_invoice_date", "original_number").group_by(_BOUNDARY)
    return first.agg(
        billed_in=pl.col("original_number").first(),
        billed_on=pl.col("original_invoice_date").first(),
    )


def _with_credited() -> pl.Expr:
    """What is desired, and at least what people credited, which is not taken back once more."""
    amount, credited = pl.col("amount"), pl.col("credited")
    return (
        pl.when(credited > 0)
        .then(pl.max_horizontal(amount, credited))
        .when(credited < 0)
        .then(pl.min_horizontal(amount, credited))
        .otherwise(amount)
    )


def _vanished(known: pl.DataFrame, wanted: pl.DataFrame) -> pl.DataFrame:
    """Lines that were billed and are no longer asked for: nothing is desired, all goes back."""
    gone = causes.of_vanished(known.join(wanted, on="line_key", how="anti"), wanted, known)
    return select_line(
        gone.with_columns(
            determinant_id=pl.lit(None, pl.String),
            quantity=pl.lit(0).cast(QUANTITY),
            amount_unrounded=pl.lit(0).cast(AMOUNT),
            steps=pl.lit("[]"),
            desired_amount=pl.col("credited"),
            already_billed=pl.col("billed"),
            is_correction=pl.lit(True),
            reason=pl.format("nothing is due for this window any more; {} billed it", _original()),
        )
    )


def _reason() -> pl.Expr:
    """Why a line that was billed is billed again; null for a first line."""
    usage = "usage received, or price or contract changed, after {} was issued"
    fee = "price or contract changed after {} was issued"
    again = (
        pl.when(pl.col("role") == "usage")
        .then(pl.format(usage, _original()))
        .otherwise(pl.format(fee, _original()))
    )
    return pl.when("is_correction").then(again)


def _original() -> pl.Expr:
    return pl.col("original_number").fill_null("an earlier document")
