"""What the book says of approval: which drafts rules may take, and who approves and issues."""

from typing import Annotated

from pydantic import Field

from meterhouse.catalog.fields import Currency, NonNegative, Positive, Text
from meterhouse.contracts.brief import Brief

EVERYBODY = "*"
People = Annotated[tuple[Text, ...], Field(min_length=1, max_length=200, strict=False)]


class AutoApprove(Brief):
    """Which drafts need no person.

    Never taken: a payer's first document of a kind, whatever is below zero, lines that a person
    made, and what a failed check or warning covers.
    """

    max_deviation: NonNegative = Field(
        description="How far a total may lie from the mean of the payer's last documents, as a "
        "decimal fraction of the mean: '0.25' for 25 %."
    )
    history: int = Field(
        3, ge=1, le=24, description="How many of the payer's last documents make the mean."
    )
    max_total: dict[Currency, Positive] | None = Field(
        None,
        description="Largest total by currency; a currency that is not named is not taken. "
        "Absent: no limit.",
    )


def approval_faults(
    approval: str,
    auto_approve: AutoApprove | None,
    approvals: int | None,
    approvers: tuple[str, ...] | None,
) -> list[str]:
    """What does not fit together, one clause each."""
    faults = []
    if (approval == "rules") != (auto_approve is not None):
        faults.append("`auto_approve` is for `approval: rules`, which needs it")
    if approval == "automatic" and (approvals is not None or approvers is not None):
        faults.append("`approvals` and `approvers` need `approval: manual` or `approval: rules`")
    people = set(approvers or (EVERYBODY,))
    if EVERYBODY not in people and len(people) < (approvals or 1):
        faults.append(f"`approvals` asks for {approvals} people, and `approvers` names fewer")
    return faults
