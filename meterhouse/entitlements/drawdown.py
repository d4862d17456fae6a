"""Use drawn from grants: all accounts at once, by running sums.

The time of an account is cut where a grant begins or ends, is refilled or reset. In each of these
segments the grants that hold are taken in their order, and each pays the next of what is open. A
round is one grant of one segment of every account: rounds are counted by the account with the most
of them, never by customers or rows.
"""

from datetime import datetime
from typing import NamedTuple

import polars as pl

from meterhouse.entitlements.grants import ACCOUNT, MARKS, ends_at, in_order
from meterhouse.money import AMOUNT
from meterhouse.periods import INSTANT

_ZERO = pl.lit(0, dtype=AMOUNT)
_BURNED: dict[str, pl.DataType | type[pl.DataType]] = {
    **dict.fromkeys(("customer_id", "unit", "grant_id", "use_id", "item_id"), pl.String),
    "at": INSTANT,
    "quantity": AMOUNT,
    "paid_at": INSTANT,
}
_OPENED: dict[str, pl.DataType | type[pl.DataType]] = {
    **dict.fromkeys(("customer_id", "unit", "grant_id"), pl.String),
    "opened_at": INSTANT,
    "before": AMOUNT,
    "after": AMOUNT,
}


class Drawn(NamedTuple):
    """What became of grants and use.

    `burned`: one row per grant, use and segment of time that it paid (a part of), in the order of
    payment, `paid_at` being the segment's beginning; `balances`: one row per grant, 0 where it
    holds no longer; `uses`: the uses with `paid` and `overage`, what is open and `is_settled` where
    a reset closed it; `openings`: one row per grant and time that it began, was refilled or reset,
    with its balance `before` and `after`; `left`: what is left of each grant, lapsed or not.
    """

    burned: pl.DataFrame
    balances: pl.DataFrame
    uses: pl.DataFrame
    openings: pl.DataFrame
    left: pl.DataFrame


class _State(NamedTuple):
    grants: pl.DataFrame
    uses: pl.DataFrame
    burned: list[pl.DataFrame]
    openings: list[pl.DataFrame]


def draw(
    grants: pl.DataFrame,
    uses: pl.DataFrame,
    as_of: datetime,
    marks: pl.DataFrame | None = None,
    *,
    by_turn: bool = False,
) -> Drawn:
    """What grants (GRANTS) pay of uses (USES) before `as_of`, and what is left of both then.

    Uses are paid in the order of time, `by_turn` in that of their `use_no` as long as no grant
    begins, ends or is refilled between them: as they are billed.
    """
    marked = pl.DataFrame(schema=dict(MARKS)) if marks is None else marks.select(list(MARKS))
    marked = marked.filter(pl.col("at") <= as_of)
    held = in_order(grants).with_columns(ends_at=ends_at(), left=_ZERO)
    open_uses = (
        uses.filter(pl.col("at") < as_of)
        .sort(*ACCOUNT, "at", "use_no", "use_id")
        .with_columns(open=pl.col("quantity").cast(AMOUNT), is_settled=pl.lit(False))
    )
    segments = _segments(held, marked, as_of)
    if by_turn:
        open_uses = _in_turn(open_uses, segments)
    state = _State(held, open_uses, [], [])
    for segment in segments:
        state = _spent(_opened(state, segment, marked), segment, marked)
    burned = pl.concat([_nothing(), *state.burned])
    holds = (pl.col("effective_at") <= as_of) & (pl.col("ends_at") > as_of)
    balances = state.grants.select(
        *ACCOUNT, "grant_id", balance=pl.when(holds).then("left").otherwise(_ZERO)
    )
    openings = pl.concat([pl.DataFrame(schema=_OPENED), *state.openings])
    left = state.grants.select(*ACCOUNT, "grant_id", "left")
    return Drawn(burned, balances, _with_overage(state.uses), openings, left)


def _nothing() -> pl.DataFrame:
    return pl.DataFrame(schema=_BURNED)


