"""How a file of the old system is read: which column is what, and in which form."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from meterhouse.errors import UsageError
from meterhouse.money import PLACES
from meterhouse.nearest import did_you_mean
from meterhouse.parallel.columns import FIELDS, REQUIRED

Columns = str | list[str]


class Mapping(BaseModel):
    """A mapping file. Where a field names several columns, the first that a row fills counts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    system: Annotated[str, Field(min_length=1, max_length=60)]
    columns: dict[str, Columns]
    constants: dict[str, str] = {}
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    encoding: str = "utf-8-sig"
    # Forms of strptime, tried in turn; `unix` is seconds since 1970 in UTC.
    dates: list[str] = ["%Y-%m-%d"]
    decimal: Literal[".", ","] = "."
    thousands: Literal["", ",", ".", " ", "'"] = ""
    to_is: Literal["inclusive", "exclusive"] = "inclusive"
    # The month of service of lines that do not say their days.
    service: Literal["month_of_date", "month_before_date", "none"] = "none"
    tax_inclusive: bool = False
    # Money in the smallest unit: cents, yen.
    minor_units: bool = False
    # Places of minor units that are not those of ISO 4217.
    places: dict[str, int] = {}
    credit_notes: list[str] = ["credit note", "credit_note", "creditnote", "credit"]
    # `positive`: amounts of credit notes are written without a minus.
    credit_notes_are: Literal["positive", "negative"] = "positive"
    skip: list[str] = []

    @model_validator(mode="after")
    def _names_are_known(self) -> "Mapping":
        named = {**self.columns, **self.constants}
        told = [
            f"{name!r} is not a field{did_you_mean(name, FIELDS) or '.'}"
            for name in named
            if name not in FIELDS
        ]
        told += [f"{name!r} is named in no column and no constant" for name in REQUIRED
                 if name not in named]  # fmt: skip
        told += [f"{name!r} is a column and a constant" for name in self.columns
                 if name in self.constants]  # fmt: skip
        if told:
            raise ValueError("; ".join(told))
        return self

    def minor_places(self) -> dict[str, int]:
        """Decimal places of each currency's minor unit in this file."""
        return {**PLACES, **self.places}


def mapping_of(document: object, name: str) -> Mapping:
    """The mapping that a parsed document says; raises UsageError with all that is wrong."""
    try:
        return Mapping.model_validate(document)
    except ValidationError as error:
        told = [
            f"  - {'.'.join(str(part) for part in one['loc']) or 'mapping'}: "
            f"{one['msg'].removeprefix('Value error, ')}"
            for one in error.errors(include_url=False)
        ]
        raise UsageError(
            f"{name} is not a mapping that can be used; nothing was imported:\n" + "\n".join(told)
        ) from None


# Columns of the vendors' published exports. Each is read as any mapping is.
LAYOUTS = {
    # Lines of invoices (data export, Sigma) joined with their invoices, or JSON of the API.
    "stripe": Mapping(
        system="stripe",
        columns={
            "number": ["invoice_number", "number", "invoice_id"],
            "kind": ["object", "kind"],
            "customer": ["customer_id", "customer"],
            "currency": "currency",
            "date": ["invoice_date", "finalized_at", "created"],
            "product": ["product_id", "price_product", "price_id", "description",
                        "invoice_line_item_memo"],
            "description": ["description", "invoice_line_item_memo"],
            "quantity": "quantity",
            "unit_price": ["unit_amount_decimal", "unit_amount"],
            "amount": ["amount", "invoice_line_item_amount"],
            "discount": "discount_amount",
            "tax": "tax_amount",
            "inclusive": "tax_inclusive",
            "from": "period_start",
            "to": "period_end",
            "document_tax": "invoice_tax",
            "document_total": ["invoice_total", "total"],
            "status": ["status", "invoice_status"],
        },
        dates=["unix", "%Y-%m-%d"],
        to_is="exclusive",
        minor_units=True,
        # Stripe counts these otherwise than ISO 4217 does.
        places={"ISK": 2, "UGX": 2, "MGA": 0},
        skip=["draft", "void"],
    ),
    "chargebee": Mapping(
        system="chargebee",
        columns={
            "number": ["Invoice Number", "Credit Note Number", "Invoice Id"],
            "kind": ["Document Type", "Type"],
            "customer": ["Customer Id", "Customer ID"],
            "currency": ["Currency", "Currency Code"],
            "date": ["Invoice Date", "Date", "Issued Date"],
            "product": ["Entity Id", "Entity ID", "Item Price Id", "Description"],
            "description": ["Description", "Line Item Description"],
            "quantity": "Quantity",
            "unit_price": ["Unit Amount", "Unit Price"],
            "amount": ["Amount", "Line Item Amount"],
            "discount": ["Discount Amount", "Discount"],
            "tax": ["Tax Amount", "Tax Total", "Tax"],
            "tax_rate": ["Tax Rate", "Tax %"],
            "from": ["Date From", "Service Period From"],
            "to": ["Date To", "Service Period To"],
            "document_total": ["Invoice Total", "Invoice Amount"],
            "document_tax": "Invoice Tax",
            "status": ["Status", "Invoice Status"],
        },
        dates=["%Y-%m-%d", "%d-%b-%Y", "%d-%b-%Y %H:%M", "%d/%m/%Y", "unix"],
        thousands=",",
        skip=["voided", "pending"],
    ),
    "zoho_books": Mapping(
        system="zoho_books",
        columns={
            "number": ["Invoice Number", "Credit Note Number"],
            "kind": ["Document Type", "Transaction Type"],
            "customer": ["Customer ID", "Customer Name"],
            "currency": ["Currency Code", "Currency"],
            "date": ["Invoice Date", "Credit Note Date"],
            "product": ["Item Name", "SKU", "Item Desc"],
            "description": "Item Desc",
            "quantity": "Quantity",
            "unit_price": "Item Price",
            "amount": "Item Total",
            "tax": "Item Tax Amount",
            "tax_rate": "Item Tax %",
            "inclusive": "Is Inclusive Tax",
            "document_total": "Total",
            "status": ["Invoice Status", "Credit Note Status", "Status"],
        },
        dates=["%Y-%m-%d", "%d/%m/%Y", "%d %b %Y"],
        thousands=",",
        service="month_of_date",
        # A credit note of Zoho is a file of its own, with its own name of the number.
        skip=["draft", "void"],
    ),
}  # fmt: skip
