"""What the book says of sellers, terms, usage and customers; one model per kind of document."""

import re
from datetime import date
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from meterhouse.catalog.approval_documents import AutoApprove, People, approval_faults
from meterhouse.catalog.fields import (
    Country,
    Currency,
    Day,
    Decimals,
    Documented,
    Fraction,
    Id,
    Locale,
    Positive,
    PropertyName,
    Strict,
    Text,
    Zone,
)
from meterhouse.catalog.tax_documents import Exemption, Registration, TaxOptions
from meterhouse.contracts.profile import Profile

# One key of a path in `data`.
KEY = "[A-Za-z0-9_-]{1,64}"
NUMBER_PARTS = re.compile(r"(\{entity\}|\{year\}|\{number(?::0?[1-9][0-9]?d)?\}|[^{}])+")


def _number_format(text: str) -> str:
    counts = [text.count("{year}"), len(re.findall(r"\{number[:}]", text))]
    if not NUMBER_PARTS.fullmatch(text) or counts != [1, 1]:
        # The series begins again each year, so a format without the year would repeat numbers.
        raise ValueError(
            "must hold {year} and {number} once each, may hold {entity} and a width as in "
            "{number:06d}, and nothing else in braces"
        )
    return text


def _iban(text: str) -> str:
    moved = text[4:] + text[:4]
    if int("".join(str(int(character, 36)) for character in moved)) % 97 != 1:
        raise ValueError("is no valid IBAN: its check digits do not agree")
    return text


def _inside(text: str) -> str:
    if ".." in text.split("/"):
        raise ValueError("must lie below the book's folder: `..` is not allowed")
    return text


Email = Annotated[Text, Field(pattern=r"^[^@\s]+@[^@\s]+$")]


class Address(Strict):
    """A postal address, as printed on an invoice."""

    line1: Text = Field(description="Street and number, or post box.")
    line2: Text | None = Field(None, description="Second line: suite, floor, department.")
    city: Text = Field(description="City or town.")
    postal_code: Text | None = Field(None, description="Postal code, as text: '01067'.")
    region: Text | None = Field(None, description="State, province or region.")
    country: Country = Field(description="Country code, ISO 3166-1 alpha-2: 'US'.")


class TaxId(Strict):
    """A registration number for taxes."""

    type: Text = Field(description="What the number is: 'eu_vat', 'us_ein'.")
    value: Text = Field(description="The number, as text.")


class Bank(Strict):
    """Where customers pay to."""

    account_name: Text | None = Field(None, description="Name of the account's holder.")
    iban: (
        Annotated[str, Field(pattern=r"^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$"), AfterValidator(_iban)]
        | None
    ) = Field(None, description="IBAN without spaces.")
    bic: Annotated[str, Field(pattern=r"^[A-Z0-9]{8}([A-Z0-9]{3})?$")] | None = Field(
        None, description="BIC, 8 or 11 characters."
    )


class Branding(Strict):
    """How the documents of an entity look; nothing of it is part of what a document says."""

    logo: (
        Annotated[
            str,
            Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./-]{0,199}\.(svg|png)$"),
            AfterValidator(_inside),
        ]
        | None
    ) = Field(None, description="SVG or PNG below the book's folder: 'images/logo.svg'.")
    accent: Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$")] | None = Field(
        None, description="Colour of titles and rules: '#0B5FFF'."
    )
    footer: Text | None = Field(None, description="Text at the foot of every page.")
    email: Email | None = Field(None, description="Where customers ask about an invoice.")
    website: Text | None = Field(None, description="Website, as printed.")
    phone: Text | None = Field(None, description="Telephone number, as printed.")


