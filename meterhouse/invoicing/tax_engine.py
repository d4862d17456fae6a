"""Taxes that an engine outside of the house decides: what it is asked, and what its answers say.

A question is a canonical JSON text that holds all that taxes may hang on and nothing else, so the
same document is the same question. An engine answers with the taxes of each line; from there on
they are as if rules had decided them.
"""

from typing import NamedTuple, Protocol

import polars as pl

from meterhouse.canonical_columns import (
    array_over_rows,
    day,
    embedded,
    integer,
    object_of,
    sha256,
    string,
)
from meterhouse.invoicing.tax_rules import LINE_RULE, Schema, categorized
from meterhouse.money import AMOUNT, PLACES, rounded

# What the book says: addresses and ids are canonical JSON.
SELLERS: Schema = dict.fromkeys(("entity_id", "engine", "seller"), pl.String)
BUYERS: Schema = dict.fromkeys(("customer_id", "buyer"), pl.String) | {"has_place": pl.Boolean}
CODES: Schema = dict.fromkeys(("contract_id", "item_id", "tax_code"), pl.String)
# An answer is canonical JSON; `fault` says why there is none.
ANSWERS: Schema = dict.fromkeys(("question_sha256", "answer", "fault"), pl.String)
# `fault` as it stands when the drafts are made; null where there is an answer.
QUESTIONS: Schema = dict.fromkeys(
    ("draft_id", "engine", "question_sha256", "question", "fault"), pl.String
)
_TAX = pl.Struct(
    dict.fromkeys(("base", "certificate", "country", "name"), pl.String)
    | dict.fromkeys(("rate", "reason", "region", "tax", "treatment"), pl.String)
)
ANSWER = pl.Struct({"lines": pl.List(pl.Struct({"line_no": pl.Int64, "taxes": pl.List(_TAX)}))})
NOT_ASKED = "nobody asked it yet (dry runs and previews ask nobody)"
_LINE = ("draft_id", "line_no")


class TaxEngine(Protocol):
    """A system that says taxes; its texts are canonical JSON, its errors MeterhouseError.

    A question: `{buyer, currency, date, engine, kind, lines, seller}`; a line of it: `{amount,
    category, code, description, line_no, tax_on}`, `tax_on` being the day whose taxes a correction
    has; `price_holds_tax` that its amount does, where it does; `tax`, on credit notes by hand only,
    is what the line was charged. An answer: `{lines:
    [{line_no, taxes: [{base, certificate, country, name, rate, reason, region, tax, treatment}]}]}`
    with amounts, and rates as fractions, as text.
    """

    def ask(self, question: str) -> str:
        """The answer; nothing is kept there."""
        ...

    def record(self, question: str, number: str, tax: str) -> None:
        """Keep a document there; refused where its tax is not this one. Safe to repeat."""
        ...

    def void(self, kind: str, number: str) -> None:
        """Take a kept document back; safe to repeat."""
        ...


class EngineBook(NamedTuple):
    """Who asks engines (SELLERS), for whom (BUYERS), codes of items (CODES), and known ANSWERS."""

    sellers: pl.DataFrame
    buyers: pl.DataFrame
    codes: pl.DataFrame
    answers: pl.DataFrame


class Answered(NamedTuple):
    """`lines`: draft_id, line_no, LINE_RULE, base, tax; `faults`: draft_id and a sentence;
    `questions`: QUESTIONS."""

    lines: pl.DataFrame
    faults: pl.DataFrame
    questions: pl.DataFrame


def answered(
    heads: pl.DataFrame, lines: pl.DataFrame, categories: pl.DataFrame, book: EngineBook
) -> Answered:
    """The taxes that engines have said of the lines of drafts, or why they said none.

    Heads: draft_id, kind, entity_id, customer_id, currency, invoice_date; lines as drafts hold
    them; categories as tax_rules.CATEGORIES.
    """
    asked = questions(heads, lines, categories, book)
    known = asked.drop("fault").join(
        book.answers.unique("question_sha256", keep="first", maintain_order=True),
        on="question_sha256", how="left",
    )  # fmt: skip
    said = known.filter(pl.col("answer").is_not_null())
    rows = _taxes(said)
    wrong = _wrong(said, rows, heads, lines)
    silent = known.filter(pl.col("answer").is_null()).select(
        "draft_id", "engine", why=pl.col("fault").fill_null(pl.lit(NOT_ASKED))
    )
    faults = pl.concat([silent, wrong]).with_columns(
        fault=pl.format(
            "Engine {} gave no taxes of draft {}: {}. The draft waits and is not taxed at 0 %; run "
            "again when that is mended.",
            "engine", pl.col("draft_id").str.head(8), pl.col("why").str.strip_chars_end("."),
        )
    )  # fmt: skip
    nowhere = heads.join(
        book.buyers.filter(~pl.col("has_place")), on="customer_id", how="semi"
    ).with_columns(
        fault=pl.format(
            "Customer {} has no address, so no engine can say how it is taxed; add `address`, "
            "`ship_to` or `tax` to it, then run again.",
            "customer_id",
        )
    )
    told = [frame.select("draft_id", "fault") for frame in (faults, nowhere)]
    waiting = known.select(
        *(pl.col(name) for name in QUESTIONS if name != "fault"),
        fault=pl.when(pl.col("answer").is_null()).then(pl.col("fault").fill_null(NOT_ASKED)),
    )
    return Answered(
        rows.join(wrong, on="draft_id", how="anti"), pl.concat(told), waiting.select(*QUESTIONS)
    )


