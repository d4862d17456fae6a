"""Lines to bill, gathered into documents nobody has approved yet."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import polars as pl

from meterhouse.canonical_columns import array_of, day, integer, short_sha256, string
from meterhouse.invoicing.apart import with_groups
from meterhouse.invoicing.by_hand import ONE_OFF
from meterhouse.invoicing.causes import told_by
from meterhouse.invoicing.due_dates import due_date
from meterhouse.invoicing.line_order import part, place
from meterhouse.invoicing.prepaid import CREDIT_SALE
from meterhouse.invoicing.tax_rules import TaxBook
from meterhouse.invoicing.taxed_lines import decided, netted, undecided
from meterhouse.money import AMOUNT, rounded

# `for_contract` is the contract of a document, null where one document holds several.
_GROUP = ("payer_id", "entity_id", "currency", "terms_id", "for_contract")
_DRAFT_ID = ("payer_id", "entity_id", "currency", "terms_id", "boundary_on", "for_contract")
_ORDER = (
    *("contract_id", part(), "item_id", "window_start_on", "is_correction"),
    *(place(), "dimensions", "line_key"),
)

COLUMNS = (
    *("draft_id", "kind", "entity_id", "customer_id", "contract_id", "currency", "terms_id"),
    *("boundary_on", "invoice_date", "due_date", "net", "untaxed", "tax", "total", "line_count"),
    *("tax_treatment", "tax_rate", "tax_name", "tax_reason", "purchase_order"),
    *("terms_description", "net_days", "is_blocked", "blocked_reason"),
)


def drafts(
    lines: pl.DataFrame,
    customers: pl.DataFrame,
    entities: pl.DataFrame,
    terms: pl.DataFrame,
    series: pl.DataFrame,
    earlier: pl.DataFrame | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One row per document, and the gathered lines with `draft_id` and `line_no` from 1 in each.

    `earlier` counts the documents issued before with the same key (columns of _DRAFT_ID and
    `earlier`): a correction after issue at the same boundary is another document.
    """
    made = taxed_drafts(lines, customers, entities, terms, series, earlier)
    return made.heads, made.lines


class TaxedDrafts(NamedTuple):
    """Drafts, their lines, the taxes of lines that rules or engines decided (LINE_TAXES), and what
    engines are asked (QUESTIONS)."""

    heads: pl.DataFrame
    lines: pl.DataFrame
    taxes: pl.DataFrame
    questions: pl.DataFrame


def taxed_drafts(
    lines: pl.DataFrame,
    customers: pl.DataFrame,
    entities: pl.DataFrame,
    terms: pl.DataFrame,
    series: pl.DataFrame,
    earlier: pl.DataFrame | None = None,
    tax_book: TaxBook | None = None,
    inclusive: pl.Series | None = None,
) -> TaxedDrafts:
    """As `drafts`; the rules of a tax book decide for payers that have no decision.

    `inclusive` are the contracts whose amounts hold their taxes; their lines come back without
    them, with `tax_included`.
    """
    numbered = _numbered(_with_draft_id(_told_inclusive(lines, inclusive), earlier))
    dated = _dated(_totals(numbered), terms, series)
    plain = at_one_rate(dated, customers)
    ruled = undecided(plain) if tax_book is None else decided(plain, numbered, tax_book)
    taxed, own = netted(ruled.heads, numbered, ruled.lines)
    heads = _blocked(taxed, customers, entities).select(COLUMNS).sort("draft_id")
    own = own.drop("for_contract", "is_apart", "is_inclusive")
    return TaxedDrafts(heads, own, ruled.lines, ruled.questions)


def _told_inclusive(lines: pl.DataFrame, inclusive: pl.Series | None) -> pl.DataFrame:
    """The lines with `is_inclusive`; money that is bought holds no tax."""
    if inclusive is None:
        return lines.with_columns(is_inclusive=pl.lit(value=False))
    is_inclusive = pl.col("contract_id").is_in(inclusive.implode())
    return lines.with_columns(
        is_inclusive=(is_inclusive & (pl.col("role") != CREDIT_SALE)).fill_null(value=False)
    )


