"""Top-ups: what is added to a grant whenever a use leaves no more of it than a level.

A top-up is dated by the use that made it, and pays the rest of it. What a grant is asked for hangs
on what those before it hold, not on what it holds itself: so one drawing of a grant without bounds
tells all that it is asked for, and sums tell the top-ups of each month; those that are used before
it come first.
"""

from decimal import Decimal
from typing import Protocol

import polars as pl

from meterhouse.entitlements.drawdown import Drawn
from meterhouse.entitlements.grants import in_order
from meterhouse.money import AMOUNT

# One row per grant and day on which it was topped up, and the use that was the first to do it.
MADE: dict[str, pl.DataType | type[pl.DataType]] = {
    "contract_id": pl.String,
    "id": pl.String,
    "at": pl.Datetime("us", "UTC"),
    "use_id": pl.String,
    "added": AMOUNT,
}
_UNBOUNDED = pl.lit(Decimal(10**15), dtype=AMOUNT)
_GRANT = ("contract_id", "id")
_ZERO = pl.lit(0, dtype=AMOUNT)


class _Draws(Protocol):
    def __call__(self, grants: pl.DataFrame, uses: pl.DataFrame) -> Drawn: ...


def top_ups(
    lots: pl.DataFrame, terms: pl.DataFrame, uses: pl.DataFrame, draw: _Draws
) -> pl.DataFrame:
    """The top-ups (MADE) of grants that say so, by what `draw` gives of lots and uses."""
    own = terms.filter(pl.col("top_up_below").is_not_null())
    found = pl.DataFrame(schema=MADE)
    # A round is one such grant of every contract.
    for _, rules in sorted(_in_turn(lots, own).partition_by("turn", as_dict=True).items()):
        known = pl.concat([lots, topped(lots, found)])
        asked = _asked(known, rules.drop("turn"), uses, draw)
        found = pl.concat([found, _by_month(asked, rules)])
    return found


def _in_turn(lots: pl.DataFrame, own: pl.DataFrame) -> pl.DataFrame:
    """The rules of grants with their `turn` among those of their contract."""
    ranks = in_order(lots).select("rank", contract_id="customer_id", id="id")
    turn = pl.col("rank").rank("ordinal").over("contract_id")
    return (
        own.join(ranks, on=_GRANT)
        .with_columns(turn=turn)
        .select(*_GRANT, "amount", "top_up_below", "top_up_amount", "top_up_most", "turn")
    )


def _by_month(asked: pl.DataFrame, rules: pl.DataFrame) -> pl.DataFrame:
    """The top-ups (MADE) of what is asked of the grants of the rules."""
    state, found = rules.select(*_GRANT, balance="amount"), [pl.DataFrame(schema=MADE)]
    # A round is a month of every contract: what was left of one is there in the next.
    for _, month in sorted(asked.partition_by("month", as_dict=True).items()):
        counted = _counted(month.join(state, on=_GRANT))
        ended = counted.group_by(_GRANT).agg(pl.col("ends").last())
        state = (
            state.join(ended, on=_GRANT, how="left")
            .with_columns(balance=pl.coalesce("ends", "balance"))
            .drop("ends")
        )
        found.append(_made(counted))
    return pl.concat(found)


def _asked(
    lots: pl.DataFrame, rules: pl.DataFrame, uses: pl.DataFrame, draw: _Draws
) -> pl.DataFrame:
    """What each use asks of the grants, in order, with their rules and its month."""
    is_mine = pl.struct("customer_id", "id").is_in(
        rules.select(key=pl.struct(customer_id="contract_id", id="id"))["key"].implode()
    )
    unbounded = lots.with_columns(amount=pl.when(is_mine).then(_UNBOUNDED).otherwise("amount"))
    numbers = uses.select("customer_id", "use_id", "use_no")
    return (
        draw(unbounded, uses)
        .burned.select("customer_id", "use_id", "at", "quantity", id="grant_id")
        .join(numbers, on=["customer_id", "use_id"])
        .rename({"customer_id": "contract_id"})
        .join(rules.drop("amount"), on=_GRANT)
        .with_columns(month=pl.col("at").dt.truncate("1mo"))
        .sort(*_GRANT, "at", "use_no")
    )


def _counted(month: pl.DataFrame) -> pl.DataFrame:
    """The uses of a month with `new` top-ups of each, and what is left after the last."""
    asked = pl.col("quantity").cum_sum().over(_GRANT)
    room = pl.col("balance") - pl.col("top_up_below")
    whole = (pl.col("asked") - room) // pl.col("top_up_amount") + Decimal(1)
    needed = pl.when(pl.col("asked") < room).then(_ZERO).otherwise(whole)
    most = pl.col("top_up_most").cast(AMOUNT)
    held = pl.col("balance") + pl.col("count") * pl.col("top_up_amount")
    return (
        month.with_columns(asked=asked)
        .with_columns(count=pl.min_horizontal(needed, most).cast(AMOUNT))
        .with_columns(
            new=pl.col("count") - pl.col("count").shift(1).over(_GRANT).fill_null(_ZERO),
            ends=(held - pl.min_horizontal("asked", held)).cast(AMOUNT),
        )
    )


def _made(counted: pl.DataFrame) -> pl.DataFrame:
    added = (pl.col("new") * pl.col("top_up_amount")).sum()
    summed = counted.filter(pl.col("new") > 0).group_by(*_GRANT, "at", maintain_order=True)
    made = summed.agg(pl.col("use_id").first(), added=added)
    return made.select(pl.col(name).cast(kind) for name, kind in MADE.items())


def topped(lots: pl.DataFrame, made: pl.DataFrame) -> pl.DataFrame:
    """The lots that top-ups add, each from its day on."""
    joined = made.rename({"contract_id": "customer_id"}).join(lots, on=["customer_id", "id"])
    day = pl.col("at").dt.date()
    return joined.with_columns(
        grant_id=pl.format("{}|{}", "id", day.dt.to_string("%Y-%m-%d")),
        amount="added",
        effective_at="at",
        granted_at="at",
        lot_on=day,
    ).select(lots.columns)
