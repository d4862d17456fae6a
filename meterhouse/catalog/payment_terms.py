"""Terms of payment: from the date of an invoice to the date on which it is due."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from meterhouse.catalog.fields import Documented, Text


class PaymentTerms(Documented):
    """When an invoice is due."""

    SELDOM: ClassVar[frozenset[str]] = Documented.SELDOM | {"counted_from", "due_day"}

    description: Text | None = Field(
        None, description="Text printed on invoices; needed with `counted_from` or `due_day`."
    )
    net_days: Annotated[int, Field(ge=0, le=3650)] = Field(
        description="Calendar days from the invoice date to the due date; 0 is due on receipt."
    )
    counted_from: Literal["invoice_date", "month_end"] | None = Field(
        None,
        description="Where the days begin: on the invoice date (default), or on the last day of "
        "its month.",
    )
    due_day: Annotated[int, Field(ge=1, le=31)] | None = Field(
        None,
        description="Day of the month on which payment is due: the first such day on or after the "
        "days have passed; 31 is the last day of any month.",
    )

    @model_validator(mode="after")
    def _words_for_what_is_not_plain(self) -> Self:
        is_plain = self.counted_from in (None, "invoice_date") and self.due_day is None
        if not is_plain and self.description is None:
            # The printed sentence of plain terms would name the wrong day.
            raise ValueError("`description` is needed: it is how the invoice tells these terms")
        return self
