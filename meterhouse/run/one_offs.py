"""One-off invoices: recorded as commands, drafted by every run until they are issued."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import duckdb
import polars as pl

from meterhouse.canonical import canonical_json, sha256_text
from meterhouse.catalog.one_offs import OneOff
from meterhouse.errors import Rejected
from meterhouse.invoicing.by_hand import ONE_OFF as ROLE
from meterhouse.invoicing.one_off_lines import ASKED, PREFIX, one_off_lines
from meterhouse.invoicing.tax_rules import STANDARD, TaxBook
from meterhouse.lake import Commit, Lake
from meterhouse.lake_views import views
from meterhouse.nearest import did_you_mean
from meterhouse.periods import zone_days
from meterhouse.run.approvals import append_commands

COMMAND, WITHDRAWN = "one_off", "one_off_withdrawn"
# The newest word on each one-off; what was withdrawn may be asked for again.
STANDING = f"""
select subject_id as one_off_id, arg_max(kind, (batch_seq, row_no)) as kind,
    arg_max(payload, (batch_seq, row_no)) as payload,
    arg_max(content_hash, (batch_seq, row_no)) as content_hash, max(batch_seq) as version_seq
from facts.commands where kind in ('{COMMAND}', '{WITHDRAWN}') and result = 'done'
group by subject_id
"""
ISSUED = f"select distinct contract_id from facts.standing_lines where role = '{ROLE}'"
OPEN = f"""
select * from ({STANDING})
where kind = '{COMMAND}' and '{PREFIX}' || one_off_id not in ({ISSUED})
"""
LINES = f"""
select one_off_id, told->>'$.customer' as customer_id, told->>'$.entity' as entity_id,
    told->>'$.currency' as currency, told->>'$.payment_terms' as terms_id,
    told->>'$.reference' as reference, coalesce(entities.zone, 'UTC') as zone,
    (told->>'$.date')::date as date, line_no, line->>'$.description' as description,
    (line->>'$.quantity')::decimal(38, 18) as quantity,
    (line->>'$.unit_price')::decimal(38, 18) as unit_price,
    -- Sorted, and without what was not said.
    json_merge_patch('{{}}', json_object(
        'custom', line->'$.custom', 'model', 'per_unit', 'product', line->>'$.product',
        'reference', line->>'$.reference', 'unit_amount', line->>'$.unit_price'
    ))::varchar as price,
    coalesce((line->>'$.from')::date, (told->>'$.date')::date) as from_on,
    coalesce((line->>'$.until')::date, (line->>'$.from')::date + 1,
        (told->>'$.date')::date + 1) as until_on,
    version_seq
from (
    select *, unnest((told->'$.lines')::json[]) as line,
        unnest(range(1, 1 + json_array_length(told, '$.lines')::bigint)) as line_no
    from (select one_off_id, version_seq, payload::json as told from ({OPEN}))
    where (told->>'$.date')::date <= $through
) left join book.entities as entities on entities.entity_id = (told->>'$.entity')
order by one_off_id, line_no
"""
CATEGORIES = f"""
select '{PREFIX}' || one_off_id as contract_id,
    'line-' || lpad(line_no::varchar, 3, '0') as item_id,
    coalesce(line->>'$.tax_category', products.category, '{STANDARD}') as category
