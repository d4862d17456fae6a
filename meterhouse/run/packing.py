"""The customer's pack of a document: all that its total is made of, to be checked without us.

A folder of the document, the events behind its lines, the arithmetic of each line, and the hashes
that tie them together; `check.sql` adds all of it up again in one query of DuckDB.
"""

import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from meterhouse.canonical import canonical_json, sha256_text
from meterhouse.durable import file_sha256, fsync
from meterhouse.errors import UsageError
from meterhouse.lake import Lake
from meterhouse.run.export_folder import replacing
from meterhouse.run.usage_behind import usage_behind

QUERY = Path(__file__).with_name("pack_check.sql")
README = Path(__file__).with_name("pack_readme.txt")
# A decimal as in the document: none of its digits is lost.
EXACT = pl.Decimal(38, 18)
LINES: dict[str, pl.DataType | type[pl.DataType]] = {
    "line_no": pl.Int64,
    "item": pl.String,
    "description": pl.String,
    "meter": pl.String,
    "unit": pl.String,
    "service_start": pl.String,
    "service_end": pl.String,
    "zone": pl.String,
    "quantity": EXACT,
    "price": pl.String,
    "unrounded": EXACT,
    "desired": EXACT,
    "already_billed": EXACT,
    # The amount is without the taxes that its price held, which are these.
    "amount": EXACT,
    "tax_included": EXACT,
    "original_number": pl.String,
    # How far a sum of events may be from the quantity, which has the decimals of its meter; null
    # where the quantity is no sum.
    "off_at_most": EXACT,
}
STEPS: dict[str, pl.DataType | type[pl.DataType]] = {
    "line_no": pl.Int64,
    "step_no": pl.Int64,
    "step": pl.String,
    "quantity": EXACT,
    "unit_amount": EXACT,
    "per": EXACT,
    "flat_amount": EXACT,
    "amount": EXACT,
    "told": pl.String,
}
TAXES: dict[str, pl.DataType | type[pl.DataType]] = {
    "tax_no": pl.Int64,
    "name": pl.String,
    "treatment": pl.String,
    "rate": EXACT,
    "base": EXACT,
    "amount": EXACT,
    "reason": pl.String,
}
# Meters whose line is the sum of what its events bring; all others are worked out from them.
ADDED_UP = """
select lines.line_no, max(meters.decimals) as decimals
from facts.billed_lines as lines
join (
    select doc_id as meter_id, max((content->>'$.decimals')::integer) as decimals
    from facts.book_versions where kind = 'meter'
    group by doc_id having bool_and(
        (content->>'$.aggregation') in ('sum', 'count')
        and not (content->>'$.recurring')::boolean and (content->>'$.bucket') is null
        and (content->>'$.convert.multiply') = '1' and (content->>'$.convert.divide') = '1'
        and (content->>'$.round') is null and (content->>'$.empty') = '0'
    )
) as meters using (meter_id)
where lines.document_id = ? and lines.determinant_id is not null group by lines.line_no
"""
CHAIN = """
select run_id, content_hash, previous_hash from facts.manifests
where batch_seq <= ? order by batch_seq, row_no
"""


@dataclass(frozen=True)
class Claim:
    """One sentence that the pack's own query checks."""

    claim: str
    holds: bool
    stated: str | None
    found: str | None


@dataclass(frozen=True)
class Pack:
    """A pack on disk, and what its own query says of it."""

    folder: Path
    files: tuple[str, ...]
    claims: tuple[Claim, ...]

    @property
    def holds(self) -> bool:
        """Whether every claim holds."""
        return all(one.holds for one in self.claims)


def pack(lake: Lake, number: str, place: Path) -> Pack:
    """Write the pack of an issued document as folder `place`, whole or not at all, and check it."""
    with lake.reading() as db:
        row = db.execute(
            "select document_id, content, batch_seq from facts.documents where number = ?",
            [number],
        ).fetchone()
        if row is None:
            raise UsageError(
                f"No document has the number {number}. Nothing was written. "
                "`meterhouse invoices list` shows the numbers."
            )
        content = json.loads(row[1])
        added_up = dict(db.execute(ADDED_UP, [row[0]]).fetchall())
        chain = db.execute(CHAIN, [row[2]]).pl()
    events = usage_behind(lake, number)
    with replacing(place) as folder:
        (folder / "document.json").write_text(row[1], encoding="utf-8")
        frames = {
            "events": events,
            "lines": _lines(content, added_up),
            "steps": _steps(content),
            "taxes": _taxes(content),
            "manifests": chain,
        }
        for name, frame in frames.items():
            frame.write_parquet(folder / f"{name}.parquet", compression="zstd")
        for source, name in ((QUERY, "check.sql"), (README, "README.txt")):
            (folder / name).write_bytes(source.read_bytes())
        _write_manifest(folder, content, row[1])
        for path in folder.iterdir():
            fsync(path)
    return check(place)