def _in_turn(uses: pl.DataFrame, segments: list[pl.DataFrame]) -> pl.DataFrame:
    """The uses in the order of their segments, in each by their number."""
    starts = pl.concat(
        [
            uses.clear().select(*ACCOUNT, start="at"),
            *(s.select(*ACCOUNT, "start") for s in segments),
        ]
    )
    placed = uses.sort("at").join_asof(
        starts.sort("start"), left_on="at", right_on="start", by=ACCOUNT, check_sortedness=False
    )
    # What is used before any grant begins stays first.
    return placed.sort(*ACCOUNT, "start", "use_no", "at", "use_id", nulls_last=False).drop("start")


def _with_overage(uses: pl.DataFrame) -> pl.DataFrame:
    paid = pl.col("quantity").cast(AMOUNT) - pl.col("open")
    return uses.with_columns(paid=paid, overage="open").drop("open")


def _segments(grants: pl.DataFrame, marks: pl.DataFrame, as_of: datetime) -> list[pl.DataFrame]:
    """The segments of every account by number: frames of one row per account, start and end."""
    instants = [
        grants.select(*ACCOUNT, at="effective_at"),
        grants.select(*ACCOUNT, at="ends_at"),
        marks.select(*ACCOUNT, "at"),
    ]
    cuts = pl.concat(instants).filter(pl.col("at") <= as_of).unique().sort(*ACCOUNT, "at")
    later = pl.col("at").shift(-1).over(ACCOUNT)
    # The last one also holds what begins at `as_of`: refills of that instant are in its balances.
    cut = cuts.rename({"at": "start"}).with_columns(
        end=cuts.select(end=later).to_series(), number=pl.int_range(pl.len()).over(ACCOUNT)
    )
    return [part for _, part in sorted(cut.partition_by("number", as_dict=True).items())]


def _opened(state: _State, segment: pl.DataFrame, marks: pl.DataFrame) -> _State:
    """Balances as the segment begins: of grants that begin, are refilled or reset."""
    now = marks.join(segment, left_on=[*ACCOUNT, "at"], right_on=[*ACCOUNT, "start"], how="semi")
    resets = (
        now.filter(pl.col("grant_id").is_null())
        .group_by(ACCOUNT)
        .agg(is_reset=pl.lit(True), keeps=pl.col("preserve_overage").any())
    )
    refills = now.filter(pl.col("grant_id").is_not_null()).select(
        *ACCOUNT, "grant_id", is_refilled=pl.lit(True)
    )
    joined = (
        state.grants.join(segment.select(*ACCOUNT, "start"), on=ACCOUNT, how="left")
        .join(resets, on=ACCOUNT, how="left")
        .join(refills.unique(), on=[*ACCOUNT, "grant_id"], how="left", maintain_order="left")
    )
    opened = joined.with_columns(before="left", left=_balance())
    grants, uses = opened.select(state.grants.columns), _settled(state.uses, segment, resets)
    return _State(grants, uses, state.burned, [*state.openings, _openings(opened)])


def _openings(opened: pl.DataFrame) -> pl.DataFrame:
    """The grants that began, were refilled or reset, before and after."""
    begins = pl.col("effective_at") == pl.col("start")
    is_marked = pl.col("is_refilled").fill_null(False) | pl.col("is_reset").fill_null(False)
    holds = (pl.col("effective_at") < pl.col("start")) & (pl.col("ends_at") > pl.col("start"))
    told = opened.filter(begins | (holds & is_marked))
    return told.select(*ACCOUNT, "grant_id", opened_at="start", before="before", after="left")


def _balance() -> pl.Expr:
    """What is left of a grant once its segment begins."""
    most, least = pl.col("rollover_max").fill_null(_ZERO), pl.col("rollover_min").fill_null(_ZERO)
    rolled = pl.min_horizontal(most, pl.max_horizontal(least, "left"))
    holds = (pl.col("effective_at") < pl.col("start")) & (pl.col("ends_at") > pl.col("start"))
    return (
        pl.when(pl.col("effective_at") == pl.col("start"))
        .then("amount")
        .when(holds & pl.col("is_refilled").fill_null(False))
        .then(pl.col("amount") + rolled)
        .when(holds & pl.col("is_reset").fill_null(False))
        .then(rolled)
        .otherwise("left")
        .cast(AMOUNT)
    )


