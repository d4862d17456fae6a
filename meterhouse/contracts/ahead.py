"""From phases and renewals to planned changes of items: what holds from which day."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

import polars as pl

from meterhouse.catalog.fields import DECIMAL_PLACES
from meterhouse.contracts.fee_prices import FEE_MODELS, FEE_PLACES
from meterhouse.contracts.planned import PLANNED, RATE, Plans
from meterhouse.contracts.scaling import scaled_all
from meterhouse.contracts.segments import KEY, Series
from meterhouse.contracts.terms import terms
from meterhouse.money import AMOUNT, QUANTITY

_ALWAYS = date(1, 1, 1)
_PRICE = ("price_model", "price")


def with_plans(items: pl.DataFrame, series: Series, horizon: date) -> Series:
    """The series with the changes that phases and renewals plan before the horizon."""
    plans = series.plans
    if plans.phases.is_empty() and plans.renewals.is_empty():
        return series
    items = items.join(_planning(plans), on="contract_id", how="semi")
    return series._replace(
        planned=planned_changes(items, series.quantities, series.prices, plans, horizon)
    )


def _planning(plans: Plans) -> pl.DataFrame:
    """The contracts that plan something."""
    return pl.concat([one.select("contract_id") for one in (plans.phases, plans.renewals)]).unique()


def planned_changes(
    items: pl.DataFrame,
    quantities: pl.DataFrame,
    prices: pl.DataFrame,
    plans: Plans,
    horizon: date,
) -> pl.DataFrame:
    """One row per item and day on which something of it changes as planned, columns of PLANNED; a
    null leaves that as it is. `items` has price_model, price, fixed_quantity, meter_id.
    """
    phased = _phased(items, quantities, prices, plans)
    renewed = _renewed(items, quantities, prices, phased, plans, horizon)
    both = pl.concat([phased, renewed, _paid_to(items, plans, horizon)], how="diagonal")
    return both.select(pl.col(name).cast(kind) for name, kind in PLANNED.items())


def _phased(
    items: pl.DataFrame, quantities: pl.DataFrame, prices: pl.DataFrame, plans: Plans
) -> pl.DataFrame:
    """What begins with phases: their own terms, or what holds where they no longer say any."""
    told = (
        items.select(*KEY, *_PRICE, "fixed_quantity", "meter_id")
        .rename({"price_model": "own_model", "price": "own_price"})
        .join(plans.phases, on=["contract_id", "slot_from"])
        .filter(pl.col("from_on").is_not_null())
        .join(plans.phase_items, on=[*KEY, "phase_no"], how="left")
        .sort(*KEY, "phase_no")
    )
    is_free = pl.col("is_free") & (pl.col("meter_id").is_null() | pl.col("covers_usage"))
    marked = told.with_columns(
        is_uncharged=is_free.fill_null(value=False) | ~pl.col("is_charged").fill_null(value=True)
    )
    with_base = _held(_held(marked, quantities, "quantity"), prices, "price", "price_model")
    changed = {name: _is_told_anew(name) for name in ("quantity", "price")}
    was_off = pl.col("is_uncharged").shift(1, fill_value=False).over(KEY, order_by="phase_no")
    is_model_told = pl.col("price").is_not_null()
    base_model = pl.coalesce("held_price_model", "own_model")
    return (
        with_base.with_columns(
            quantity=pl.when(changed["quantity"]).then(
                pl.coalesce("quantity", "held_quantity", "fixed_quantity").cast(QUANTITY)
            ),
            price_model=pl.when(changed["price"]).then(
                pl.when(is_model_told).then("price_model").otherwise(base_model)
            ),
            price=pl.when(changed["price"]).then(
                pl.coalesce("price", "held_price", "own_price")
            ),
            is_uncharged=pl.when(pl.col("is_uncharged") != was_off).then("is_uncharged"),
            reanchored_on=pl.when("is_reanchored").then("from_on"),
        )
        .filter(
            pl.any_horizontal(
                pl.col("quantity", "price", "is_uncharged", "reanchored_on").is_not_null()
            )
        )
        .select(PLANNED.names())
    )  # fmt: skip


def _is_told_anew(name: str) -> pl.Expr:
    """Whether a phase says another thing than the phase before, or again what a dated entry between
    the two had changed."""
    is_other = pl.col(name).ne_missing(pl.col(name).shift(1).over(KEY, order_by="phase_no"))
    before = pl.col("from_on").shift(1).over(KEY, order_by="phase_no")
    was_changed = pl.col(name).is_not_null() & (pl.col(f"{name}_held_on") > before)
    return is_other | was_changed.fill_null(value=False)


def _held(rows: pl.DataFrame, told: pl.DataFrame, *names: str) -> pl.DataFrame:
    """The rows with `held_<name>`: what a dated series says of their day, and `<name>_held_on`,
    since when."""
    held = told.select(
        *KEY,
        "from_on",
        pl.col("from_on").alias(f"{names[0]}_held_on"),
        **{f"held_{name}": pl.col(name) for name in names},
    )
    return rows.sort("from_on").join_asof(
        held.sort("from_on"), on="from_on", by=list(KEY), strategy="backward",
        check_sortedness=False,
    )  # fmt: skip


def _paid_to(items: pl.DataFrame, plans: Plans, horizon: date) -> pl.DataFrame:
    """Fees in advance are never paid beyond a term, whether it is renewed or not."""
    days = terms(plans.renewals, plans.extensions, horizon).filter(pl.col("term_no") > 0)
    is_paid_ahead = pl.col("meter_id").is_null() & (pl.col("timing") == "advance")
    return (
        items.filter(is_paid_ahead)
        .join(days, on="contract_id")
        .select(*KEY, from_on="starts_on")
    )  # fmt: skip


def _renewed(
    items: pl.DataFrame,
    quantities: pl.DataFrame,
    prices: pl.DataFrame,
    phased: pl.DataFrame,
    plans: Plans,
    horizon: date,
) -> pl.DataFrame:
    """The prices of the terms after the first one."""
    columns = (*KEY, "from_on", *_PRICE)
    days = _renewal_days(items, quantities, plans, horizon)
    told = pl.concat(
        [
            items.select(*KEY, pl.lit(_ALWAYS).alias("from_on"), *_PRICE),
            prices.select(columns),
            phased.filter(pl.col("price").is_not_null()).select(columns),
        ]
    )
    found = told.clear()
    # One pass for the first renewals of all contracts, one for the second: each builds on the last.
    for number in days["term_no"].unique().sort():
        now = days.filter(pl.col("term_no") == number)
        # What the contract itself says for that day stands.
        own = now.join(told, on=[*KEY, "from_on"], how="anti")
        before = own.sort("from_on").join_asof(
            pl.concat([told, found]).sort("from_on"), on="from_on", by=list(KEY),
            strategy="backward", check_sortedness=False,
        )  # fmt: skip
        found = pl.concat([found, _raised(before, plans).select(columns)])
    return found


def _renewal_days(
    items: pl.DataFrame, quantities: pl.DataFrame, plans: Plans, horizon: date
) -> pl.DataFrame:
    """One row per item and renewal that may give it another price, with `factor`, null for lists.

    A later slot says itself what holds from its own day on, where its price is not that before it.
    """
    priced = plans.renewals.filter(pl.col("renewal_kind").is_in(["uplift", "list_prices"]))
    if priced.is_empty():
        return items.select(*KEY).clear().with_columns(
            from_on=pl.lit(None, pl.Date), term_no=pl.lit(None, pl.Int64)
        )  # fmt: skip
    known = terms(priced, plans.extensions, horizon).filter(pl.col("term_no") > 0)
    since = pl.col("since_on")
    same = pl.col("price").eq_missing(
        pl.col("price").shift(1).over("contract_id", "item_id", order_by="slot_from")
    )
    first = pl.col("slot_from") == pl.col("slot_from").min().over("contract_id", "item_id")
    dated = items.with_columns(
        since_on=pl.when(first).then(pl.lit(_ALWAYS)).when(~same).then("slot_from")
    ).with_columns(since.forward_fill().over("contract_id", "item_id", order_by="slot_from"))
    return (
        factors(known, priced, plans.indexes)
        .join(
            dated.select(*KEY, "since_on", "meter_id", *_optional(dated, "list_price_id")),
            on="contract_id",
        )
        .join(_fee_places(items, quantities, plans), on=list(KEY), how="left")
        .filter(pl.col("from_on") > since)
    )


def _fee_places(items: pl.DataFrame, quantities: pl.DataFrame, plans: Plans) -> pl.DataFrame:
    """By KEY of fees, how many decimals the price of a unit may have beside its quantities."""
    fees = items.filter(pl.col("meter_id").is_null())
    told = pl.concat(
        [
            fees.select(*KEY, count=pl.col("fixed_quantity").cast(QUANTITY)),
            quantities.select(*KEY, count=pl.col("quantity").cast(QUANTITY)),
            plans.phase_items.select(*KEY, count=pl.col("quantity").cast(QUANTITY)),
        ]
    )
    decimals = pl.col("count").cast(pl.String).str.extract(r"\.(\d*?)0*$").str.len_chars()
    return told.group_by(KEY).agg(
        fee_places=pl.lit(FEE_PLACES, pl.Int64) - decimals.max().fill_null(0).cast(pl.Int64)
    )


def _optional(frame: pl.DataFrame, name: str) -> list[pl.Expr]:
    return [pl.col(name) if name in frame.columns else pl.lit(None, pl.String).alias(name)]


def factors(known: pl.DataFrame, priced: pl.DataFrame, indexes: pl.DataFrame) -> pl.DataFrame:
    """The renewals with what prices are multiplied by: the newest index since the one before."""
    rises = priced.select("contract_id", "percentage", "cap", "floor")
    days = (
        known.sort("contract_id", "term_no")
        .with_columns(from_on="starts_on")
        .join(rises, on="contract_id")
    )
    first = days.join(priced.select("contract_id", "start_on"), on="contract_id").with_columns(
        before_on=pl.coalesce(
            pl.col("from_on").shift(1).over("contract_id", order_by="term_no"), "start_on"
        )
    )
    indexed = first.sort("from_on").join_asof(
        indexes.select("contract_id", index_on="from_on", index="percentage").sort("index_on"),
        left_on="from_on", right_on="index_on", by="contract_id", strategy="backward",
        check_sortedness=False,
    )  # fmt: skip
    fresh = pl.when(pl.col("index_on") > pl.col("before_on")).then("index")
    rise = pl.coalesce("percentage", fresh, pl.lit(0).cast(RATE))
    limited = pl.max_horizontal(pl.min_horizontal(rise, "cap"), "floor")
    is_uplift = pl.col("renewal_kind") == "uplift"
    return indexed.select(
        "contract_id",
        "term_no",
        "from_on",
        "renewal_kind",
        factor=pl.when(is_uplift).then(limited + pl.lit(1).cast(RATE)),
    )


def _raised(before: pl.DataFrame, plans: Plans) -> pl.DataFrame:
    """The rows with the price of their new term."""
    by_list = before.filter(pl.col("renewal_kind") == "list_prices").drop(_PRICE)
    listed = _listed(by_list, plans.list_prices)
    risen = before.filter(pl.col("factor") != 1).join(
        plans.meters.group_by("meter_id").agg(pl.col("decimals").max()), on="meter_id", how="left"
    )
    # Parts of a flat fee are exact with whatever decimals: see pricing/flat.py.
    fine = pl.when(pl.col("price_model") != "flat").then("fee_places")
    places = pl.min_horizontal(
        pl.lit(AMOUNT.scale) - pl.col("decimals").fill_null(0), pl.lit(DECIMAL_PLACES), fine
    )
    asked = risen.select("price", "factor", places=places).unique(maintain_order=True)
    rows: Iterable[tuple[str, Decimal, int]] = asked.iter_rows()
    new = asked.with_columns(new_price=pl.Series("new_price", scaled_all(rows), pl.String))
    scaled = risen.with_columns(places=places).join(new, on=["price", "factor", "places"])
    return pl.concat(
        [
            scaled.select(*KEY, "from_on", "price_model", price="new_price"),
            listed.select(*KEY, "from_on", *_PRICE),
        ]
    )


def _listed(rows: pl.DataFrame, prices: pl.DataFrame) -> pl.DataFrame:
    """The list prices in force on the day of the renewal that the item can have: fee or usage."""
    found = rows.join(
        prices.rename({"slot_from": "listed_from", "slot_to": "listed_to"}), on="list_price_id"
    )
    is_usage = pl.col("meter_id").is_not_null()
    return found.filter(
        pl.col("listed_from") <= pl.col("from_on"),
        pl.col("from_on") < pl.col("listed_to"),
        pl.when(is_usage)
        .then(pl.col("price_model") != "flat")
        .otherwise(pl.col("price_model").is_in(FEE_MODELS)),
    )
