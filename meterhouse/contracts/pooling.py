"""Whose usage an item counts, where it is not that of its own customer alone."""

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from meterhouse.catalog.fields import Day, Id, Sparing


class Member(Sparing):
    """A customer whose usage counts, and from when until when it does."""

    SELDOM: ClassVar[frozenset[str]] = frozenset({"from", "until"})

    customer: Id = Field(description="Id of the customer.")
    from_: Day | None = Field(
        None, alias="from", description="First day its usage counts; absent: from the start."
    )
    until: Day | None = Field(
        None, description="First day its usage no longer counts; absent: to the end."
    )

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.span[1] <= self.span[0]:
            raise ValueError("`until` must be later than `from`")
        return self

    @property
    def span(self) -> tuple[date, date]:
        """First day, and first day after the last."""
        return self.from_ or date.min, self.until or date.max


def _is_word(value: Any) -> str:
    return "word" if isinstance(value, str) else "more"


Named = Annotated[Annotated[Id, Tag("word")] | Annotated[Member, Tag("more")],
                  Discriminator(_is_word)]  # fmt: skip
UsageOf = Annotated[
    Annotated[Literal["children"], Tag("word")]
    | Annotated[tuple[Named, ...], Field(min_length=1, max_length=1000, strict=False), Tag("more")],
    Discriminator(_is_word),
]


def members(usage_of: UsageOf) -> Iterator[Member]:
    """The customers that are named; none where it says `children`."""
    for one in () if usage_of == "children" else usage_of:
        yield one if isinstance(one, Member) else Member.model_validate({"customer": one})


def twice(usage_of: UsageOf) -> list[str]:
    """Ids that are named twice for one day: their usage would count twice."""
    spans: dict[str, list[tuple[date, date]]] = {}
    for one in members(usage_of):
        spans.setdefault(one.customer, []).append(one.span)
    return sorted(id for id, held in spans.items() if _overlap(held))


def _overlap(spans: Sequence[tuple[date, date]]) -> bool:
    return any(later[0] < earlier[1] for earlier, later in pairwise(sorted(spans)))
