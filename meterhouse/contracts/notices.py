"""The terms of contracts as people ask for them: when notice is due, and what a year costs then."""

from datetime import date, timedelta

import polars as pl

from meterhouse.contracts.ahead import with_plans
from meterhouse.contracts.grid import DAYS, MONTHS
from meterhouse.contracts.segments import KEY, Series
from meterhouse.contracts.terms import TERMS, terms
from meterhouse.invoicing.rounding import rounded_at
from meterhouse.money import AMOUNT, PLACES
from meterhouse.pricing.rating import rate_windows

COLUMNS = (
    *("contract_id", "customer_id", "currency", "term_no", "starts_on", "ends_on", "notice_by"),
    *("renewal_kind", "outcome", "annual_value", "next_annual_value"),
)
TERM = ("contract_id", "term_no")
_PRICE = ("price_model", "price")
# Prices of terms that end later than this are not looked up: whoever gives notice asks earlier.
AHEAD = timedelta(days=400)


def contract_terms(
    contracts: pl.DataFrame,
    items: pl.DataFrame,
    renewals: pl.DataFrame,
    series: Series,
    horizon: date,
) -> pl.DataFrame:
    """One row per contract that has an end and term that begins before the horizon, of COLUMNS.

    `renewals` has all contracts with an end, in the columns of `Plans.renewals`. The values are
    what its fees of a year cost on the last day of the term and on the day after it; null where the
    term ends long after the horizon.
    """
    known = terms(renewals, series.plans.extensions, horizon)
    if known.is_empty():
        return _empty(contracts)
    far = horizon + AHEAD
    ended = _cancelled(known, contracts)
    last_day = pl.col("day") - pl.duration(days=1)
    near = ended.filter(pl.col("ends_on") <= far).select(*TERM, day="ends_on", is_near=True)
    told = with_plans(items, series, far + timedelta(days=1))
    before = annual_values(near.with_columns(day=last_day), items, told)
    after = annual_values(near, items, told)
    valued = (
        ended.join(near.select(*TERM, "is_near"), on=TERM, how="left")
        .join(before.rename({"value": "annual_value"}), on=TERM, how="left")
        .join(after.rename({"value": "next_annual_value"}), on=TERM, how="left")
    )
    goes_on = pl.col("outcome") == "renews"
    return (
        valued.with_columns(
            annual_value=_rounded(pl.col("annual_value")),
            next_annual_value=_rounded(pl.when(goes_on).then("next_annual_value")),
        )
        .select(COLUMNS)
        .sort(*TERM)
    )


def _rounded(value: pl.Expr) -> pl.Expr:
    """At the places of the currency; 0 where nothing is charged, null where nobody looked."""
    places = pl.col("currency").replace_strict(dict(PLACES), default=2, return_dtype=pl.Int64)
    some = pl.coalesce(value, pl.lit(0).cast(AMOUNT))
    return pl.when("is_near").then(rounded_at(some, places))


def _cancelled(known: pl.DataFrame, contracts: pl.DataFrame) -> pl.DataFrame:
    """The terms with customer and currency; a cancellation ends the one it lies in.

    One with the period is told by its own day: when the periods that hold it end, the items say.
    """
    on = pl.col("last_on")
    is_late = (pl.col("cancellation_effective") == "at_once") & (pl.col("cancel_day") == "charged")
    days = pl.duration(days=is_late.fill_null(value=False).cast(pl.Int64))
    owners = contracts.select(
        "contract_id", "customer_id", "currency", last_on=pl.col("cancellation_on") + days
    )
    # An end that a pause leaves open is later than any cancellation.
    is_cut = on.is_not_null() & (on < pl.col("ends_on")).fill_null(value=True)
    return (
        known.join(owners, on="contract_id")
        .filter(on.is_null() | (on > pl.col("starts_on")))
        .with_columns(
            ends_on=pl.when(is_cut).then(on).otherwise("ends_on"),
            outcome=pl.when(is_cut).then(pl.lit("cancelled")).otherwise("outcome"),
        )
    )


def _empty(contracts: pl.DataFrame) -> pl.DataFrame:
    kinds = {**TERMS, "annual_value": AMOUNT, "next_annual_value": AMOUNT}
    own = contracts.schema
    return pl.DataFrame(schema={name: kinds.get(name) or own[name] for name in COLUMNS})


def annual_values(days: pl.DataFrame, items: pl.DataFrame, series: Series) -> pl.DataFrame:
    """contract_id, term_no and value: what the fees in force on a day cost in a year.

    `days` has contract_id, term_no and day; `series` those of `with_plans`.
    """
    fees = (
        items.filter(pl.col("meter_id").is_null())
        .join(days, on="contract_id")
        .filter(
            pl.col("slot_from") <= pl.col("day"),
            pl.col("day") < pl.col("slot_to"),
            pl.col("from_on").is_null() | (pl.col("from_on") <= pl.col("day")),
            pl.col("until_on").is_null() | (pl.col("until_on") > pl.col("day")),
        )
        .rename({name: f"own_{name}" for name in (*_PRICE, "fixed_quantity")})
        .drop("from_on")
    )
    held = _on_day(fees, [series.prices, series.planned], *_PRICE)
    held = _on_day(held, [series.quantities, series.planned], "quantity")
    held = _on_day(held, [series.planned], "is_uncharged")
    is_charged = ~pl.col("is_uncharged").fill_null(value=False)
    charged = held.filter(is_charged).with_columns(
        *(pl.coalesce(name, f"own_{name}").alias(name) for name in _PRICE),
        quantity=pl.coalesce("quantity", "own_fixed_quantity"),
    )
    every, unit = pl.col("cadence_every"), pl.col("cadence_unit")
    steps = unit.replace_strict({**MONTHS, **DAYS}, return_dtype=pl.Int64)
    in_year = pl.when(unit.is_in(list(MONTHS))).then(12).otherwise(365).cast(AMOUNT)
    # exact: for people who plan, never billed; rounded to the currency's places at the end.
    value = pl.col("amount") * in_year / (every * steps).cast(AMOUNT)
    valued = charged.with_columns(amount=_of_a_period(charged))
    return valued.group_by("contract_id", "term_no").agg(value=value.sum())


def _of_a_period(fees: pl.DataFrame) -> pl.Series:
    """What each fee costs for a whole period, whatever its price model is; unrounded."""
    one = pl.lit(1, pl.Int64)
    asked = fees.select(
        *(*_PRICE, "quantity"), window_id=pl.int_range(pl.len()).cast(pl.String),
        # Only what is rounded would depend on the currency.
        currency=pl.lit("EUR"), component=pl.lit("fee"),
        share_numerator=one, share_denominator=one,
    )  # fmt: skip
    return rate_windows(asked)["amount_unrounded"]


def _on_day(rows: pl.DataFrame, told: list[pl.DataFrame], *names: str) -> pl.DataFrame:
    """The rows with what the newest entry up to their day says, of those that say the last name."""
    known = pl.concat(
        one.filter(pl.col(names[-1]).is_not_null()).select(*KEY, "from_on", *names) for one in told
    )
    return rows.sort("day").join_asof(
        known.sort("from_on"), left_on="day", right_on="from_on", by=list(KEY),
        strategy="backward", check_sortedness=False,
    ).drop("from_on")  # fmt: skip
