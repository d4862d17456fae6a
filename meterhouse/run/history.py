"""Import what the system before knew: old documents, what is open, and where runs go on from.

All or nothing, in one commit. What is imported are facts of their own: no document of the old
system is ever made again, and what goes on from it (numbers, entries, days that are billed) is read
by the runs that know the import. The same folder again changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from meterhouse.canonical import canonical_json
from meterhouse.errors import ChecksFailed, HistoryFault
from meterhouse.history import openings
from meterhouse.history.columns import KINDS
from meterhouse.history.control import control_faults, control_totals
from meterhouse.history.entries import opening_entries
from meterhouse.history.known import Known
from meterhouse.history.reading import FAULTS, empty, typed
from meterhouse.history.rules import OF_CONTRACTS, rule_faults
from meterhouse.lake import Commit, Lake
from meterhouse.lake_views import views
from meterhouse.ledger.journal import unbalanced
from meterhouse.run.book import flatten
from meterhouse.run.commands import closed_until, record
from meterhouse.run.history_reading import content_id, find_files, read_table

COMMAND = "history"
CONTRACTS = "select contract_id, payer_id, entity_id, currency from book.contracts"
ITEMS = """
select contract_id, item_id, false as is_grant, bool_and(
        meters.meter_id is not null and not coalesce(
            json_array_length(contracts.modifiers, '$.pools') > 0
                or contains(contracts.modifiers, '"unit":"units"'),
            false
        )
    ) as is_metered
from book.contract_items as items
left join book.contracts as contracts using (contract_id)
left join (
    select meter_id from book.meters group by meter_id having bool_and(dimensions = [])
) as meters on meters.meter_id = items.meter_id
group by contract_id, item_id
union all
select distinct contract_id, credit->>'$.id', true, false from (
    select contract_id, unnest((modifiers::json->'$.credits')::json[]) as credit
    from book.contracts where contains(modifiers, '"kind":"paid"')
) where credit->>'$.kind' = 'paid'
"""
MODIFIERS = """
select contract_id, 'commitment' as kind, one->>'$.id' as id,
    coalesce(one->>'$.period' <> 'window', false) as is_counted
