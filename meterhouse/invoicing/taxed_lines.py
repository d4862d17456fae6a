"""The taxes of documents that rules decide: by line, and by row of the document."""

from typing import NamedTuple

import polars as pl

from meterhouse.canonical_columns import array_over_rows, integer, money, object_of, string
from meterhouse.invoicing.allocation import allocated
from meterhouse.invoicing.prepaid import CREDIT_SALE
from meterhouse.invoicing.tax_engine import QUESTIONS, answered
from meterhouse.invoicing.tax_rules import LINE_RULE, Schema, TaxBook, categorized, resolved
from meterhouse.invoicing.taxing import Options, taxed
from meterhouse.money import AMOUNT, PLACES, rounded

# What makes one row of a document's taxes; lines of any category share it.
ROW = (
    *("place", "country", "region", "name", "treatment", "rate", "is_compound"),
    *("reason", "certificate", "registration"),
)
# One row per line and tax: `tax_no` is the row of the document, `base` the line's amount, `tax` its
# share of the row's tax, by largest remainder.
LINE_TAXES: Schema = {
    "draft_id": pl.String,
    "line_no": pl.Int64,
    "tax_no": pl.Int64,
    **LINE_RULE,
    "base": AMOUNT,
    "tax": AMOUNT,
}
# The one tax of a customer's own decision, where amounts hold it.
_DECISION = "decision"
_LINE = ("draft_id", "line_no")


class Decided(NamedTuple):
    """`heads`: is_ruled, tax_fault, and tax and total where rules or engines decide; `lines`:
    LINE_TAXES; `questions`: QUESTIONS to engines."""

    heads: pl.DataFrame
    lines: pl.DataFrame
    questions: pl.DataFrame = pl.DataFrame(schema=QUESTIONS)


def no_taxes() -> pl.DataFrame:
    """LINE_TAXES without a row."""
    return pl.DataFrame(schema=LINE_TAXES)


def undecided(heads: pl.DataFrame) -> Decided:
    """The heads as they are, where the book has no rules."""
    plain = heads.with_columns(is_ruled=pl.lit(value=False), tax_fault=pl.lit(None, pl.String))
    return Decided(plain, pl.DataFrame(schema=LINE_TAXES))


def decided(heads: pl.DataFrame, lines: pl.DataFrame, book: TaxBook) -> Decided:
    """The heads with the taxes of those that have no decision and whose entity taxes by rules or
    asks an engine."""
    is_ruled = pl.col("tax_treatment").is_null() & pl.col("entity_id").is_in(
        book.sellers["entity_id"].implode()
    )
    is_known = pl.col("customer_id").is_in(book.buyers["customer_id"].implode())
    mine = heads.filter(is_ruled & is_known)
    asking = _asking(heads.filter(is_known), book)
    if mine.is_empty() and asking.is_empty():
        return undecided(heads)
    found = resolved(mine, lines, book)
    taxes = _by_options(_sound(found.lines, found.faults), mine, book)
    if book.engines is None or asking.is_empty():
        return _told(heads, mine, found.faults, Decided(heads, taxes))
    said = answered(asking, lines, book.categories, book.engines)
    own = categorized(lines, book.categories).select(*_LINE, "category")
    rows = _numbered(_sound(said.lines, said.faults).drop("category").join(own, on=_LINE))
    of_engines = rows.select(pl.col(name).cast(kind) for name, kind in LINE_TAXES.items())
    both = pl.concat([taxes, of_engines]).sort(*_LINE, "tax_no")
    faults = pl.concat([found.faults, said.faults])
    made = Decided(heads, both, said.questions)
    return _told(heads, pl.concat([mine, asking]), faults, made)


def _asking(heads: pl.DataFrame, book: TaxBook) -> pl.DataFrame:
    """The heads without a decision whose entity asks an engine."""
    if book.engines is None:
        return heads.clear()
    undecided_heads = heads.filter(pl.col("tax_treatment").is_null())
    return undecided_heads.join(book.engines.sellers, on="entity_id", how="semi")


