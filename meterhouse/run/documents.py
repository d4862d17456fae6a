"""Documents as files: PDF or HTML of what was issued, and of drafts marked as such; e-invoices.

A document is rendered from its canonical JSON and from how its seller's book, as the document's
run knew it, says it should look. The same document gives the same bytes under the same name: what
was made of an issued document once is kept (renderings.py) and given again.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import quote

import duckdb
import polars as pl

from meterhouse.durable import bytes_sha256, fsync, make_folder
from meterhouse.einvoice.cii import cii
from meterhouse.einvoice.terms import NotAnEinvoice, einvoice_of
from meterhouse.einvoice.ubl import ubl
from meterhouse.errors import UsageError
from meterhouse.lake import Lake
from meterhouse.rendering.html import html
from meterhouse.rendering.pdf import Unprintable, pdf
from meterhouse.rendering.presentation import Payment, Presentation, presentation
from meterhouse.rendering.printable import printable
from meterhouse.run import renderings

Form = Literal["pdf", "html", "factur-x", "ubl", "cii"]
Tell = Callable[[str], None]
# What a file of each form is called after its number.
ENDINGS: Mapping[Form, str] = MappingProxyType(
    {"pdf": "pdf", "html": "html", "factur-x": "pdf", "ubl": "xml", "cii": "cii.xml"}
)
AT_ONCE = 200
LONGEST_NAME = 150

# A version of a document that is in force on a day; before the first, what that first one says.
LOOKED = """
with versions as (
    select kind, doc_id, content::json as content, batch_seq, row_no,
        coalesce(valid_from, date '0001-01-01') as slot_from
    from facts.book_versions where kind in ('entity', 'customer')
),
looks as (
    select wanted.document_id, versions.kind,
        arg_max(versions.content, (
            slot_from <= boundary_on,
            case when slot_from <= boundary_on then 1 else -1 end
                * date_diff('day', date '0001-01-01', slot_from),
            versions.batch_seq, versions.row_no
        )) as content
    from wanted join versions
        on versions.batch_seq <= wanted.known_at
        and versions.doc_id
            = case versions.kind when 'entity' then wanted.entity_id else wanted.customer_id end
    group by wanted.document_id, versions.kind
)
select wanted.document_id, wanted.number, wanted.entity_id, wanted.content,
    year(wanted.invoice_date) as year, nullif((entity.content->'$.branding')::varchar, 'null')
        as branding,
    coalesce(customer.content->>'$.locale', entity.content->>'$.locale') as locale
from wanted
left join looks as entity
    on entity.document_id = wanted.document_id and entity.kind = 'entity'
left join looks as customer
    on customer.document_id = wanted.document_id and customer.kind = 'customer'
order by wanted.batch_seq, wanted.row_no
"""
ISSUED = """
select document_id, number, entity_id, customer_id, invoice_date, boundary_on, known_at,
    content, batch_seq, row_no