class Entity(Documented):
    """A business entity of the seller, which issues invoices and keeps a ledger."""

    SELDOM: ClassVar[frozenset[str]] = Documented.SELDOM | {
        *("registrations", "tax"),
        *("auto_approve", "approvals", "approvers", "issuers", "grace_days"),
        *("decreases", "write_off_below", "write_off_limit", "go_live_months"),
    }

    legal_name: Text = Field(description="Name in the register, printed on invoices.")
    address: Address = Field(description="Registered address.")
    tax_ids: tuple[TaxId, ...] = Field((), strict=False, description="Tax numbers of the seller.")
    base_currency: Currency = Field(description="Currency of its ledger, ISO 4217: 'USD'.")
    zone: Zone = Field(description="Time zone of its days and years, IANA: 'Europe/Berlin'.")
    approval: Literal["manual", "automatic", "rules"] = Field(
        "manual",
        description="Who approves a draft before it is issued: a person (manual), nobody "
        "(automatic), or a person only where the rules do not take it (rules).",
    )
    number_format: Annotated[Text, AfterValidator(_number_format)] = Field(
        "{entity}-{year}-{number:06d}",
        description="Form of a document number, from {entity}, {year} and {number}.",
    )
    bank: Bank | None = Field(None, description="Where customers pay to.")
    branding: Branding | None = Field(None, description="How its documents look.")
    locale: Locale | None = Field(
        None, description="Language and formats of its documents: 'de-DE'; absent: 'en-US'."
    )
    registrations: Annotated[tuple[Registration, ...], Field(strict=False)] | None = Field(
        None,
        description="Jurisdictions in which it charges tax by rules; absent: each customer needs a "
        "tax decision of its own.",
    )
    tax: TaxOptions | None = Field(None, description="How it computes tax by rules.")
    auto_approve: AutoApprove | None = Field(
        None, description="Which drafts need no person; for `approval: rules` only."
    )
    approvals: Annotated[int, Field(ge=1, le=5)] | None = Field(
        None, description="How many different people approve a draft; absent: 1."
    )
    approvers: People | None = Field(
        None, description="Who may approve, by the name commands record; absent or '*': everybody."
    )
    issuers: People | None = Field(
        None, description="Who may issue, by the name commands record; absent or '*': everybody."
    )
    grace_days: Annotated[int, Field(ge=0, le=366)] | None = Field(
        None,
        description="Days after the boundary during which runs leave a draft open for late usage; "
        "absent: 0.",
    )

    decreases: Literal["credit_note", "next_invoice"] | None = Field(
        None,
        description="Where what became less after it was invoiced goes: a credit note of its own, "
        "or the next invoice (absent: that); if given, corrections also say their reason.",
    )

    write_off_below: dict[Currency, Positive] | None = Field(
        None,
        description="A correction that asks for less than this in all, tax with it, is written off "
        "instead of issued, by currency; absent: none is.",
    )
    write_off_limit: dict[Currency, Positive] | None = Field(
        None,
        description="Most that is written off of a payer in a year, before tax, by currency; "
        "absent: ten times `write_off_below`.",
    )
    go_live_months: Annotated[int, Field(ge=1, le=36)] | None = Field(
        None,
        description="Months of the parallel run that must be signed off for a customer before its "
        "documents are issued; absent: none.",
    )

    @model_validator(mode="after")
    def _taxed_in_one_way(self) -> Self:
        if self.registrations and self.tax is not None and self.tax.engine is not None:
            raise ValueError(
                "`registrations` are for tax by rules and `tax.engine` asks an engine; give one"
            )
        return self

    @model_validator(mode="after")
    def _approval_fits(self) -> Self:
        faults = approval_faults(self.approval, self.auto_approve, self.approvals, self.approvers)
        if faults:
            raise ValueError("; ".join(faults))
        return self


class Property(Strict):
    """One value that each event of a type carries in its `data`."""

    type: Literal["integer", "decimal", "string", "boolean"] = Field(description="Its type.")
    decimals: Decimals | None = Field(
        default_factory=lambda data: 6 if data["type"] == "decimal" else None,
        description="Most decimals a value may have (0 to 12); for type decimal only, default 6.",
    )
    digits: Literal[18, 38] | None = Field(
        default_factory=lambda data: 18 if data["type"] in ("integer", "decimal") else None,
        description="Most digits of a number, before and after its point: 18, or 38 at a cost.",
    )
    required: bool = Field(True, description="Whether an event without it is quarantined.")
    path: Annotated[str, Field(pattern=rf"^{KEY}(\.{KEY}){{0,7}}$", max_length=200)] | None = Field(
        None,
        description="Where the value stands in `data`: keys joined by dots, 'usage.tokens.input'; "
        "absent: under the property's own name.",
    )
    values: (
        Annotated[tuple[Text, ...], Field(min_length=1, max_length=1000, strict=False)] | None
    ) = Field(
        None, description="All values it may have, for type string; an event with another waits."
    )

    @model_validator(mode="after")
    def _decimals_are_for_decimals(self) -> Self:
        if (self.type == "decimal") != (self.decimals is not None):
            raise ValueError("`decimals` (0 to 12) is for type decimal and for no other type")
        if (self.type in ("integer", "decimal")) != (self.digits is not None):
            raise ValueError("`digits` (18 or 38) is for numbers and for no other type")
        return self

    @model_validator(mode="after")
    def _values_are_for_strings(self) -> Self:
        if self.values is None:
            return self
        if self.type != "string":
            raise ValueError("`values` is for type string and for no other type")
        if len(set(self.values)) < len(self.values):
            raise ValueError("`values` names a value twice")
        return self

    def place(self, name: str) -> str:
        """The path in `data` of the property with this name."""
        return self.path or name


