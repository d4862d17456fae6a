"""What each grant paid of each window, and what is left of each refill."""

import polars as pl

from meterhouse.entitlements.grants import ACCOUNT, ends_at
from meterhouse.money import AMOUNT
from meterhouse.periods import INSTANT
from meterhouse.pricing.modifiers.grants import Used
from meterhouse.pricing.modifiers.terms import zero

# One row per grant, refill and window that it paid (a part of).
USES: dict[str, pl.DataType | type[pl.DataType]] = {
    "contract_id": pl.String,
    "grant_id": pl.String,
    "granted_on": pl.Date,
    "unit": pl.String,
    "kind": pl.String,
    "window_id": pl.String,
    "item_id": pl.String,
    "window_start_on": pl.Date,
    "window_end_on": pl.Date,
    "quantity": AMOUNT,
}
# One row per grant and refill: granted + carried = used + passed_on + expired + remaining.
BALANCES: dict[str, pl.DataType | type[pl.DataType]] = {
    "contract_id": pl.String,
    "grant_id": pl.String,
    "granted_on": pl.Date,
    "until_on": pl.Date,
    "unit": pl.String,
    "kind": pl.String,
    **dict.fromkeys(("granted", "carried", "used", "passed_on", "expired", "remaining"), AMOUNT),
}
_GRANT = (*ACCOUNT, "grant_id")
_NEVER = pl.lit(9999).cast(pl.Int32)


def use_rows(found: Used, windows: pl.DataFrame) -> pl.DataFrame:
    """Columns of USES; `windows` says use_id, charge_id and the days of each use."""
    known = found.lots.select(*_GRANT, "id", "kind")
    told = (
        _placed(found)
        .join(known, on=_GRANT, how="left")
        .group_by("customer_id", "unit", "id", "kind", "opened_at", "use_id")
        .agg(quantity=pl.col("quantity").sum())
        .join(windows, left_on=["customer_id", "use_id"], right_on=["contract_id", "use_id"])
        .with_columns(
            contract_id="customer_id",
            grant_id="id",
            granted_on=pl.col("opened_at").dt.date(),
            window_id="charge_id",
        )
    )
    # Lines of one window with several dimension values are one use of it.
    keys = [name for name in USES if name != "quantity"]
    summed = told.group_by(keys).agg(pl.col("quantity").sum())
    return summed.select(pl.col(name).cast(kind) for name, kind in USES.items()).sort(keys)


def balance_rows(found: Used) -> pl.DataFrame:
    """Columns of BALANCES, as of the last day that was drawn."""
    spent = _placed(found).group_by(*_GRANT, "opened_at").agg(used=pl.col("quantity").sum())
    holds = found.drawn.balances.select(*_GRANT, "balance")
    opened = found.drawn.openings.sort(*_GRANT, "opened_at").with_columns(
        next_at=pl.col("opened_at").shift(-1).over(_GRANT),
        next_before=pl.col("before").shift(-1).over(_GRANT),
        next_after=pl.col("after").shift(-1).over(_GRANT),
    )
    lots = found.lots.select(*_GRANT, "id", "kind", "amount", ends=ends_at())
    joined = (
        opened.join(spent, on=[*_GRANT, "opened_at"], how="left")
        .join(lots, on=_GRANT, how="left")
        .join(holds, on=_GRANT, how="left")
    )
    return _told(joined).sort("contract_id", "grant_id", "granted_on")


def _told(joined: pl.DataFrame) -> pl.DataFrame:
    is_last = pl.col("next_at").is_null()
    used = pl.col("used").fill_null(zero())
    rest = pl.col("after") - used
    rolled = pl.col("next_after") - pl.col("amount")
    passed = pl.when(is_last).then(zero()).otherwise(pl.min_horizontal("next_before", rolled))
    remaining = pl.when(is_last).then("balance").otherwise(zero())
    # A grant without an end has none to tell.
    ends = pl.when(pl.col("ends").dt.year() < _NEVER).then(pl.col("ends").dt.date())
    keys = ("contract_id", "grant_id", "granted_on", "unit", "kind")
    rows = joined.with_columns(
        contract_id="customer_id",
        grant_id="id",
        granted_on=pl.col("opened_at").dt.date(),
        until_on=pl.coalesce(pl.col("next_at").dt.date(), ends),
        granted="amount",
        carried=pl.col("after") - pl.col("amount"),
        used=used,
        passed_on=passed,
        remaining=remaining,
        expired=rest - passed - remaining,
    )
    # Top-ups of one day are told together.
    summed = rows.group_by(keys).agg(
        pl.col("until_on").max(),
        pl.col("granted", "carried", "used", "passed_on", "expired", "remaining").sum(),
    )
    return summed.select(pl.col(name).cast(kind) for name, kind in BALANCES.items())


def _placed(found: Used) -> pl.DataFrame:
    """What was burned with `opened_at`: the refill that paid it."""
    opened = found.drawn.openings.select(*_GRANT, "opened_at").sort("opened_at")
    burned = found.drawn.burned.with_columns(pl.col("paid_at").cast(INSTANT)).sort("paid_at")
    return burned.join_asof(
        opened, left_on="paid_at", right_on="opened_at", by=list(_GRANT), check_sortedness=False
    )
