"""Is everything as it was written: files, catalog, hash chain, documents, and what is derived.

Each look reads and changes nothing. Damage is a fact that is not what was registered; trouble is
something derived or left over, which the sentence says how to remove.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import duckdb

from meterhouse.duck import connect, literal
from meterhouse.errors import Busy
from meterhouse.exports import manifest
from meterhouse.exports.verify import differences
from meterhouse.lake import Lake
from meterhouse.locks import FileLock
from meterhouse.run.exporting import default_folder
from meterhouse.run.origin import OtherLake, refuse_other_lake
from meterhouse.schema import FACTS

RESTORE = "Restore it from a backup."
REPORT = "Do not issue; restore the lake from a backup."
DELETE = "Delete the folder warehouse/; the next run makes it again."
EXPORT = "Export the period again: `meterhouse export` writes the folder anew."
INLINED = "files"
CONTENT = """
left(content, instr(content, ',"format":"') - 1) || substr(content, instr(content, ',"kind":'))
"""
# Manifests of one batch have no order among themselves, so the chain is that each names one that
# was there, and one alone names none.
BROKEN_CHAIN = """
select left(run_id, 8) || ': ' || case
    when sha256(content) <> content_hash then 'its content does not have its hash'
    when previous_hash is null then 'a second manifest has no predecessor'
    else 'its predecessor is not there' end
from (
    select *, row_number() over (
        partition by previous_hash is null order by batch_seq, row_no, content_hash
    ) as nth
    from facts.manifests
) as own
where sha256(content) <> content_hash
    or (previous_hash is null and nth > 1)
    or (previous_hash is not null and not exists (
        select 1 from facts.manifests as before
        where before.content_hash = own.previous_hash and before.batch_seq <= own.batch_seq
    ))
order by batch_seq, row_no
"""
BROKEN_DOCUMENTS = f"""
select number || ': its content does not have its hash' from facts.documents
where sha256({CONTENT}) is distinct from content_hash
    or json_extract_string(content, '$.issue.number') is distinct from number