def check(folder: Path) -> Pack:
    """Run a pack's own query: every claim with what the document states and what was found."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        names = sorted(manifest["files"])
        damaged = [name for name in names if file_sha256(folder / name) != manifest["files"][name]]
        with duckdb.connect() as db:
            db.execute("set timezone = 'UTC'")
            db.execute("set file_search_path = ?", [str(folder)])
            rows = db.execute((folder / "check.sql").read_text(encoding="utf-8")).fetchall()
    except (OSError, ValueError, KeyError, TypeError, duckdb.Error) as error:
        raise UsageError(
            f"{folder} is no pack that can be read: {str(error).splitlines()[0]}. "
            "`meterhouse invoices pack NUMBER` writes one."
        ) from error
    files = Claim("Every file is the one that was written.", not damaged, None, ", ".join(damaged))
    return Pack(folder, tuple(names), (files, *(Claim(*row) for row in rows)))


def _write_manifest(folder: Path, content: dict[str, Any], text: str) -> None:
    """Hashes of the files, and the chain over the events, which begins with the document's own."""
    with duckdb.connect() as db:
        db.execute("set timezone = 'UTC'")
        db.execute("set file_search_path = ?", [str(folder)])
        query = QUERY.read_text(encoding="utf-8")
        chained = (
            query[query.index("with document") : query.index("-- claims")].rstrip().rstrip(",")
        )
        row = db.execute(f"{chained} select link from chain").fetchone()
    manifest = {
        "format": 1,
        "number": content["issue"]["number"],
        "run_id": content["issue"]["run_id"],
        "document_sha256": sha256_text(text),
        "events_chain": row[0] if row else None,
        "files": {p.name: file_sha256(p) for p in sorted(folder.iterdir())},
    }
    (folder / "manifest.json").write_text(canonical_json(manifest), encoding="utf-8")


def _lines(content: dict[str, Any], added_up: dict[int, int]) -> pl.DataFrame:
    rows = []
    for line in content["lines"]:
        before = line["correction"] or line.get("progress") or {}
        meter, service = line["meter"] or {}, line["service"]
        rows.append(
            {
                "line_no": line["line_no"],
                "item": line["item"],
                "description": line["description"],
                "meter": meter.get("id"),
                "unit": meter.get("unit"),
                "service_start": service["start"],
                "service_end": service["end"],
                "zone": service["zone"],
                "quantity": line["quantity"],
                "price": canonical_json(line["price"]),
                "unrounded": line["unrounded"],
                "desired": before.get("desired"),
                "already_billed": before.get("already_billed"),
                "amount": line["amount"],
                "tax_included": line.get("tax_included"),
                "original_number": before.get("original_number"),
                "off_at_most": _half_a_unit(added_up.get(line["line_no"])),
            }
        )
    return _frame(rows, LINES)


def _half_a_unit(decimals: int | None) -> str | None:
    return None if decimals is None else format(Decimal(5).scaleb(-decimals - 1), "f")


def _steps(content: dict[str, Any]) -> pl.DataFrame:
    rows = [
        {
            "line_no": line["line_no"],
            "step_no": number,
            "told": canonical_json(step),
            **{name: step.get(name) for name in STEPS if isinstance(step.get(name), str)},
        }
        for line in content["lines"]
        for number, step in enumerate(line["steps"], 1)
    ]
    return _frame(rows, STEPS)


def _taxes(content: dict[str, Any]) -> pl.DataFrame:
    rows = [
        {"tax_no": number, **{name: tax.get(name) for name in TAXES if name != "tax_no"}}
        for number, tax in enumerate(content["tax"], 1)
    ]
    return _frame(rows, TAXES)


def _frame(
    rows: list[dict[str, Any]], schema: dict[str, pl.DataType | type[pl.DataType]]
) -> pl.DataFrame:
    """Decimals are read from the texts of the document."""
    texts = {name: pl.String if kind == EXACT else kind for name, kind in schema.items()}
    frame = pl.DataFrame(rows, schema=texts, orient="row")
    return frame.with_columns(pl.col(name).cast(kind) for name, kind in schema.items())
