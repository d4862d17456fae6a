"""The terms of contracts as people ask for them: when notice is due, and what a year costs then."""

from datetime import date, timedelta

import polars as pl

from meterhouse.contracts.ahead import with_plans
from meterhouse.contracts.grid import DAYS, MONTHS
from meterhouse.contracts.segments import KEY, Series
from meterhouse.contracts.terms import TERMS, terms
from meterhouse.invoicing.rounding import rounded_at
from meterhouse.money import AMOUNT, PLACES

COLUMNS = (
    *("contract_id", "customer_id", "currency", "term_no", "starts_on", "ends_on", "notice_by"),
    *("renewal_kind", "outcome", "annual_value", "next_annual_value"),
)
TERM = ("contract_id", "term_no")
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
    """The terms with customer and currency; a cancellation ends the one it lies in."""
    on = pl.col("cancellation_on")
    owners = contracts.select("contract_id", "customer_id", "currency", "cancellation_on")
    is_cut = (on < pl.col("ends_on")).fill_null(value=False)
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
        items.filter(pl.col("price_model") == "flat")
        .join(days, on="contract_id")
        .filter(
            pl.col("slot_from") <= pl.col("day"),
            pl.col("day") < pl.col("slot_to"),
            pl.col("from_on").is_null() | (pl.col("from_on") <= pl.col("day")),
            pl.col("until_on").is_null() | (pl.col("until_on") > pl.col("day")),
        )
        .rename({"price": "own_price", "fixed_quantity": "own_quantity"})
        .drop("from_on")
    )
    held = _on_day(fees, [series.prices, series.planned], "price")
    held = _on_day(held, [series.quantities, series.planned], "quantity")
    held = _on_day(held, [series.planned], "is_uncharged")
    amount = pl.coalesce("price", "own_price").str.json_path_match("$.amount").cast(AMOUNT)
    quantity = pl.coalesce("quantity", "own_quantity").cast(AMOUNT)
    every, unit = pl.col("cadence_every"), pl.col("cadence_unit")
    steps = unit.replace_strict({**MONTHS, **DAYS}, return_dtype=pl.Int64)
    in_year = pl.when(unit.is_in(list(MONTHS))).then(12).otherwise(365).cast(AMOUNT)
    # exact: for people who plan, never billed; rounded to the currency's places at the end.
    value = amount * quantity * in_year / (every * steps).cast(AMOUNT)
    is_charged = ~pl.col("is_uncharged").fill_null(value=False)
    return held.filter(is_charged).group_by("contract_id", "term_no").agg(value=value.sum())


def _on_day(rows: pl.DataFrame, told: list[pl.DataFrame], name: str) -> pl.DataFrame:
    """The rows with what the newest entry up to their day says."""
    known = pl.concat(
        one.filter(pl.col(name).is_not_null()).select(*KEY, "from_on", name) for one in told
    )
    return rows.sort("day").join_asof(
        known.sort("from_on"), left_on="day", right_on="from_on", by=list(KEY),
        strategy="backward", check_sortedness=False,
    ).drop("from_on")  # fmt: skip