def _sound(lines: pl.DataFrame, faults: pl.DataFrame) -> pl.DataFrame:
    return lines.join(faults, on="draft_id", how="anti")


def _told(heads: pl.DataFrame, mine: pl.DataFrame, found: pl.DataFrame, made: Decided) -> Decided:
    """All heads with what was found of those that are `mine`."""
    taxes = made.lines
    faults = found.group_by("draft_id").agg(tax_fault=pl.col("fault").sort().str.join(" "))
    sums = taxes.group_by("draft_id").agg(ruled_tax=pl.col("tax").sum().cast(AMOUNT))
    joined = (
        heads.with_columns(is_ruled=pl.col("draft_id").is_in(mine["draft_id"].implode()))
        .join(faults, on="draft_id", how="left")
        .join(sums, on="draft_id", how="left")
    )
    is_taxed = pl.col("is_ruled") & pl.col("tax_fault").is_null()
    tax = pl.col("ruled_tax").fill_null(pl.lit(0).cast(AMOUNT))
    told = joined.with_columns(tax=pl.when(is_taxed).then(tax).otherwise("tax"))
    totals = told.with_columns(total=pl.col("net") + pl.col("tax")).drop("ruled_tax")
    return made._replace(heads=totals)


def _by_options(lines: pl.DataFrame, heads: pl.DataFrame, book: TaxBook) -> pl.DataFrame:
    """The lines with their taxes, each as its entity rounds; there are few ways to round."""
    how = heads.select("draft_id", "entity_id", "currency").join(
        book.sellers.select("entity_id", "rounding", "mode"), on="entity_id"
    )
    named = _numbered(lines.join(how.drop("entity_id"), on="draft_id"))
    parts = [
        _taxed(part, Options(rounding=part["rounding"][0], mode=part["mode"][0]))
        for part in named.partition_by("rounding", "mode", maintain_order=True)
    ]
    return pl.concat([pl.DataFrame(schema=LINE_TAXES), *parts]).sort(*_LINE, "tax_no")


def _numbered(lines: pl.DataFrame) -> pl.DataFrame:
    """The rows with `tax_no`, the place of their tax on the document."""
    rows = lines.select("draft_id", *ROW).unique().sort("draft_id", *ROW, nulls_last=False)
    number = pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("draft_id")
    return lines.join(rows.with_columns(tax_no=number), on=["draft_id", *ROW], nulls_equal=True)


def _taxed(lines: pl.DataFrame, options: Options) -> pl.DataFrame:
    asked = lines.select(
        "line_no", "tax_no", "amount", "rate", "is_compound",
        document_id="draft_id",
        tax_id=pl.col("tax_no").cast(pl.String),
        is_inclusive="is_inclusive",
        places=pl.col("currency").replace_strict(dict(PLACES), return_dtype=pl.Int64),
    )  # fmt: skip
    shares = taxed(asked, options).lines.select(
        "line_no", "tax_no", pl.col("tax").cast(AMOUNT), draft_id="document_id"
    )
    whole = lines.join(shares, on=[*_LINE, "tax_no"], how="left")
    # Each tax is due on what the line is without any of them.
    return whole.with_columns(base=_net(pl.col("tax").sum().over(_LINE))).select(
        pl.col(name).cast(kind) for name, kind in LINE_TAXES.items()
    )


def _net(taxes: pl.Expr) -> pl.Expr:
    """The amount of a line less the taxes that it holds."""
    amount = pl.col("amount").cast(AMOUNT)
    return pl.when("is_inclusive").then(amount - taxes).otherwise(amount).cast(AMOUNT)


