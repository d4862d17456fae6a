"""Grants of contracts as tables, and what windows and charges use of them.

A use is at the first local day of its window. Days are told as UTC midnights: what is counted are
days of the contract's zone, whatever instants these are.
"""

from datetime import UTC, date, datetime, time
from functools import partial
from typing import NamedTuple

import polars as pl

from meterhouse.entitlements.drawdown import Drawn, draw
from meterhouse.entitlements.grants import ACCOUNT, GRANTS, MARKS, USES
from meterhouse.money import AMOUNT
from meterhouse.periods import INSTANT, boundary_expr
from meterhouse.pricing.modifiers.grant_top_ups import top_ups, topped
from meterhouse.pricing.modifiers.terms import amounts, days, field

# One row per grant as contracts say it, with its first day and the day from which it pays nothing.
TERMS = (
    *("contract_id", "id", "description", "unit", "kind", "amount", "unit_price", "priority"),
    *("items", "granted_on", "expires_on", "recurs_every", "recurs_unit", "lasts_every"),
    *("lasts_unit", "rollover_min", "rollover_max", "preserve_overage", "start_on", "end_on"),
    *("on", "paused"),
    *("top_up_below", "top_up_amount", "top_up_most", "reward_spend", "reward_items"),
)
# Components of the lines that grants are bought by: money, units, and money that is taxed when it
# is sold.
CREDIT_SALE, UNITS_SALE, VOUCHER_SALE = "credit_sale", "units_sale", "voucher_sale"
SALES = (CREDIT_SALE, UNITS_SALE, VOUCHER_SALE)
# Kind of such money in terms: it is used before tax as what was given is.
VOUCHER = "voucher"
BOUGHT = ("paid", VOUCHER)
_MONTHS = {"month": 1, "year": 12}
_DAYS = {"day": 1, "week": 7}


class Draws:
    """What grants paid, gathered while lines are made: frames of grant_balances; and
    `lines`, what top-ups are bought for."""

    def __init__(self) -> None:
        self.lines: list[pl.DataFrame] = []
        self.uses: list[pl.DataFrame] = []
        self.balances: list[pl.DataFrame] = []

    def keep(self, uses: pl.DataFrame, balances: pl.DataFrame) -> None:
        """Add what one kind of grants paid."""
        self.uses.append(uses)
        self.balances.append(balances)

    def add(self, other: "Draws") -> None:
        """Add what was gathered elsewhere."""
        self.lines += other.lines
        self.uses += other.uses
        self.balances += other.balances


class Used(NamedTuple):
    """Lots (GRANTS with `id` and `lot_on`) and what became of them."""

    lots: pl.DataFrame
    drawn: Drawn
    top_ups: pl.DataFrame


def grants_of(listed: pl.DataFrame) -> pl.DataFrame:
    """One row per grant, columns of TERMS, of the credits of contracts with their lives."""
    dated = _renewed(
        listed.with_columns(*amounts("amount", "unit_price"), *days("effective", "expires"))
    )
    recurs, lasts = pl.col("recurs").struct, pl.col("expires_after").struct
    is_voucher = pl.col("taxed") == "at_sale"
    told = dated.with_columns(
        kind=pl.when(is_voucher).then(pl.lit(VOUCHER)).otherwise("kind"),
        recurs_every=recurs.field("every"),
        recurs_unit=recurs.field("unit"),
        lasts_every=lasts.field("every"),
        lasts_unit=lasts.field("unit"),
        rollover_min=field("rollover", "min"),
        rollover_max=field("rollover", "max"),
        preserve_overage=pl.col("preserve_overage").fill_null(value=False),
        top_up_below=field("top_up", "below"),
        top_up_amount=field("top_up", "amount"),
        top_up_most=pl.col("top_up").struct.field("max_per_period"),
        reward_spend=field("reward", "spend"),
        reward_items=pl.col("reward").struct.field("items"),
    ).with_columns(expires_on=pl.col("expires"))
    # What is bought as money again and again lapses lot by lot; of a reward nobody knows yet when
    # it is granted.
    lots = (pl.col("unit") == "money") & (pl.col("kind") == "paid")
    is_dated = ~lots & pl.col("reward_spend").is_null()
    ends = pl.when(is_dated).then(lasting())
    return told.with_columns(expires_on=pl.coalesce("expires_on", ends)).select(TERMS)


def lasting() -> pl.Expr:
    """The day to which a grant holds by how long it lasts; null where it does not say."""
    later = moved("granted_on", "lasts_every", "lasts_unit")
    return pl.when(pl.col("lasts_unit").is_not_null()).then(later)


def _renewed(listed: pl.DataFrame) -> pl.DataFrame:
    """The grants with `granted_on`: one row for each renewal of those given at renewals."""
    is_on = pl.col("on") == "renewal"
    plain = listed.filter(is_on.fill_null(value=False).not_()).with_columns(
        granted_on=pl.coalesce("effective", "start_on")
    )
    many = (
        listed.filter(is_on)
        .with_columns(granted_on="term_ends")
        .explode("granted_on", empty_as_null=False, keep_nulls=False)
        .filter(pl.col("end_on").is_null() | (pl.col("granted_on") < pl.col("end_on")))
    )
    return pl.concat([plain, many.select(plain.columns)])


def moved(day: str, count: str, unit: str, times: pl.Expr | None = None) -> pl.Expr:
    """The day so many units later: months keep the day of the first, or end with a shorter one."""
    number = pl.col(count) if times is None else pl.col(count) * times
    months = pl.col(unit).replace_strict(_MONTHS, default=None, return_dtype=pl.Int64)
    size = pl.col(unit).replace_strict(_DAYS, default=None, return_dtype=pl.Int64)
    later = boundary_expr(pl.col(day), pl.col(day).dt.day().cast(pl.Int64), number * months)
    return pl.when(months.is_null()).then(pl.col(day) + pl.duration(days=number * size)).otherwise(
        later
    )  # fmt: skip