union all
select number || ': its lines do not add up to its net' from facts.documents as documents
where net is distinct from (
    select sum(amount) from facts.billed_lines as lines
    where lines.document_id = documents.document_id
)
order by 1
"""
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Fault:
    """One thing that is not as it was written; `is_damage` where facts are touched."""

    sentence: str
    remedy: str
    is_damage: bool = True


@dataclass(frozen=True)
class Look:
    """What one look found; `seen` says in words how much was compared."""

    name: str
    seen: str
    faults: tuple[Fault, ...] = ()

    @property
    def status(self) -> Literal["ok", "warn", "fail"]:
        """Damage fails, trouble warns."""
        if any(fault.is_damage for fault in self.faults):
            return "fail"
        return "warn" if self.faults else "ok"


def verify(lake: Lake, tell: Tell = lambda _: None) -> Iterator[Look]:
    """Every look in turn; `tell` hears what comes next."""
    with lake.reading() as db:
        tell("Comparing files with their hashes")
        files = _files(lake, db)
        yield files
        tell("Comparing the catalog with the disk")
        yield _catalog(lake, db)
        yield _orphans(lake, db)
        if not files.faults:  # Rows of damaged files cannot be read, or must not be believed.
            tell("Following the chain of manifests")
            yield _listed(db, "manifests", BROKEN_CHAIN, "manifests in one chain")
            tell("Comparing documents with their hashes")
            yield _listed(db, "documents", BROKEN_DOCUMENTS, "documents with hash and lines")
    tell("Comparing the warehouse with the lake")
    yield _warehouse(lake)
    tell("Comparing exports with their manifests")
    yield _exports(lake)


def _exports(lake: Lake) -> Look:
    """Exported folders below the default one are what their manifests say."""
    folders = sorted(path.parent for path in default_folder(lake.settings).rglob(manifest.NAME))
    faults = tuple(
        Fault(f"{folder.relative_to(lake.settings.home)}: {sentence}", EXPORT, is_damage=False)
        for folder in folders
        for sentence in differences(folder)
    )
    return Look("exports", f"{len(folders):,} exported folders compared with manifests", faults)


def _files(lake: Lake, db: duckdb.DuckDBPyConnection) -> Look:
    row = db.execute("select count(*), coalesce(sum(bytes), 0) from facts.files").fetchone()
    count, size = row or (0, 0)
    faults = tuple(Fault(str(fault), RESTORE) for fault in lake.verify(db, list(FACTS)))
    return Look("files", f"{count:,} files of {size:,} bytes compared with their SHA-256", faults)


def _catalog(lake: Lake, db: duckdb.DuckDBPyConnection) -> Look:
    """The catalog reads exactly the files whose hashes are on record."""
    # One call per table, for the function takes no list of tables.
    stored = " union all ".join(
        f"select data_file from ducklake_list_files('lake', {literal(name)}, schema => 'facts')"
        for name in FACTS
        if name != INLINED
    )
    rows = db.execute(
        "with read as (select data_file as path from (" + stored + ")), "
        "known as (select ? || path as path from facts.files) "
        "select coalesce(read.path, known.path), read.path is null from read "
        "full join known using (path) where read.path is null or known.path is null order by 1",
        [f"{lake.settings.data}/"],
    ).fetchall()
    faults = tuple(
        Fault(
            f"{Path(path).relative_to(lake.settings.data)} has a hash on record, and the catalog "
            "does not read it."
            if is_unread
            else f"{path} is read by the catalog, and no hash of it is on record.",
            REPORT,
        )
        for path, is_unread in rows
    )
    count = db.execute("select count(*) from facts.files").fetchone()
    return Look(
        "catalog", f"{count[0] if count else 0:,} files known to catalog and record", faults
    )


def _orphans(lake: Lake, db: duckdb.DuckDBPyConnection) -> Look:
    known = {row[0] for row in db.execute("select path from facts.files").fetchall()}
    root = lake.settings.data
    found = [p.relative_to(root).as_posix() for p in sorted(root.rglob("*")) if p.is_file()]
    extra = [path for path in found if path not in known]
    faults = tuple(
        Fault(
            f"{path} belongs to no commit: one is writing it now, or was killed.",
            "`meterhouse doctor --sweep` deletes it when it is old enough.",
            is_damage=False,
        )
        for path in extra
    )
    return Look("orphans", f"{len(found):,} files on the disk", faults)


def _listed(db: duckdb.DuckDBPyConnection, table: str, broken: str, words: str) -> Look:
    row = db.execute(f"select count(*) from facts.{table}").fetchone()
    faults = [f"{table} {found}." for (found,) in db.execute(broken).fetchall()]
    seen = f"{row[0] if row else 0:,} {words}"
    return Look(table, seen, tuple(Fault(sentence, REPORT) for sentence in faults))


def _warehouse(lake: Lake) -> Look:
    """What is derived knows no more than the lake, and was made from this lake by one run."""
    path = lake.settings.warehouse
    if not path.is_file():
        return Look("warehouse", "none yet; the next run makes it")
    try:
        with FileLock(lake.settings.home / "locks" / "run.lock", "run", 0).held():
            return _pins(lake, path)
    except Busy as error:
        return Look("warehouse", f"not looked at: {error}")


def _pins(lake: Lake, path: Path) -> Look:
    head = lake.head()
    with connect(lake.settings) as db:
        lake.attach_pinned(db, head)
        try:
            db.execute(f"attach {literal(str(path))} as warehouse (read_only)")
            rows = db.execute(
                "select table_name, known_at, run_id from warehouse.ops.pins order by table_name"
            ).fetchall()
        except duckdb.Error as error:
            why = str(error).splitlines()[0]
            return Look("warehouse", "cannot be read", (Fault(why, DELETE, is_damage=False),))
    faults = [
        f"{table} knows batch {known}, and the lake ends at {head.batch_seq}."
        for table, known, _ in rows
        if known > head.batch_seq
    ]
    try:
        refuse_other_lake(lake)
    except OtherLake:
        faults.append("It was derived from another lake, or from a state that this one never had.")
    trouble = tuple(Fault(sentence, DELETE, is_damage=False) for sentence in faults)
    return Look(
        "warehouse", f"{len(rows)} tables pinned at or before batch {head.batch_seq}", trouble
    )
