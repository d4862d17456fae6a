"""What changes a quantity before its price and an amount after it: of an item, of a contract."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from meterhouse.catalog.fields import Day, Fraction, Id, NonNegative, Positive, Strict, Text
from meterhouse.contracts.brief import Brief
from meterhouse.contracts.fee_terms import ServiceFee
from meterhouse.contracts.grants import Credit

PRORATED = "Whether an incomplete period counts by its share of the full one."


class Convert(Strict):
    """Another unit for the quantity, before anything else is done to it."""

    op: Literal["multiply", "divide"] = Field(description="What is done with `factor`.")
    factor: Positive = Field(description="How many of one unit are one of the other.")
    rounding: Literal["none", "up", "down", "half_up"] = Field(
        "none", description="How the converted quantity becomes whole; none: to 12 decimals."
    )


class Discount(Brief):
    """A share or an amount taken off."""

    id: Id | None = Field(None, description="Id of the discount; a contract's needs one.")
    description: Text | None = Field(None, description="Text of its invoice line.")
    percentage: Fraction | None = Field(
        None, description="Share of what is left to pay: '0.1' is 10 %."
    )
    amount: NonNegative | None = Field(
        None, description="Amount in the contract's currency for each period, at most what is left."
    )
    from_: Day | None = Field(
        None, alias="from", description="First day; periods that begin earlier get nothing."
    )
    until: Day | None = Field(
        None, description="First day after it; periods that begin later get nothing."
    )
    cap: NonNegative | None = Field(None, description="Most that it takes off in one period.")
    cap_total: NonNegative | None = Field(
        None, description="Most that it takes off in the whole life of the contract."
    )
    order: Annotated[int, Field(ge=0, le=1000)] | None = Field(
        None,
        description="Lower first; absent: percentages before amounts, and each in the order given.",
    )
    items: tuple[Id, ...] = Field(
        (),
        strict=False,
        description="Of a contract: ids of the items it is for; absent: all of them.",
    )

    @property
    def rank(self) -> tuple[bool, int, bool]:
        """Those with an order of their own first, then percentages, then amounts."""
        return self.order is None, self.order or 0, self.percentage is None

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if (self.percentage is None) == (self.amount is None):
            raise ValueError("a discount has either a `percentage` or an `amount`")
        if self.from_ is not None and self.until is not None and self.until <= self.from_:
            raise ValueError(f"`until` ({self.until}) must be later than `from` ({self.from_})")
        return self


class Limit(Strict):
    """A least or a most amount of a period."""

    amount: NonNegative = Field(description="Amount in the contract's currency for a full period.")
    prorate: bool = Field(True, description=PRORATED)


class Commitment(Strict):
    """An amount that an item costs in every period, and what the excess costs."""

    amount: NonNegative = Field(description="Amount in the contract's currency for a full period.")
    overage_factor: NonNegative = Field(
        Decimal(1), description="What the excess costs, times its price: '1.5' adds half."
    )
    true_up: bool = Field(True, description="Whether a shortfall is charged.")
    prorate: bool = Field(True, description=PRORATED)


class Included(Strict):
    """Units of every period that cost nothing."""

    quantity: NonNegative = Field(description="Units of a full period.")
    prorate: bool = Field(True, description=PRORATED + " The part is exact, not rounded down.")


class ItemModifiers(Brief):
    """What changes the quantity of an item before its price, and its amount after it."""

    convert: Convert | None = Field(None, description="Another unit for the quantity.")
    free_quantity: NonNegative | None = Field(
        None, description="Units taken off the quantity of every window, also of a cut one."
    )
    included_quantity: Included | None = Field(
        None, description="Units of every period that cost nothing, by share in a cut one."
    )
    discounts: tuple[Discount, ...] = Field(
        (), strict=False, description="What is taken off its amount."
    )
    maximum: Limit | None = Field(None, description="Most that it costs in a period.")
    minimum: Limit | None = Field(
        None, description="Least that it costs in a period, also where nothing was used."
    )
    commitment: Commitment | None = Field(
        None, description="Amount committed for every period, after minimum and maximum."
    )

    @property
    def changes_quantity(self) -> bool:
        """Whether a step before the price is asked for."""
        steps = (self.convert, self.free_quantity, self.included_quantity)
        return any(step is not None for step in steps)

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        low, high = self.minimum, self.maximum
        if low is not None and high is not None and low.amount > high.amount:
            raise ValueError("`minimum` is more than `maximum`")
        if any(discount.items for discount in self.discounts):
            raise ValueError("a discount of an item is for that item: remove its `items`")
        return self


class ContractMinimum(Brief):
    """The least that all items of a contract cost together."""

    amount: NonNegative = Field(description="Amount in the contract's currency for a full period.")
    period: Literal["month", "quarter", "year"] | None = Field(
        None,
        description="Its period, from the start of the contract on; absent: the period of its "
        "items, which must be the same for all of them.",
    )
    prorate: bool = Field(True, description=PRORATED)


class ContractCommitment(Brief):
    """An amount that a contract, or some of its items, cost in a span of time."""

    id: Id = Field(description="Id, unique among the items and modifiers of the contract.")
    amount: NonNegative | None = Field(
        None, description="Amount in the contract's currency for each full span."
    )
    amounts: tuple[NonNegative, ...] = Field(
        (),
        strict=False,
        description="In place of `amount`: those of the quarters or years in their order; the last "
        "holds for all that follow.",
    )
    period: Literal["window", "quarter", "year", "term"] = Field(
        "year", description="Its span: each charge window, or quarters, years or the term."
    )
    start: Day | None = Field(
        None, description="Day on which its spans begin; absent: the start of the contract."
    )
    until: Day | None = Field(
        None,
        description="First day after the term that was agreed; absent: the end of the contract. A "
        "contract that ends earlier cuts the span.",
    )
    counts: Literal["net", "gross"] = Field(
        "net", description="What counts: amounts after discounts and limits, or before them."
    )
    items: tuple[Id, ...] = Field(
        (), strict=False, description="Ids of the items that count; absent: all of them."
    )
    true_up: Text = Field(
        "Commitment true-up", description="Text of the line that charges the shortfall."
    )
    prorate: bool = Field(True, description="Whether a span that is cut owes only its share.")

    @model_validator(mode="after")
    def _has_amounts(self) -> Self:
        if (self.amount is None) == (not self.amounts):
            raise ValueError("a commitment has either an `amount` or `amounts`")
        if self.amounts and self.period not in {"quarter", "year"}:
            raise ValueError(
                f"`amounts` are for quarters or years, and its `period` is {self.period}: give it "
                "an `amount`"
            )
        if self.start is not None and self.until is not None and self.until <= self.start:
            raise ValueError(f"`until` ({self.until}) must be later than `start` ({self.start})")
        return self


class Pool(Brief):
    """Units that cost nothing, shared by several items."""

    id: Id = Field(description="Id, unique among the items and modifiers of the contract.")
    quantity: NonNegative = Field(description="Units of a full span.")
    cadence: Literal["window", "quarter", "year", "term"] = Field(
        "window", description="Its span: each charge window, or quarters, years or the term."
    )
    start: Day | None = Field(
        None, description="Day on which its spans begin; absent: the start of the contract."
    )
    items: tuple[Id, ...] = Field(
        (), strict=False, description="Ids of the items that share it; absent: by `meters`, or all."
    )
    meters: tuple[Id, ...] = Field(
        (), strict=False, description="Ids of the meters whose items share it."
    )


class ContractModifiers(Brief):
    """What changes quantities and amounts of a contract as a whole."""

    pools: tuple[Pool, ...] = Field(
        (), strict=False, description="Units that cost nothing, shared by several items."
    )
    discounts: tuple[Discount, ...] = Field(
        (), strict=False, description="What is taken off the amounts of its items."
    )
    minimum: ContractMinimum | None = Field(
        None, description="Least that all its items cost together in a period, after discounts."
    )
    commitments: tuple[ContractCommitment, ...] = Field(
        (), strict=False, description="Amounts committed for a span of time."
    )
    credits: tuple[Credit, ...] = Field(
        (), strict=False, description="Grants of money or units, used until nothing is left."
    )
    service_fee: ServiceFee | None = Field(
        None, description="What is added at the end, before tax."
    )

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of everything that makes lines or takes quantities."""
        named: list[Any] = [*self.pools, *self.commitments, *self.credits]
        fee = () if self.service_fee is None else (self.service_fee.id,)
        discounts = (discount.id for discount in self.discounts if discount.id is not None)
        minimum = () if self.minimum is None else ("minimum",)
        return (*(one.id for one in named), *discounts, *fee, *minimum)

    @property
    def named_items(self) -> tuple[str, ...]:
        """The ids of items that they speak of."""
        parts: Iterable[Any] = (*self.pools, *self.discounts, *self.commitments, *self.credits)
        rewards = [one.reward for one in self.credits if one.reward is not None]
        return tuple(item for part in (*parts, *rewards) for item in part.items)

    def faults(
        self, item_ids: Sequence[str], meters: Collection[str | None], end: date | None
    ) -> Iterator[str]:
        """What does not fit a contract with these items, the meters they read, and this end."""
        unread = sorted({meter for pool in self.pools for meter in pool.meters} - set(meters))
        if unread:
            yield f"its pools name meters that none of its items reads: {', '.join(unread)}"
        unknown = sorted(set(self.named_items) - set(item_ids))
        if unknown:
            yield f"its modifiers name items that it does not have: {', '.join(unknown)}"
        both = sorted(set(self.ids) & set(item_ids))
        if both:
            yield f"items and modifiers have the same ids: {', '.join(both)}"
        for one in self.commitments:
            if one.period == "term" and one.until is None and end is None:
                yield f"commitment {one.id!r} is for the term: give it `until`, or an `end`"

    @model_validator(mode="after")
    def _are_named_once(self) -> Self:
        if any(discount.id is None for discount in self.discounts):
            raise ValueError("a discount of a contract needs an `id`")
        repeated = sorted(id for id, count in Counter(self.ids).items() if count > 1)
        if repeated:
            raise ValueError(f"ids of modifiers are used more than once: {', '.join(repeated)}")
        return self