def refills(terms: pl.DataFrame, last: date) -> pl.DataFrame:
    """The grants that recur, one row for each day of a refill up to `last`: its `number`, from 1,
    and `refill_on`.

    While the contract lives and is not paused, and the grant has not expired.
    """
    recurring = terms.filter(pl.col("recurs_unit").is_not_null(), pl.col("granted_on") <= last)
    months = pl.col("recurs_unit").replace_strict(_MONTHS, default=None, return_dtype=pl.Int64)
    size = pl.col("recurs_unit").replace_strict(_DAYS, default=None, return_dtype=pl.Int64)
    gone = (pl.lit(last) - pl.col("granted_on")).dt.total_days()
    # No month is shorter than 28 days, so these are enough; what is too late is cut below.
    least = pl.col("recurs_every") * pl.coalesce(months * 28, size)
    numbers = pl.int_ranges(1, gone // least + 2)
    many = recurring.with_columns(number=numbers).explode(
        "number", empty_as_null=False, keep_nulls=False
    )
    at = moved("granted_on", "recurs_every", "recurs_unit", pl.col("number"))
    dated = many.with_columns(refill_on=at)
    on = pl.col("refill_on")
    lives = (pl.col("end_on").is_null() | (on < pl.col("end_on"))) & (
        pl.col("expires_on").is_null() | (on < pl.col("expires_on"))
    )
    return _not_paused(dated.filter((on <= last) & lives))


def _not_paused(refilled: pl.DataFrame) -> pl.DataFrame:
    """The refills but those of days on which their contract is paused."""
    key = ("contract_id", "id", "refill_on")
    pauses = (
        refilled.filter(pl.col("paused").list.len() > 0)
        .select(*key, "paused")
        .explode("paused", empty_as_null=False, keep_nulls=False)
        .unnest("paused")
    )
    on, until = pl.col("refill_on"), pl.col("until_on")
    inside = pauses.filter((pl.col("from_on") <= on) & (until.is_null() | (on < until)))
    return refilled.join(inside, on=list(key), how="anti", maintain_order="left")


def last_day(windows: pl.DataFrame, through: date) -> date:
    """The day through which grants are drawn: that of the run, or else of the last window."""
    newest = windows["window_start_on"].max()
    if through < date.max:
        return through
    return newest if isinstance(newest, date) else date(1970, 1, 1)


def instant(day: str) -> pl.Expr:
    """A day as the instant that stands for it here."""
    return pl.col(day).cast(pl.Datetime("us")).dt.replace_time_zone("UTC").cast(INSTANT)


def lots_of(terms: pl.DataFrame) -> pl.DataFrame:
    """The grants as GRANTS of the account of their contract, with `id` and `lot_on`."""
    named = terms.with_columns(
        customer_id="contract_id",
        # Refills name a grant by its id; what is given at renewals has none.
        grant_id=pl.when(pl.col("on") == "renewal")
        .then(pl.format("{}|{}", "id", pl.col("granted_on").dt.to_string("%Y-%m-%d")))
        .otherwise("id"),
        lot_on="granted_on",
        effective_at=instant("granted_on"),
        expires_at=instant("expires_on"),
        voided_at=pl.lit(None, dtype=INSTANT),
        # What was given is used before what was bought: a unit of money was bought for itself.
        cost_basis=pl.when(pl.col("kind") == VOUCHER).then(1).otherwise("unit_price"),
        granted_at=instant("granted_on"),
        items=pl.col("items").fill_null([]),
    )
    return named.select(*(pl.col(name).cast(kind) for name, kind in GRANTS.items()), "id", "lot_on")


def used(lots: pl.DataFrame, terms: pl.DataFrame, uses: pl.DataFrame, last: date) -> Used:
    """What the lots pay of `uses` (columns of USES) through the day `last`."""
    marks = refills(terms, last).select(
        customer_id="contract_id",
        unit="unit",
        grant_id="id",
        at=instant("refill_on"),
        preserve_overage=pl.lit(None, dtype=pl.Boolean),
    )
    # Within the last day: what begins on the next is not there yet, what ends with it still holds.
    as_of = datetime.combine(last, time.max, UTC)
    marks, uses = marks.select(list(MARKS)), uses.select(list(USES))
    made = top_ups(lots, terms, uses, partial(draw, as_of=as_of, marks=marks, by_turn=True))
    lots = pl.concat([lots, topped(lots, made)])
    return Used(lots, draw(lots, uses, as_of, marks, by_turn=True), made)


def paid(found: Used) -> pl.DataFrame:
    """One row per use and grant, in order of payment: `share` of `granted`, `before` it others'."""
    lots = found.lots.select(*ACCOUNT, "grant_id", "id", granted="amount")
    burned = found.drawn.burned.with_row_index("turn")
    return (
        burned.join(lots, on=[*ACCOUNT, "grant_id"], how="left")
        .group_by("customer_id", "use_id", "id")
        .agg(
            pl.col("turn").min(),
            share=pl.col("quantity").sum().cast(AMOUNT),
            granted=pl.col("granted").sort_by("turn").first(),
        )
        .sort("turn")
        .rename({"customer_id": "contract_id"})
        .with_columns(
            before=(pl.col("share").cum_sum() - pl.col("share")).over("contract_id", "use_id")
        )
    )