from (
    select contract_id, unnest((modifiers::json->'$.commitments')::json[]) as one
    from book.contracts where json_array_length(modifiers, '$.commitments') > 0
)
union all
select contract_id, 'discount', one->>'$.id', (one->>'$.cap_total') is not null
from (
    select contract_id, unnest((modifiers::json->'$.discounts')::json[]) as one
    from book.contracts where json_array_length(modifiers, '$.discounts') > 0
)
"""
NUMBERS = """
select entity_id, number from facts.documents
union all select entity_id, number from facts.imported_documents
"""
SERIES = """
select name[8:] as series from lake.control.counters where starts_with(name, 'series:')
"""
ORDER = {
    "imported_documents": ["entity_id", "number"],
    "imported_lines": ["document_id", "line_no"],
    "imported_openings": ["kind", "opening_id"],
    "journal_entries": ["entry_id"],
    "journal_lines": ["entry_id", "line_no"],
}
_UNPRICED = ("counters", "paid_through")
# The amount that sums up a file.
SUMS = {
    "invoices": "total",
    "invoice_lines": None,
    "payments": "amount",
    "open_items": "open_amount",
    "journal": "debit",
    "deferred_schedules": "amount",
    "wallet_lots": "amount",
    "commitments": "used",
    "discounts": "used",
}


@dataclass(frozen=True)
class Imported:
    """What an import did or would do. Counts: file, currency (or None), rows, total. Control: the
    columns of `control_totals`. `is_known`: the same files were imported before."""

    import_id: str
    batch_seq: int | None
    is_known: bool
    counts: tuple[dict[str, Any], ...]
    control: tuple[dict[str, Any], ...]
    entries: int


def import_history(lake: Lake, folder: Path, *, dry: bool = False) -> Imported:
    """Import the files of a folder, or with `dry` only say what would be imported.

    Raises HistoryFault with all faults of all files; then nothing is imported.
    """
    paths = find_files(folder)
    import_id = content_id(paths)
    with lake.run_lock.held(), lake.session() as db:
        views(db, None)
        batch = _batch_of(db, import_id)
        if batch is not None:
            return Imported(import_id, batch, True, (), (), 0)
        known = _known(db)
        files = _files(paths, known)
        totals = control_totals(files)
        _refuse(rule_faults(files, known), control_faults(totals))
        frames = _frames(files, import_id)
        if not dry:
            batch = lake.commit(db, lambda commit: _write(commit, frames, files, import_id))
    entries = frames["journal_entries"].height
    told = tuple(totals.to_dicts())
    return Imported(import_id, batch, False, tuple(_counts(files)), told, entries)


def _batch_of(db: duckdb.DuckDBPyConnection, import_id: str) -> int | None:
    row = db.execute(
        "select batch_seq from facts.commands where kind = ? and subject_id = ?",
        [COMMAND, import_id],
    ).fetchone()
    return None if row is None else int(row[0])


def _known(db: duckdb.DuckDBPyConnection) -> Known:
    flatten(db)
    entities = db.sql("select entity_id from book.entities").pl()
    return Known(
        entities=entities.join(closed_until(db), on="entity_id", how="left"),
        customers=db.sql("select customer_id from book.customers").pl(),
        contracts=db.sql(CONTRACTS).pl(),
        items=db.sql(ITEMS).pl(),
        modifiers=db.sql(MODIFIERS).pl(),
        numbers=db.sql(NUMBERS).pl(),
        billed=db.sql("select distinct contract_id from facts.standing_lines").pl(),
        openings=db.sql("select opening_id from facts.imported_openings").pl(),
        series=db.sql(SERIES).pl(),
    )


def _files(paths: list[Path], known: Known) -> dict[str, pl.DataFrame]:
    """A typed frame for each kind; raises where files cannot be read."""
    read = [read_table(path) for path in paths]
    found = {table.kind: typed(table) for table, _ in read}
    forms = [told for _, told in read]
    # What cannot be read makes other rows look wrong that are not: it is told first, alone.
    _refuse(pl.concat([*forms, *(told for _, told in found.values())]))
    frames = {kind: found[kind][0] if kind in found else empty(kind) for kind in KINDS}
    contracts = known.contracts.rename({"contract_id": "contract", "entity_id": "entity"})
    return frames | {
        kind: frames[kind].join(contracts, on="contract", how="left", maintain_order="left")
        for kind in OF_CONTRACTS
    }


def _refuse(*told: pl.DataFrame) -> None:
    found = pl.concat([pl.DataFrame(schema=FAULTS), *told]).sort(
        "file", "line", maintain_order=True
    )
    if found.height:
        raise HistoryFault(
            [
                f"{file}: {what}" if line is None else f"{file}, line {line}: {what}"
                for file, line, what in found.iter_rows()
            ]
        )


def _frames(files: Mapping[str, pl.DataFrame], import_id: str) -> dict[str, pl.DataFrame]:
    heads, legs = opening_entries(files)
    wrong = unbalanced(heads, legs)
    if wrong.height:
        raise ChecksFailed([f"Entry {row[0]} does not balance." for row in wrong.iter_rows()])
    days = files["cut_over"].select("cut_over_on", entity_id="entity")

    def stamped(frame: pl.DataFrame) -> pl.DataFrame:
        dated = frame.join(days, on="entity_id", how="left", maintain_order="left")
        return dated.with_columns(import_id=pl.lit(import_id))

    return {
        "imported_documents": stamped(openings.imported_documents(files)),
        "imported_lines": openings.imported_lines(files),
        "imported_openings": stamped(openings.imported_openings(files)),
        "journal_entries": heads,
        "journal_lines": legs,
    }


def _write(
    commit: Commit,
    frames: Mapping[str, pl.DataFrame],
    files: Mapping[str, pl.DataFrame],
    import_id: str,
) -> int:
    series = files["series"].with_columns(name=openings.series_name()).sort("name")
    for name, last in series.select("name", "last_number").iter_rows():
        if last:
            commit.next_number(f"series:{name}", last)
    for table, frame in frames.items():
        commit.db.register("frame_in", frame.sort(ORDER[table]).to_arrow())
        commit.append(table, "select * from frame_in")
        commit.db.unregister("frame_in")
    payload = canonical_json({"files": {name: one.height for name, one in files.items()}})
    return record(commit, COMMAND, [(import_id, import_id)], payload, "Imported.")


def _counts(files: Mapping[str, pl.DataFrame]) -> list[dict[str, Any]]:
    """Rows of each file, by currency where it has any."""
    found = []
    for name, frame in files.items():
        if "currency" not in frame.columns or name in _UNPRICED:
            found += [{"file": name, "currency": None, "rows": frame.height, "total": None}]
            continue
        amount = pl.col(str(SUMS[name])).fill_null(0).sum()
        sums = frame.group_by("currency").agg(rows=pl.len(), total=amount).sort("currency")
        found += [{"file": name, **row} for row in sums.to_dicts()]
    return [one for one in found if one["rows"]]
