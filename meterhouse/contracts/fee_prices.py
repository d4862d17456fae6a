"""Which prices a fee may have: its quantity is fixed, and no meter says anything else of it."""

from collections.abc import Sequence
from decimal import Decimal
from typing import get_args

from meterhouse.catalog.fields import places
from meterhouse.contracts.formula_prices import Formula
from meterhouse.contracts.prices import Flat, Price
from meterhouse.contracts.tier_prices import Graduated, Stairstep, Volume
from meterhouse.contracts.unit_prices import Overage, Package, PerUnit

FEES = (Flat, PerUnit, Graduated, Volume, Stairstep, Package, Overage, Formula)
FEE_MODELS = tuple(get_args(one.model_fields["model"].annotation)[0] for one in FEES)
# A part of a fee with more decimals could be rounded the wrong way: see pricing/flat.py.
FEE_PLACES = 15


def not_for_fees(price: Price) -> str | None:
    """Why the price cannot be one of a fixed quantity, or None."""
    if not isinstance(price, FEES):
        return f"price model `{price.model}` reads a meter; fees may have {', '.join(FEE_MODELS)}"
    if isinstance(price, Formula) and price.quantities:
        return "the `quantities` of its formula read the dimensions of a meter; use `quantity` only"
    return None


def fee_decimals(quantities: Sequence[Decimal], price: Price) -> int:
    """Decimals of the finest quantity times the price of one unit; 0 where nothing is cut."""
    if isinstance(price, Flat | Formula):
        return 0
    return max((places(one) for one in quantities), default=0) + price.decimals
