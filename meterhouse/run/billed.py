"""What was billed, and of which lines it is not what is desired: the rest is never read.

A book has many more lines that stand than lines to bill. Which are to bill is found where they are
stored; only those, and all lines of the contracts whose lines hang together, come to Python.
"""

from typing import NamedTuple

import duckdb
import polars as pl

from meterhouse.pricing.order import MODIFIERS
from meterhouse.run import thresholds
from meterhouse.schema import FACTS

# An amount as its price says it: with the taxes that it held.
PRICED = "amount + coalesce(tax_included, 0)"
# What people credited of each line, with the sign of the line.
CREDITED = """
select own.line_key, -sum(notes.amount + coalesce(notes.tax_included, 0)) as credited
from facts.standing_lines as notes
join facts.standing_lines as own
    on own.number = notes.original_number and own.line_no = notes.credits_line
where notes.role = 'credit_note' group by own.line_key
"""
# The key of a line (invoicing/columns.py); its role is the component of what is desired.
KEY = (
    "contract_id, item_id, component, dimensions, payer_id, currency, "
    "window_start_on, window_end_on"
)
# Contracts of which all lines are compared: what is billed early, and what people credited.
EARLY = f"select contract_id from book.contracts where {thresholds.HAS}"
NOTED = "select contract_id from facts.standing_lines where role = 'credit_note'"
DIFFERING = """
create or replace temp table differing_keys as
with desired as (
    select {key}, sum(amount) as amount, count(*) as lines from {desired} where {of} group by {key}
),
billed as (
    select {key}, sum(amount) as amount from {lines}
    where role not in ('credit_note', 'one_off', 'adjustment') and ({of}) group by {key}
    having min(due_on) <= date '{through}'
)
select {key}, coalesce(desired.amount, 0) - coalesce(billed.amount, 0) as missing
from desired full join billed using ({key})
where desired.amount is distinct from billed.amount or desired.lines > 1
"""
ALL_OF = """
insert into differing_keys by name
select {key} from {desired} where contract_id in ({whole}) and ({of})
union select {key} from {lines} where contract_id in ({whole}) and ({of})
"""
# A line of a modifier that comes late names the document that billed its boundary.
MODIFIED = f"""
create or replace temp table differing_boundaries as
select distinct contract_id, payer_id, currency, due_on
from {{desired}} semi join differing_keys using ({{key}}) where component in {MODIFIERS}
"""
BESIDE = """
insert into differing_keys by name
select distinct {key} from {lines}
semi join differing_boundaries using (contract_id, payer_id, currency, due_on)
where role not in ('credit_note', 'one_off', 'adjustment') and ({of})
"""
SUMS = """
create or replace temp table billed_sums as
select line_key, cast(sum(amount) as decimal(38, 18)) as billed,
    max({{'seq': batch_seq, 'no': row_no}}) filter (number is not null) as newest,
    arg_min(number, (batch_seq, row_no)) as original_number,
    arg_min(invoice_date, (batch_seq, row_no)) as original_invoice_date,
    cast({credited} as decimal(38, 18)) as credited
from {lines} {notes}
where role not in ('credit_note', 'one_off', 'adjustment') and ({of}) group by line_key
"""
BILLED = """
select sums.line_key, {columns}, sums.billed, sums.credited,
    sums.original_number, sums.original_invoice_date
from billed_sums as sums
join facts.billed_lines as lines
    on lines.line_key = sums.line_key
    and lines.batch_seq = sums.newest.seq and lines.row_no = sums.newest.no
"""

# Beside the lines that stand: what was written off, which no run asks for again.
WITH_WRITTEN_OFF = f"""(
    select line_key, {KEY}, role, due_on, {PRICED} as amount, number, invoice_date, batch_seq,
        row_no
    from {{standing}}
    union all
    select line_key, {KEY}, role, due_on, amount, null, null, batch_seq, row_no
    from facts.standing_write_offs
)"""
STANDING = f"(select * replace ({PRICED} as amount) from {{standing}})"
TABLES = "select distinct table_name from facts.files"


class Held(NamedTuple):
    """Where the lines that stand are, and whether people credited any by hand."""

    lines: str
    has_notes: bool


def find_differing(
    db: duckdb.DuckDBPyConnection, desired: str, through: str, of: str = "true"
) -> str:
    """Make temp table `differing_keys`; returns the SQL that says whether a line is one of them.

    A line that is left out is desired once, and billed with that amount. `missing` is desired less
    billed, null of lines that are read beside the others.
    """
    held = held_lines(db)
    names = {"key": KEY, "desired": desired, "through": through, "of": of, "lines": held.lines}
    db.execute(DIFFERING.format(**names))
    whole = [EARLY] if _any(db, EARLY) else []
    whole += [NOTED] if held.has_notes else []
    if whole:
        db.execute(ALL_OF.format(**names, whole=" union ".join(whole)))
    db.execute(MODIFIED.format(**names))
    if _any(db, "from differing_boundaries"):
        db.execute(BESIDE.format(**names))
    return f"(({KEY}) in (select ({KEY}) from differing_keys))"


def billed(db: duckdb.DuckDBPyConnection, of: str = "true") -> pl.DataFrame:
    """One row per line key ever billed: the sum, and the window as the newest line has it.

    `of` is SQL over a line, where only some are wanted.
    """
    own = {"line_key", "amount", "number", "invoice_date", "original_number", "credits_line"}
    own |= {"tax_included"}
    columns = [name for name in FACTS["billed_lines"] if name not in own]
    held = held_lines(db)
    notes = f"left join ({CREDITED}) using (line_key)" if held.has_notes else ""
    credited = "coalesce(any_value(credited), 0)" if notes else "0"
    db.execute(SUMS.format(of=of, lines=held.lines, notes=notes, credited=credited))
    return db.sql(BILLED.format(columns=", ".join(f"lines.{name}" for name in columns))).pl()


def held_lines(db: duckdb.DuckDBPyConnection) -> Held:
    """Each look at a table of facts opens its files: here one look says which have any."""
    tables = {row[0] for row in db.execute(TABLES).fetchall()}
    standing = "facts.standing_lines" if "voids" in tables else "facts.billed_lines"
    return Held(
        (WITH_WRITTEN_OFF if "written_off" in tables else STANDING).format(standing=standing),
        bool(tables & {"applications", "balance_moves"}),
    )


def _any(db: duckdb.DuckDBPyConnection, rows: str) -> bool:
    return db.execute(f"{rows} limit 1").fetchone() is not None