def _settled(uses: pl.DataFrame, segment: pl.DataFrame, resets: pl.DataFrame) -> pl.DataFrame:
    """The uses, those before a reset closed unless it keeps them open."""
    closing = segment.join(resets.filter(~pl.col("keeps")), on=ACCOUNT, how="inner")
    joined = uses.join(
        closing.select(*ACCOUNT, "start"), on=ACCOUNT, how="left", maintain_order="left"
    )
    closed = (pl.col("at") < pl.col("start")).fill_null(False)
    return joined.with_columns(is_settled=pl.col("is_settled") | closed).drop("start")


def _spent(state: _State, segment: pl.DataFrame, marks: pl.DataFrame) -> _State:
    """The segment's uses paid by the grants that hold, one after the other."""
    holding = (
        state.grants.join(segment.select(*ACCOUNT, "start", "end"), on=ACCOUNT, how="inner")
        .filter(
            (pl.col("effective_at") <= pl.col("start"))
            & (pl.col("ends_at") > pl.col("start"))
            & (pl.col("left") > 0)
        )
        .join(_carrying(marks), on=[*ACCOUNT, "start"], how="left", maintain_order="left")
    )
    refilled = (pl.col("refilled").list.contains(pl.col("grant_id"))).fill_null(False)
    holding = holding.with_columns(
        is_carrying=pl.col("keeps").fill_null(False) | (refilled & pl.col("preserve_overage"))
    )
    for _, round_ in sorted(holding.partition_by("rank", as_dict=True).items()):
        state = _paid(state, round_)
    return state


def _carrying(marks: pl.DataFrame) -> pl.DataFrame:
    """By account and instant: the grants refilled then, and whether a reset keeps use open."""
    is_reset = pl.col("grant_id").is_null()
    return marks.group_by(*ACCOUNT, start="at").agg(
        refilled=pl.col("grant_id").drop_nulls(),
        keeps=(is_reset & pl.col("preserve_overage").fill_null(False)).any(),
    )


def _paid(state: _State, round_: pl.DataFrame) -> _State:
    """One round: at most one grant of each account pays what is open and in its scope."""
    facts = ("grant_id", "left", "start", "end", "items", "is_carrying", "effective_at")
    joined = state.uses.join(
        round_.select(*ACCOUNT, *facts), on=ACCOUNT, how="left", maintain_order="left"
    )
    in_scope = (pl.col("items").list.len() == 0) | pl.col("items").list.contains(pl.col("item_id"))
    within = (pl.col("at") < pl.col("end")).fill_null(True) & (pl.col("at") >= pl.col("start"))
    carried = pl.col("is_carrying") & (pl.col("at") < pl.col("start"))
    carried &= (pl.col("at") >= pl.col("effective_at")) & ~pl.col("is_settled")
    eligible = (in_scope.fill_null(False) & (within | carried)).fill_null(False)
    asked = joined.with_columns(_asked=pl.when(eligible).then("open").otherwise(_ZERO))
    before = pl.col("_asked").cum_sum().over(ACCOUNT) - pl.col("_asked")
    room = pl.max_horizontal(pl.col("left") - before, _ZERO)
    taken = asked.with_columns(_taken=pl.min_horizontal("_asked", room).fill_null(_ZERO))
    used = taken.filter(pl.col("_taken") > 0)
    burned = used.with_columns(quantity=pl.col("_taken").cast(AMOUNT), paid_at="start")
    burned = burned.select(list(_BURNED))
    sums = used.group_by(*ACCOUNT, "grant_id").agg(_used=pl.col("_taken").sum())
    uses = taken.with_columns(open=(pl.col("open") - pl.col("_taken")).cast(AMOUNT))
    left = (pl.col("left") - pl.col("_used").fill_null(_ZERO)).cast(AMOUNT)
    grants = state.grants.join(sums, on=[*ACCOUNT, "grant_id"], how="left", maintain_order="left")
    return _State(
        grants.with_columns(left=left).drop("_used"),
        uses.select(state.uses.columns),
        [*state.burned, burned],
        state.openings,
    )
