"""What amounts of modifiers are multiplied by after renewals that raise them with the prices."""

from collections.abc import Iterable
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import cache

import polars as pl

from meterhouse.canonical import canonical_json
from meterhouse.catalog.fields import DECIMAL_PLACES, plain
from meterhouse.contracts.ahead import factors
from meterhouse.contracts.modifiers import ItemModifiers
from meterhouse.contracts.planned import Plans
from meterhouse.contracts.terms import terms
from meterhouse.money import AMOUNT

UPLIFTS = pl.Schema({"contract_id": pl.String(), "starts_on": pl.Date(), "factor": AMOUNT})
_EXACT = Context(prec=60)


def uplifts(contracts: pl.DataFrame, plans: Plans, horizon: date) -> pl.DataFrame:
    """One row per contract that raises its modifiers and term after its first one, of UPLIFTS.

    `contracts` has contract_id and raises_modifiers; a factor is that of all renewals so far.
    """
    mine = contracts.filter(pl.col("raises_modifiers")).select("contract_id")
    risen = plans.renewals.join(mine, on="contract_id", how="semi")
    if risen.is_empty():
        return pl.DataFrame(schema=UPLIFTS)
    known = terms(risen, plans.extensions, horizon).filter(pl.col("term_no") > 0)
    days = factors(known, risen, plans.indexes).with_columns(pl.col("factor").cast(AMOUNT))
    so_far = mine.select("contract_id", before=pl.lit(1).cast(AMOUNT))
    found = []
    # One pass for the first renewals of all contracts, one for the second: each raises the last.
    for number in days["term_no"].unique().sort():
        now = days.filter(pl.col("term_no") == number).join(so_far, on="contract_id")
        risen_by = now.with_columns(factor=(pl.col("factor") * pl.col("before")).cast(AMOUNT))
        so_far = risen_by.select("contract_id", before="factor")
        found.append(risen_by.select("contract_id", starts_on="from_on", factor="factor"))
    return pl.concat([pl.DataFrame(schema=UPLIFTS), *found])


def with_raised(windows: pl.DataFrame, risen: pl.DataFrame) -> pl.DataFrame:
    """The windows with the modifiers of their items as the term that they begin in has them."""
    if risen.is_empty():
        return windows
    dated = risen.select("contract_id", "factor", window_start_on="starts_on")
    placed = (
        windows.with_row_index("row")
        .sort("window_start_on")
        .join_asof(
            dated.sort("window_start_on"), on="window_start_on", by="contract_id",
            strategy="backward", check_sortedness=False,
        )
        .sort("row")
    )  # fmt: skip
    asked = placed.select("modifiers", "factor").drop_nulls().unique(maintain_order=True)
    rows: Iterable[tuple[str, Decimal]] = asked.iter_rows()
    made = asked.with_columns(raised=pl.Series("raised", [raised(*row) for row in rows], pl.String))
    joined = placed.join(made, on=["modifiers", "factor"], how="left", maintain_order="left")
    return joined.with_columns(modifiers=pl.coalesce("raised", "modifiers")).select(windows.columns)


@cache
def raised(modifiers: str, factor: Decimal) -> str:
    """The canonical JSON of an item's modifiers of which every amount of a period is that much
    more; quantities, shares and caps of a life stay."""
    told = ItemModifiers.model_validate_json(modifiers).model_dump(mode="json", by_alias=True)
    limits = (told.get(name) for name in ("minimum", "maximum", "commitment"))
    for part in [*told.get("discounts", ()), *limits]:
        for name in ("amount", "cap"):
            if part is not None and part.get(name) is not None:
                part[name] = _times(Decimal(part[name]), factor)
    return canonical_json(told)


def _times(amount: Decimal, factor: Decimal) -> str:
    """Rounded half up to the decimals that amounts may have."""
    product = _EXACT.multiply(amount, factor)
    return plain(product.quantize(Decimal(1).scaleb(-DECIMAL_PLACES), ROUND_HALF_UP, _EXACT))