from facts.documents
"""


@dataclass(frozen=True)
class Written:
    """One file; `number` of a draft is the beginning of its id."""

    number: str
    path: str
    sha256: str
    bytes: int


@dataclass
class Rendered:
    """What became of the documents asked for; each failure is a sentence.

    `differing`: numbers of which other bytes are kept than were made anew.
    """

    written: list[Written] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Draft:
    """A draft to render: its id and its canonical content."""

    draft_id: str
    content: str


def render(
    lake: Lake,
    numbers: Sequence[str] | None,
    form: Form,
    folder: Path,
    payments: Mapping[str, Payment] | None = None,
    tell: Tell = lambda _: None,
    *,
    anew: bool = False,
) -> Rendered:
    """Write the documents named, or all, below `folder` as <entity>/<year>/<number>.<form>.

    `payments` says by number what was paid; without it a document is shown as at its issue. `tell`
    hears how many are done, after every few. What is kept is written as it is, unless it is made
    `anew`, which changes nothing of what is kept.
    """
    with lake.reading() as db:
        _refuse_unknown(db, numbers)
        asked = "" if numbers is None else " where list_contains($numbers, number)"
        parameters = {} if numbers is None else {"numbers": list(numbers)}
        # A view cannot hold parameters, and contents of all documents are not held at once.
        db.execute(f"create temp table wanted as {_without_content()}{asked}", parameters)
        return _render(lake, db, form, folder, payments or {}, tell, anew=anew)


def render_drafts(lake: Lake, drafts: Sequence[Draft], form: Form, folder: Path) -> Rendered:
    """Write drafts, marked as such, below `folder` as <entity>/draft/<id>.<form>."""
    rows = [_draft_row(place, draft) for place, draft in enumerate(drafts)]
    schema = {"document_id": pl.String, "number": pl.String, "entity_id": pl.String} | {
        "customer_id": pl.String,
        "invoice_date": pl.String,
        "content": pl.String,
        "row_no": pl.Int64,
    }
    with lake.reading() as db:
        db.register("drafts_in", pl.DataFrame(rows, schema=schema, orient="row").to_arrow())
        db.execute(
            "create temp table wanted as select * replace (invoice_date::date as invoice_date), "
            f"invoice_date::date as boundary_on, {lake.head().batch_seq} as known_at, "
            "0 as batch_seq from drafts_in"
        )
        return _render(lake, db, form, folder, {}, lambda _: None)


def _without_content() -> str:
    return ISSUED.replace("content,", "null::varchar as content,")


def _draft_row(place: int, draft: Draft) -> tuple[Any, ...]:
    content = json.loads(draft.content)
    entity, customer = ((content[one] or {}).get("id", "-") for one in ("seller", "buyer"))
    day = content["dates"]["invoice_date"]
    return draft.draft_id, None, entity, customer, day, draft.content, place


def _render(
    lake: Lake,
    db: duckdb.DuckDBPyConnection,
    form: Form,
    folder: Path,
    payments: Mapping[str, Payment],
    tell: Tell,
    *,
    anew: bool = False,
) -> Rendered:
    @cache
    def look(branding: str | None, locale: str | None) -> Presentation:
        return presentation(branding, locale, lake.settings.book)

    def made(row: Mapping[str, Any]) -> bytes:
        return rendered(row, form, look(row["branding"], row["locale"]), payments)

    result, done = Rendered(), 0
    for rows in _rows(db):
        fixed = {row["document_id"] for row in rows if _is_fixed(row, payments)}
        before = renderings.kept(db, form, sorted(fixed))
        new: dict[str, bytes] = {}
        for row in rows:
            known = before.get(row["document_id"])
            try:
                data = made(row) if anew or known is None else known
            except (NotAnEinvoice, Unprintable, UsageError) as error:
                result.failed.append(str(error))
                continue
            path = folder / file_name(row, form)
            write(path, data, folder)
            result.written.append(_written(row, path, data))
            if known is None and row["document_id"] in fixed:
                new[row["document_id"]] = data
            elif known is not None and known != data:
                result.differing.append(row["number"])
        renderings.keep(lake, form, new)
        done += len(rows)
        tell(f"{done:,} documents written")
    return result


def _is_fixed(row: Mapping[str, Any], payments: Mapping[str, Payment]) -> bool:
    """Whether the file of a document is one for all time: issued, and as at its issue."""
    return row["number"] is not None and row["number"] not in payments


def rendered(
    row: Mapping[str, Any], form: Form, look: Presentation, payments: Mapping[str, Payment]
) -> bytes:
    """The bytes of one document: row of document_id, number (null: a draft) and content."""
    content = json.loads(row["content"])
    if form in ("ubl", "cii"):
        return (ubl if form == "ubl" else cii)(einvoice_of(content))
    draft_id = row["document_id"] if row["number"] is None else None
    document = printable(content, look, payments.get(row["number"] or ""), draft_id)
    if form == "html":
        return html(document, look.logo)
    inside = cii(einvoice_of(content)) if form == "factur-x" else None
    return pdf(document, look.logo, inside)


def file_name(row: Mapping[str, Any], form: Form) -> Path:
    """The document's place below the folder; one number has one name, whatever it holds."""
    if row["number"] is None:
        return Path(row["entity_id"], "draft", f"{row['document_id'][:8]}.{ENDINGS[form]}")
    name = quote(row["number"], safe=" ")
    name = f"%2E{name[1:]}" if name.startswith(".") else name
    if len(name) > LONGEST_NAME:
        digest = hashlib.sha256(row["number"].encode()).hexdigest()
        name = f"{name[:LONGEST_NAME]}-{digest[:16]}"
    return Path(row["entity_id"], str(row["year"]), f"{name}.{ENDINGS[form]}")


def write(path: Path, data: bytes, root: Path) -> None:
    """Write the bytes, whole or not at all."""
    root.mkdir(parents=True, exist_ok=True)
    make_folder(path.parent, root)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(data)
    fsync(temporary)
    os.replace(temporary, path)
    fsync(path.parent)


def _rows(db: duckdb.DuckDBPyConnection) -> Iterator[list[dict[str, Any]]]:
    """The documents in order of issue, with their contents, a few at a time."""
    found = db.execute(LOOKED)
    names = [column[0] for column in found.description or []]
    rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        missing = [row["document_id"] for row in some if row["content"] is None]
        contents = dict(
            db.execute(
                "select document_id, content from facts.documents "
                "where list_contains(?, document_id)",
                [missing],
            ).fetchall()
        )
        yield [{**row, "content": contents.get(row["document_id"], row["content"])} for row in some]


def _written(row: Mapping[str, Any], path: Path, data: bytes) -> Written:
    number = row["number"] or row["document_id"][:8]
    return Written(number, str(path), bytes_sha256(data), len(data))


def _refuse_unknown(db: duckdb.DuckDBPyConnection, numbers: Sequence[str] | None) -> None:
    if numbers is None:
        return
    known = {row[0] for row in db.execute("select number from facts.documents").fetchall()}
    unknown = sorted(set(numbers) - known)
    if unknown:
        raise UsageError(
            f"No document has the number {', '.join(unknown)}. Nothing was written. "
            "`meterhouse invoices list` shows the numbers."
        )