def gathered(
    lines: pl.DataFrame,
    consolidating: Collection[str] = (),
    decreases: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """Corrections ride on the newest regular document of their contract, if the run makes one.

    All contracts that one of the `consolidating` payers pays for share a document where entity,
    currency, terms and boundary are the same: their column `for_contract` is null. `decreases`
    are what entities say of them (apart.py); some are on credit notes of their own (`is_apart`).
    """
    # A one-off is an invoice of its own in any case.
    shared = pl.col("payer_id").is_in(list(consolidating)) & (pl.col("role") != ONE_OFF)
    lines = lines.with_columns(
        for_contract=pl.when(~shared).then("contract_id").otherwise(pl.lit(None, pl.String))
    )
    told = told_by(lines, decreases or {})
    lines, newest = with_groups(told, decreases or {}), pl.col("boundary_on").max()
    regular = lines.filter(~pl.col("is_moved")).group_by(_GROUP).agg(regular_on=newest)
    corrected = lines.filter("is_moved").group_by(_GROUP).agg(corrected_on=newest)
    riding = (
        pl.when("is_apart")
        .then("corrected_on")
        .otherwise(pl.coalesce("regular_on", "corrected_on"))
    )
    return (
        lines.join(regular, on=_GROUP, how="left", nulls_equal=True)
        .join(corrected, on=_GROUP, how="left", nulls_equal=True)
        .with_columns(boundary_on=pl.when("is_moved").then(riding).otherwise("boundary_on"))
        .drop("regular_on", "corrected_on", "is_moved")
    )


def _with_draft_id(lines: pl.DataFrame, earlier: pl.DataFrame | None) -> pl.DataFrame:
    lines = lines.with_columns(pl.col("is_apart").fill_null(value=False))
    keys = lines.select(*_DRAFT_ID, "is_apart").unique()
    if earlier is None:
        keys = keys.with_columns(earlier=pl.lit(0, pl.Int64))
    else:
        keys = keys.join(earlier, on=_DRAFT_ID, how="left", nulls_equal=True)
    parts = [day(pl.col(c)) if c == "boundary_on" else string(pl.col(c)) for c in _DRAFT_ID]
    again = pl.col("earlier").fill_null(0)
    numbered = array_of(*parts, integer(again))
    key = pl.when(again == 0).then(array_of(*parts)).otherwise(numbered)
    apart = array_of(*parts, integer(again), string(pl.lit("decreases")))
    texts = keys.select(draft_id=pl.when("is_apart").then(apart).otherwise(key)).to_series()
    return lines.join(
        keys.drop("earlier").with_columns(short_sha256(texts)),
        on=[*_DRAFT_ID, "is_apart"],
        how="left",
        nulls_equal=True,
    )


def _numbered(lines: pl.DataFrame) -> pl.DataFrame:
    number = pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("draft_id")
    return lines.sort("draft_id", *_ORDER).with_columns(line_no=number)


def _totals(draft_lines: pl.DataFrame) -> pl.DataFrame:
    kept = [column for column in _DRAFT_ID if column not in ("payer_id", "for_contract")]
    newest = pl.col("purchase_order").sort_by("window_start_on", "line_no").last()
    return draft_lines.group_by(
        "draft_id", *kept, customer_id="payer_id", contract_id="for_contract"
    ).agg(
        net=pl.col("amount").sum(),
        # Money that is bought is taxed when it pays for something.
        untaxed=pl.col("amount").filter(pl.col("role") == CREDIT_SALE).sum().cast(AMOUNT),
        line_count=pl.len().cast(pl.Int64),
        purchase_order=newest,
    )


def _dated(totals: pl.DataFrame, terms: pl.DataFrame, series: pl.DataFrame) -> pl.DataFrame:
    """Never before the last date of the series, because numbers rise with dates."""
    kind = pl.when(pl.col("net") >= 0).then(pl.lit("invoice")).otherwise(pl.lit("credit_note"))
    known_terms = terms.select(
        "terms_id", "net_days", "counted_from", "due_day", terms_description="description"
    )
    last = series.group_by("entity_id", "kind").agg(pl.col("last_invoice_date").max())
    return (
        totals.with_columns(kind=kind)
        .join(last, on=["entity_id", "kind"], how="left")
        .join(known_terms, on="terms_id", how="left")
        .with_columns(invoice_date=pl.max_horizontal("boundary_on", "last_invoice_date"))
        .with_columns(due_date=due_date())
    )


def at_one_rate(dated: pl.DataFrame, customers: pl.DataFrame) -> pl.DataFrame:
    """Tax on the sum of the lines at the payer's one rate; without a decision it is null, not 0."""
    decision = ("customer_id", "tax_treatment", "tax_rate", "tax_name", "tax_reason")
    rate = pl.col("tax_rate").cast(AMOUNT)
    zero = pl.lit(0).cast(AMOUNT)
    tax = (
        pl.when(pl.col("tax_treatment") == "taxed")
        .then(rounded((pl.col("net") - pl.col("untaxed")) * rate, pl.col("currency")))
        .when(pl.col("tax_treatment").is_not_null())
        .then(zero)
        .otherwise(pl.lit(None, AMOUNT))
    )
    return (
        dated.join(customers.select(decision), on="customer_id", how="left")
        .with_columns(tax=tax.cast(AMOUNT))
        .with_columns(total=pl.col("net") + pl.col("tax"))
    )


def _blocked(taxed: pl.DataFrame, customers: pl.DataFrame, entities: pl.DataFrame) -> pl.DataFrame:
    """Every fault that keeps a draft from being issued, one sentence each, joined by a space."""
    customer, terms, entity = pl.col("customer_id"), pl.col("terms_id"), pl.col("entity_id")
    is_known = customer.is_in(customers["customer_id"].implode())
    faults = {
        "No customer {} is in the book; add it, then run again.": (customer, ~is_known),
        "Customer {} has no tax decision; add `tax` to it, then run again.": (
            customer,
            is_known & pl.col("tax_treatment").is_null() & ~pl.col("is_ruled"),
        ),
        "Customer {} is taxed but has no rate; add `tax.rate` to it, then run again.": (
            customer,
            (pl.col("tax_treatment") == "taxed") & pl.col("tax_rate").is_null(),
        ),
        "No payment terms {} are in the book; add them, then run again.": (
            terms,
            pl.col("net_days").is_null(),
        ),
        "No entity {} is in the book; add it, then run again.": (
            entity,
            ~entity.is_in(entities["entity_id"].implode()),
        ),
    }
    sentences = [
        pl.when(holds.fill_null(False)).then(pl.format(text, named.fill_null("(none)")))
        for text, (named, holds) in faults.items()
    ]
    reason = pl.concat_str([*sentences, "tax_fault"], separator=" ", ignore_nulls=True)
    return taxed.with_columns(
        blocked_reason=pl.when(reason != "").then(reason), is_blocked=reason != ""
    )