def netted(
    heads: pl.DataFrame, lines: pl.DataFrame, taxes: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Heads and lines of which amounts that held their taxes are without them.

    Lines get `tax_included`, null where the amount held none (`is_inclusive` says which do).
    `taxes` (LINE_TAXES) are those that rules or engines decided. A decision of the customer taxes
    amounts that hold their tax once for a document, and others once. A draft whose taxes are not
    known is left as it is.
    """
    none = lines.with_columns(tax_included=pl.lit(None, AMOUNT))
    mine = heads.join(lines.filter("is_inclusive"), on="draft_id", how="semi")
    if mine.is_empty():
        return heads, none
    chosen = mine.filter(pl.col("tax_treatment").is_not_null() & pl.col("tax").is_not_null())
    own = _of_decisions(chosen, lines)
    held = pl.concat([own, taxes.select(own.columns)]).group_by(_LINE).agg(pl.col("tax").sum())
    told = lines.join(held, on=_LINE, how="left", maintain_order="left").with_columns(
        tax_included=pl.when("is_inclusive").then(pl.col("tax").cast(AMOUNT))
    )
    net = (pl.col("amount") - pl.col("tax_included").fill_null(0)).cast(AMOUNT)
    sums = told.group_by("draft_id").agg(held=pl.col("tax_included").sum().cast(AMOUNT))
    decided_tax = own.group_by("draft_id").agg(decided_tax=pl.col("tax").sum().cast(AMOUNT))
    joined = heads.join(sums, on="draft_id", how="left").join(
        decided_tax, on="draft_id", how="left"
    )
    heads = (
        joined.with_columns(
            net=(pl.col("net") - pl.col("held").fill_null(0)).cast(AMOUNT),
            tax=pl.coalesce("decided_tax", "tax"),
        )
        .with_columns(total=(pl.col("net") + pl.col("tax")).cast(AMOUNT))
        .drop("held", "decided_tax")
    )
    return heads, told.with_columns(amount=net).drop("tax")


def _of_decisions(heads: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """draft_id, line_no, tax: the lines of drafts whose customers have a decision."""
    rate = pl.when(pl.col("tax_treatment") == "taxed").then("tax_rate").otherwise(pl.lit("0"))
    named = heads.select("draft_id", rate=rate.cast(AMOUNT))
    asked = (
        lines.filter(pl.col("role") != CREDIT_SALE)
        .join(named, on="draft_id")
        .select(
            "line_no", "amount", "rate", "is_inclusive",
            document_id="draft_id",
            tax_no=pl.lit(1, pl.Int64),
            tax_id=pl.lit(_DECISION),
            is_compound=pl.lit(value=False),
            places=pl.col("currency").replace_strict(dict(PLACES), return_dtype=pl.Int64),
        )
    )  # fmt: skip
    return (
        taxed(asked)
        .lines.select("line_no", pl.col("tax").cast(AMOUNT), draft_id="document_id")
        .select(*_LINE, "tax")
    )


def by_document(taxes: pl.DataFrame) -> pl.DataFrame:
    """One row per draft and row of its taxes: draft_id, tax_no, ROW, base, tax."""
    return (
        taxes.group_by("draft_id", "tax_no", *ROW)
        .agg(pl.col("base", "tax").sum().cast(AMOUNT))
        .sort("draft_id", "tax_no")
    )


def in_base(rows: pl.DataFrame, rate: pl.Expr) -> pl.DataFrame:
    """The rows with base_amount and base_tax: base and tax times `rate` (base currency per unit of
    `currency`), rounded to the places of `base_currency`."""
    currency = pl.col("base_currency")
    return rows.with_columns(
        base_amount=rounded((pl.col("base") * rate.cast(AMOUNT)).cast(AMOUNT), currency),
        base_tax=rounded((pl.col("tax") * rate.cast(AMOUNT)).cast(AMOUNT), currency),
    )


def document_json(taxes: pl.DataFrame, currencies: pl.DataFrame) -> pl.DataFrame:
    """draft_id and `tax_rows`, the JSON array of the document's taxes."""
    rows = by_document(taxes).join(currencies, on="draft_id")
    place = pl.concat_str(["country", "region"], separator="-", ignore_nulls=True)
    rate = pl.col("rate").cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".")
    fields = {
        "amount": money(pl.col("tax"), pl.col("currency")),
        "base": money(pl.col("base"), pl.col("currency")),
        "certificate": string(pl.col("certificate")),
        "jurisdiction": string(place),
        "name": string(pl.col("name")),
        "rate": string(pl.when(pl.col("treatment") == "taxed").then(rate)),
        "reason": string(pl.col("reason")),
        "registration": string(pl.col("registration")),
        "treatment": string(pl.col("treatment")),
    }
    return _arrays(rows.sort("draft_id", "tax_no"), ["draft_id"], fields, "tax_rows")