class EventType(Documented):
    """A type of usage events and the typed properties that meters can read."""

    description: Text | None = Field(None, description="What one event stands for.")
    properties: dict[PropertyName, Property] = Field(
        description="Name of each property and its type; a name has one type in the whole book."
    )


class Alias(Strict):
    """Another name under which usage of a customer arrives."""

    value: Text = Field(description="The `subject` of the events.")
    from_: Day | None = Field(
        None, alias="from", description="First day it holds; absent: always held."
    )
    until: Day | None = Field(
        None, description="First day it no longer holds; absent: it holds on."
    )

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if (self.until or date.max) <= (self.from_ or date.min):
            raise ValueError("`until` must be later than `from`")
        return self


class Tax(Strict):
    """The decision how a customer is taxed."""

    treatment: Literal["taxed", "exempt", "reverse_charge", "out_of_scope"] = Field(
        description="How the customer's lines are taxed."
    )
    rate: Fraction | None = Field(
        None, description="Decimal fraction of the net amount, '0.19' for 19 %; taxed only."
    )
    name: Text | None = Field(None, description="Name printed beside the rate: 'VAT'.")
    reason: Text | None = Field(None, description="Why no tax is charged; needed unless taxed.")

    @model_validator(mode="after")
    def _rate_or_reason(self) -> Self:
        if (self.treatment == "taxed") != (self.rate is not None):
            raise ValueError("`rate` is needed for treatment taxed and refused for all others")
        if self.treatment != "taxed" and self.reason is None:
            raise ValueError(f"`reason` is needed for treatment {self.treatment}")
        return self


class Customer(Documented):
    """Whose usage is measured, and who may pay."""

    SELDOM: ClassVar[frozenset[str]] = Documented.SELDOM | {
        *("consolidate", "profile", "parent", "billing", "ship_to", "exemptions"),
    }

    name: Text = Field(description="Name printed on invoices.")
    external_id: Text | None = Field(
        None, description="Its id in another system; events may carry it as `subject`."
    )
    aliases: tuple[Alias, ...] = Field(
        (), strict=False, description="Other subjects of its events, with dates."
    )
    address: Address | None = Field(None, description="Billing address.")
    email: Email | None = Field(None, description="Where invoices are sent.")
    tax_ids: tuple[TaxId, ...] = Field((), strict=False, description="Tax numbers of the buyer.")
    locale: Locale | None = Field(
        None, description="Language and formats of its documents; absent: those of the entity."
    )
    tax: Tax | None = Field(
        None,
        description="Tax decision, before all rules; absent: the rules of the entity decide, or "
        "nothing has, which blocks issuing.",
    )
    ship_to: Address | None = Field(
        None, description="Where what it buys is used, for taxes; absent: the billing address."
    )
    exemptions: Annotated[tuple[Exemption, ...], Field(strict=False)] | None = Field(
        None, description="Certificates by which it is exempt from taxes."
    )
    usage_without_contract: Literal["allow", "block"] = Field(
        "allow", description="Whether usage outside of any contract blocks issuing."
    )
    consolidate: bool | None = Field(
        None,
        description="Whether all contracts that this customer pays for share one invoice, where "
        "seller, currency, terms and date are the same; absent: one for each contract.",
    )
    profile: Profile | None = Field(
        None,
        description="How periods of its contracts are cut, where they do not say it themselves.",
    )
    parent: Id | None = Field(
        None,
        description="Id of the customer that it belongs to, from the day of this document on.",
    )
    billing: Literal["self", "parent"] | None = Field(
        None,
        description="Who pays for its contracts where they name nobody else: the customer (self, "
        "the default), or its parent.",
    )

    @model_validator(mode="after")
    def _has_who_pays(self) -> Self:
        if self.billing == "parent" and self.parent is None:
            raise ValueError("`billing: parent` needs a `parent`")
        return self
