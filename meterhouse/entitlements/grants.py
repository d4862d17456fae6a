"""Grants: units or money that a customer may use up, and the order in which they are used."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

import polars as pl

from meterhouse.money import AMOUNT
from meterhouse.periods import INSTANT

ACCOUNT = ("customer_id", "unit")
# One row per grant. `unit` is a currency or a unit of the seller's; `amount` is in it. `cost_basis`
# is what one unit was paid (null or 0: given for nothing). `items` is what it may pay, empty: all.
GRANTS: Mapping[str, pl.DataType | type[pl.DataType]] = MappingProxyType(
    {
        "customer_id": pl.String,
        "unit": pl.String,
        "grant_id": pl.String,
        "kind": pl.String,
        "amount": AMOUNT,
        "effective_at": INSTANT,
        "expires_at": INSTANT,
        "voided_at": INSTANT,
        "priority": pl.Int64,
        "cost_basis": AMOUNT,
        "items": pl.List(pl.String),
        "granted_at": INSTANT,
        "rollover_min": AMOUNT,
        "rollover_max": AMOUNT,
        "preserve_overage": pl.Boolean,
    }
)
# One row per use, in any order: what is to be paid from grants, at which instant.
USES: Mapping[str, pl.DataType | type[pl.DataType]] = MappingProxyType(
    {
        "customer_id": pl.String,
        "unit": pl.String,
        "use_id": pl.String,
        "use_no": pl.Int64,
        "item_id": pl.String,
        "at": INSTANT,
        "quantity": AMOUNT,
    }
)
# One row per instant that changes balances: the refill of one grant (`grant_id`), or the reset of
# all grants of an account (null), which keeps unpaid use open only if it says `preserve_overage`.
MARKS: Mapping[str, pl.DataType | type[pl.DataType]] = MappingProxyType(
    {
        "customer_id": pl.String,
        "unit": pl.String,
        "grant_id": pl.String,
        "at": INSTANT,
        "preserve_overage": pl.Boolean,
    }
)
_NEVER = datetime(9999, 12, 31, tzinfo=UTC)
_WIDEST = 10**6


class Grant(NamedTuple):
    """One grant of one customer, for reading and for the scalar twin."""

    customer_id: str
    unit: str
    grant_id: str
    amount: Decimal
    effective_at: datetime
    kind: str = "promo"
    expires_at: datetime | None = None
    voided_at: datetime | None = None
    priority: int = 50
    cost_basis: Decimal | None = None
    items: tuple[str, ...] = ()
    granted_at: datetime | None = None
    rollover_min: Decimal | None = None
    rollover_max: Decimal | None = None
    preserve_overage: bool = False

    @property
    def ends_at(self) -> datetime:
        """The instant from which it pays nothing."""
        return min(self.expires_at or _NEVER, self.voided_at or _NEVER)

    @property
    def rank(self) -> tuple[object, ...]:
        """Priority, expiry, what was free first, the narrowest scope, age, id: a total order."""
        return (
            self.priority,
            self.expires_at or _NEVER,
            self.cost_basis or Decimal(0),
            len(self.items) or _WIDEST,
            self.granted_at or self.effective_at,
            self.grant_id,
        )


def frame(grants: list[Grant]) -> pl.DataFrame:
    """The grants as rows of GRANTS."""
    rows = [grant._asdict() | {"items": list(grant.items)} for grant in grants]
    return pl.DataFrame(rows, schema=dict(GRANTS))


def ends_at() -> pl.Expr:
    """The instant from which a grant pays nothing, in the far future where there is none."""
    never = pl.lit(_NEVER, dtype=INSTANT)
    return pl.min_horizontal(
        pl.col("expires_at").fill_null(never), pl.col("voided_at").fill_null(never)
    )


def in_order(grants: pl.DataFrame) -> pl.DataFrame:
    """The grants with `rank`: their place (from 0) in the order in which their account uses them.

    Priority, expiry (never last), cost basis (free first), narrowest scope, age, id.
    """
    scope = pl.col("items").list.len()
    ordered = grants.sort(
        pl.col("priority"),
        pl.col("expires_at").fill_null(pl.lit(_NEVER, dtype=INSTANT)),
        pl.col("cost_basis").fill_null(Decimal(0)),
        pl.when(scope == 0).then(_WIDEST).otherwise(scope),
        pl.coalesce("granted_at", "effective_at"),
        pl.col("grant_id"),
    )
    return ordered.with_columns(rank=pl.int_range(pl.len()).over(ACCOUNT))