def lines_json(taxes: pl.DataFrame, currencies: pl.DataFrame) -> pl.DataFrame:
    """draft_id, line_no and `line_tax`: the category of the line, and its share of each row."""
    rows = taxes.join(currencies, on="draft_id").sort(*_LINE, "tax_no")
    fields = {"amount": money(pl.col("tax"), pl.col("currency")), "row": integer(pl.col("tax_no"))}
    shares = _arrays(rows, _LINE, fields, "shares")
    told = object_of({"category": string(pl.col("category")), "shares": pl.col("shares")})
    category = taxes.unique(_LINE, keep="first").select(*_LINE, "category")
    return shares.join(category, on=_LINE).select(*_LINE, line_tax=told)


def _arrays(
    rows: pl.DataFrame, by: list[str] | tuple[str, ...], fields: dict[str, pl.Expr], into: str
) -> pl.DataFrame:
    return (
        rows.with_columns(_row=object_of(fields))
        .group_by(by, maintain_order=True)
        .agg(array_over_rows(pl.col("_row")).alias(into))
    )


def line_tax(
    documents: pl.DataFrame, lines: pl.DataFrame, taxes: pl.DataFrame | None = None
) -> pl.DataFrame:
    """One row per line: document_id, line_no, `tax`, which add up to the tax of their document.

    Documents: document_id, currency, tax; lines: document_id, line_no, role, amount,
    tax_included; taxes: the rows of facts.line_taxes. Lines of a document without such rows have
    the tax that their price held; the others share the rest by their amounts (largest remainder);
    sold credit has none.
    """
    known = pl.DataFrame(schema={"document_id": pl.String, "line_no": pl.Int64, "tax": AMOUNT})
    if taxes is not None:
        of_rows = taxes.group_by("document_id", "line_no").agg(pl.col("tax").sum().cast(AMOUNT))
        known = pl.concat([known, of_rows.select(known.columns)])
    whole = lines.select("document_id", "line_no", "role", "amount", "tax_included").join(
        documents.select("document_id", "currency", document_tax="tax"), on="document_id"
    )
    held = pl.col("tax_included").cast(AMOUNT)
    others = pl.col("document_tax") - held.fill_null(0).sum().over("document_id")
    silent = (
        whole.filter(pl.col("role") != CREDIT_SALE)
        .join(known, on="document_id", how="anti")
        .with_columns(
            places=pl.col("currency").replace_strict(dict(PLACES), return_dtype=pl.Int64),
            rest=others.cast(AMOUNT),
        )
        .sort("document_id", "line_no")
    )
    shared = silent.filter(held.is_null())
    parts = allocated(shared, by=["document_id"], amount="rest", weight="amount", into="tax")
    priced = silent.filter(held.is_not_null()).with_columns(tax=held)
    every = pl.concat([known, *(frame.select(known.columns) for frame in (parts, priced))])
    zero = pl.lit(0).cast(AMOUNT)
    return (
        whole.select("document_id", "line_no")
        .join(every, on=["document_id", "line_no"], how="left")
        .with_columns(pl.col("tax").fill_null(zero))
        .sort("document_id", "line_no")
    )
