"""What was billed, and of which lines it is not what is desired: the rest is never read.

A book has many more lines that stand than lines to bill. Which are to bill is found where they are
stored; only those, and all lines of the contracts whose lines hang together, come to Python.
"""

import duckdb
import polars as pl

from meterhouse.pricing.order import MODIFIERS
from meterhouse.run import thresholds
from meterhouse.schema import FACTS

# What people credited of each line, with the sign of the line.
CREDITED = """
select own.line_key, -sum(notes.amount) as credited
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
WHOLE = f"""
select contract_id from book.contracts where {thresholds.HAS}
union select contract_id from facts.standing_lines where role = 'credit_note'
"""
DIFFERING = """
create or replace temp table differing_keys as
with desired as (
    select {key}, sum(amount) as amount, count(*) as lines from {desired} where {of} group by {key}
),
billed as (
    select {key}, sum(amount) as amount from facts.standing_lines
    where role <> 'credit_note' and ({of}) group by {key}
    having min(due_on) <= date '{through}'
)
select {key} from desired full join billed using ({key})
where desired.amount is distinct from billed.amount or desired.lines > 1
union
select {key} from {desired} where contract_id in ({whole}) and ({of})
union
select {key} from facts.standing_lines where contract_id in ({whole}) and ({of})
"""
# A line of a modifier that comes late names the document that billed its boundary.
BESIDE = f"""
insert into differing_keys
select distinct {{key}} from facts.standing_lines
semi join (
    select contract_id, payer_id, currency, due_on
    from {{desired}} semi join differing_keys using ({{key}}) where component in {MODIFIERS}
) using (contract_id, payer_id, currency, due_on)
where role <> 'credit_note' and ({{of}})
"""
SUMS = f"""
create or replace temp table billed_sums as
select line_key, cast(sum(amount) as decimal(38, 18)) as billed,
    max({{{{'seq': batch_seq, 'no': row_no}}}}) as newest,
    min({{{{'seq': batch_seq, 'no': row_no}}}}) as first_row,
    cast(coalesce(any_value(credited), 0) as decimal(38, 18)) as credited
from facts.standing_lines left join ({CREDITED}) using (line_key)
where role <> 'credit_note' and ({{of}}) group by line_key
"""
BILLED = """
select sums.line_key, {columns}, sums.billed, sums.credited,
    firsts.number as original_number, firsts.invoice_date as original_invoice_date
from billed_sums as sums
join facts.billed_lines as lines
    on lines.line_key = sums.line_key
    and lines.batch_seq = sums.newest.seq and lines.row_no = sums.newest.no
join facts.billed_lines as firsts
    on firsts.line_key = sums.line_key
    and firsts.batch_seq = sums.first_row.seq and firsts.row_no = sums.first_row.no
"""


def find_differing(
    db: duckdb.DuckDBPyConnection, desired: str, through: str, of: str = "true"
) -> str:
    """Make temp table `differing_keys`; returns the SQL that says whether a line is one of them.

    A line that is left out is desired once, and billed with that amount.
    """
    names = {"key": KEY, "desired": desired, "through": through, "of": of, "whole": WHOLE}
    db.execute(DIFFERING.format(**names))
    db.execute(BESIDE.format(**names))
    return f"(({KEY}) in (select ({KEY}) from differing_keys))"


def billed(db: duckdb.DuckDBPyConnection, of: str = "true") -> pl.DataFrame:
    """One row per line key ever billed: the sum, and the window as the newest line has it.

    `of` is SQL over a line, where only some are wanted.
    """
    own = {"line_key", "amount", "number", "invoice_date", "original_number", "credits_line"}
    columns = [name for name in FACTS["billed_lines"] if name not in own]
    db.execute(SUMS.format(of=of))
    return db.sql(BILLED.format(columns=", ".join(f"lines.{name}" for name in columns))).pl()