from (
    select one_off_id, unnest((payload::json->'$.lines')::json[]) as line,
        unnest(range(1, 1 + json_array_length(payload::json, '$.lines')::bigint)) as line_no
    from ({STANDING}) where kind = '{COMMAND}'
) left join (
    select doc_id, content->>'$.tax_category' as category from book.slots where kind = 'product'
    qualify row_number() over (partition by doc_id order by slot_from desc) = 1
) as products on products.doc_id = (line->>'$.product')
"""
# What a one-off names, and what of it is recorded.
KNOWN = """
select kind, doc_id, arg_max(content->>'$.base_currency', (batch_seq, row_no)) as base_currency
from facts.book_versions
where kind in ('customer', 'entity', 'payment_terms', 'product') group by all
"""


@dataclass(frozen=True)
class Recorded:
    """Ids that were recorded, and those that had been before with the same content."""

    batch_seq: int | None
    recorded: tuple[str, ...]
    known: tuple[str, ...]


def record_one_offs(lake: Lake, given: Sequence[OneOff], *, dry: bool = False) -> Recorded:
    """Record them all in one commit, or none; raises Rejected with every fault.

    One that was recorded with the same content is left as it is.
    """
    with lake.write_lock.held(), lake.session() as db:
        views(db, None)
        standing = db.sql(STANDING).pl()
        issued = {row[0] for row in db.execute(ISSUED).fetchall()}
        known = _known(standing)
        told = {one.id: _told(one) for one in given}
        faults = [
            *(fault for one in given for fault in _unknown(db.sql(KNOWN).pl(), one)),
            *_changed(given, told, known, issued),
        ]
        if faults:
            raise Rejected("\n".join([*faults, "Nothing was recorded."]))
        new = [one for one in given if known.get(one.id) != told[one.id]]
        if not new or dry:
            old = tuple(one.id for one in given if one not in new)
            return Recorded(None, tuple(one.id for one in new), old)
        rows = [(COMMAND, one.id, sha256_text(told[one.id]), told[one.id], "Recorded.")
                for one in new]  # fmt: skip
        batch_seq = _append(lake, db, rows)
    names = tuple(one.id for one in new)
    return Recorded(batch_seq, names, tuple(one.id for one in given if one.id not in names))


def withdraw_one_off(lake: Lake, one_off_id: str, reason: str) -> int:
    """Take back one that is not issued; the next run drafts it no more."""
    with lake.run_lock.held(), lake.session() as db:
        views(db, None)
        if one_off_id not in _known(db.sql(STANDING).pl()):
            raise Rejected(f"No one-off {one_off_id} is recorded. Nothing was withdrawn.")
        if f"{PREFIX}{one_off_id}" in {row[0] for row in db.execute(ISSUED).fetchall()}:
            raise Rejected(
                f"One-off {one_off_id} is issued; `meterhouse invoices void` or `credit` takes it "
                "back. Nothing was withdrawn."
            )
        return _append(lake, db, [
            (WITHDRAWN, one_off_id, None, canonical_json({"reason": reason}), reason)
        ])  # fmt: skip


def due_lines(db: duckdb.DuckDBPyConnection, through: date) -> pl.DataFrame:
    """Lines of the one-offs that are dated `through` or before and not issued."""
    asked = db.execute(LINES, {"through": through}).pl()
    if asked.is_empty():
        return one_off_lines(pl.DataFrame(schema=ASKED))
    first, last = asked["from_on"].min(), asked["until_on"].max()
    if not (isinstance(first, date) and isinstance(last, date)):
        raise TypeError("Lines of one-offs have no days.")
    days = zone_days(asked["zone"].unique().to_list(), first, last)
    starts = days.rename({"day": "from_on"})
    ends = days.rename({"day": "until_on", "starts_at": "ends_at"})
    timed = asked.join(starts, on=["zone", "from_on"]).join(ends, on=["zone", "until_on"])
    return one_off_lines(timed.select(pl.col(name).cast(kind) for name, kind in ASKED.items()))


def with_categories(db: duckdb.DuckDBPyConnection, book: TaxBook | None) -> TaxBook | None:
    """The taxes of the book with what the lines of one-offs say of their category."""
    if book is None:
        return None
    own = db.sql(CATEGORIES).pl().select(book.categories.columns)
    return book._replace(categories=pl.concat([book.categories, own]))


def _known(standing: pl.DataFrame) -> dict[str, str]:
    rows = standing.filter(pl.col("kind") == COMMAND).select("one_off_id", "payload")
    return dict(rows.iter_rows())


def _told(one: OneOff) -> str:
    return canonical_json(one.model_dump(mode="json", by_alias=True))


def _unknown(known: pl.DataFrame, one: OneOff) -> list[str]:
    """What it names that the book does not hold."""
    named = [
        ("customer", one.customer), ("entity", one.entity), ("payment_terms", one.payment_terms),
        *(("product", line.product) for line in one.lines if line.product is not None),
    ]  # fmt: skip
    held: dict[str, dict[str, str | None]] = {}
    for kind, name, base in known.iter_rows():
        held.setdefault(kind, {})[name] = base
    faults = [
        f"{one.id}: no {kind.replace('_', ' ')} {name} is in the book"
        f"{did_you_mean(name, held.get(kind, {})) or '.'}"
        for kind, name in dict.fromkeys(named)
        if name not in held.get(kind, {})
    ]
    base = held.get("entity", {}).get(one.entity)
    if base is not None and base != one.currency:
        faults.append(f"{one.id}: {one.entity} sells in {base}, not in {one.currency}.")
    return faults


def _changed(
    given: Sequence[OneOff], told: dict[str, str], known: dict[str, str], issued: set[str]
) -> list[str]:
    """One that is issued stays as it was issued; one that waits may be given anew."""
    return [
        f"{one.id}: it is issued with another content; give the new invoice an id of its own."
        for one in given
        if f"{PREFIX}{one.id}" in issued and known.get(one.id) != told[one.id]
    ]


def _append(
    lake: Lake, db: duckdb.DuckDBPyConnection, rows: Sequence[tuple[str | None, ...]]
) -> int:
    names = ("kind", "subject_id", "content_hash", "payload", "sentence")
    frame = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")

    def write(commit: Commit) -> int:
        append_commands(commit, frame)
        return commit.batch_seq

    return lake.commit(db, write)
