"""The order of operations: one table, which the documentation and `explain` read."""

from typing import NamedTuple


class Operation(NamedTuple):
    """A step on the way from a quantity to an amount due."""

    name: str
    component: str  # Of the line it makes; empty where it makes none of its own.
    scope: str  # quantity | line | item | contract | document
    meaning: str


ORDER = (
    Operation("convert", "", "quantity", "The quantity becomes another unit, and whole if asked."),
    Operation("free", "", "quantity", "Free, included and pooled units and credits in units."),
    Operation("price", "usage", "line", "The price model; the line is rounded, once."),
    Operation("discount", "discount", "item", "Discounts of the item."),
    Operation("maximum", "maximum", "item", "Most that the item costs; it always holds."),
    Operation("minimum", "minimum", "item", "Least, on the last window of a period."),
    Operation("commitment", "commitment", "item", "What the item's excess costs beside its price."),
    Operation("true_up", "true_up", "item", "What the item's commitment is short of."),
    Operation("contract_discount", "discount", "contract", "Discounts of the contract."),
    Operation("contract_minimum", "minimum", "contract", "Least that all items cost together."),
    Operation("contract_commitment", "true_up", "contract", "What a commitment is short of."),
    Operation("credit", "credit", "contract", "Promotional credit in money."),
    Operation("voucher", "voucher", "contract", "Money whose sale was taxed, which pays."),
    Operation("service_fee", "service_fee", "contract", "The service fee, on all of the above."),
    Operation("tax", "", "document", "Tax on the sum of the lines, but sales of prepaid money."),
    Operation("prepaid", "", "document", "Money that was bought before pays what is due."),
)
# Lines that modifiers make; all others are charged for usage or a fee.
MODIFIERS = tuple(dict.fromkeys(step.component for step in ORDER[3:] if step.component))