def _plain(name: str) -> pl.Expr:
    """An amount as text without zeros that say nothing."""
    text = pl.col(name).cast(AMOUNT).cast(pl.String)
    return text.str.strip_chars_end("0").str.strip_chars_end(".")


_LINE_TOLD = {
    "amount": string(_plain("amount")),
    "category": string(pl.col("category")),
    "code": string(pl.col("tax_code")),
    "description": string(pl.col("item_description")),
    "line_no": integer(pl.col("line_no")),
    "tax_on": day(pl.when("is_correction").then("original_invoice_date")),
}


def questions(
    heads: pl.DataFrame, lines: pl.DataFrame, categories: pl.DataFrame, book: EngineBook
) -> pl.DataFrame:
    """One row per draft that has anything to ask and whose buyer has a place: QUESTIONS."""
    parties = heads.join(book.sellers, on="entity_id").join(
        book.buyers.filter("has_place"), on="customer_id"
    )
    of_drafts = lines.join(parties, on="draft_id", how="semi")
    own = categorized(of_drafts, categories).join(
        book.codes, on=["contract_id", "item_id"], how="left"
    )
    told = own.sort(_LINE).with_columns(
        line=pl.when("is_inclusive")
        .then(object_of({**_LINE_TOLD, "price_holds_tax": pl.lit("true")}))
        .otherwise(object_of(_LINE_TOLD))
    )
    gathered = told.group_by("draft_id", maintain_order=True).agg(
        lines=array_over_rows(pl.col("line"))
    )
    texts = parties.join(gathered, on="draft_id").with_columns(
        question=object_of(
            {
                "buyer": embedded(pl.col("buyer")),
                "currency": string(pl.col("currency")),
                "date": day(pl.col("invoice_date")),
                "engine": string(pl.col("engine")),
                "kind": string(pl.col("kind")),
                "lines": pl.col("lines"),
                "seller": embedded(pl.col("seller")),
            }
        )
    )
    return texts.with_columns(
        question_sha256=sha256(texts["question"]), fault=pl.lit(None, pl.String)
    ).select(pl.col(name).cast(kind) for name, kind in QUESTIONS.items())


def _taxes(said: pl.DataFrame) -> pl.DataFrame:
    """One row per line and tax of the answers, with LINE_RULE, base and tax."""
    whole = said.with_columns(pl.col("answer").str.json_decode(ANSWER)).unnest("answer")
    lines = whole.explode("lines").unnest("lines").rename({"taxes": "tax_of"})
    rows = lines.explode("tax_of").filter(pl.col("tax_of").is_not_null()).unnest("tax_of")
    numbered = rows.with_columns(
        place=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over(_LINE),
        is_compound=pl.lit(value=False),
        **dict.fromkeys(("category", "registration"), pl.lit(None, pl.String)),
    )
    return numbered.select(
        *_LINE,
        *(pl.col(name).cast(kind) for name, kind in LINE_RULE.items()),
        pl.col("base", "tax").cast(AMOUNT),
    )


def _wrong(
    said: pl.DataFrame, rows: pl.DataFrame, heads: pl.DataFrame, lines: pl.DataFrame
) -> pl.DataFrame:
    """Answers that leave a line out, or hold what nobody can pay: draft_id, engine, why."""
    named = said.select("draft_id", "engine")
    taxed = categorized(lines, None).join(named, on="draft_id")
    missing = taxed.join(rows, on=_LINE, how="anti").select(
        "draft_id", "engine", why=pl.format("its answer says nothing of line {}", "line_no")
    )
    other = (
        rows.join(taxed, on=_LINE, how="anti")
        .join(named, on="draft_id")
        .select(
            "draft_id",
            "engine",
            why=pl.format("its answer names line {}, which is none", "line_no"),
        )
    )
    known = pl.col("currency").is_in(list(PLACES))
    odd = (
        rows.join(heads.select("draft_id", "currency"), on="draft_id")
        .join(named, on="draft_id")
        .filter(known & (rounded(pl.col("tax"), pl.col("currency")) != pl.col("tax")))
        .select(
            "draft_id", "engine",
            why=pl.format("its tax {} of line {} is finer than {} is paid",
                          _plain("tax"), "line_no", "currency"),
        )
    )  # fmt: skip
    every = pl.concat([missing, other, odd]).unique().sort("draft_id", "why")
    return every.unique("draft_id", keep="first", maintain_order=True)
