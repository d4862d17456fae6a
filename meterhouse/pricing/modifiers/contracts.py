"""The modifiers of contracts after those of their items, in the order of operations."""

from datetime import date

import polars as pl

from meterhouse.pricing.modifiers.contract_commitments import contract_commitments
from meterhouse.pricing.modifiers.contract_discounts import contract_discounts
from meterhouse.pricing.modifiers.contract_terms import Terms
from meterhouse.pricing.modifiers.credits import credit
from meterhouse.pricing.modifiers.grants import Draws, last_day
from meterhouse.pricing.modifiers.lines import LINES, Places
from meterhouse.pricing.modifiers.service_fees import service_fees

CHARGE = (
    *("contract_id", "item_id", "charge_id", "based_on", "item_description", "timing", "currency"),
    *("window_start_on", "window_end_on", "due_on", "share_numerator", "share_denominator"),
    *("period_start_on", "period_end_on", "is_late", "gross", "net", "unused"),
)
# Windows that a change cut say what of them is unused.
CREDITED = ("credit_numerator", "credit_denominator")


def contract_lines(
    charges: pl.DataFrame,
    terms: Terms,
    places: Places,
    through: date,
    draws: Draws | None = None,
) -> pl.DataFrame:
    """The lines that the modifiers of contracts make of the charges of their items."""
    mine = charges.select(*CHARGE, *(name for name in CREDITED if name in charges.columns))
    mine, off = contract_discounts(mine, terms.discounts, places)
    mine, short = contract_commitments(mine, terms.commitments, places, through)
    mine, paid = credit(mine, terms.credits, places, last_day(charges, through), draws)
    fees = service_fees(mine, terms.fees, places, through)
    return pl.concat([pl.DataFrame(schema=LINES), *off, *short, *paid, *fees])
