"""Which contracts may have something to bill or take back: of all others the difference is known.

Of a contract the difference between what is desired and what was billed changes only where its
lines were rated again, where a document was issued for it, or where time makes due what had been
billed before. ops.moved holds the first, and those of which the last run drafted less or more than
their difference; ops.drafted holds those whose difference is what their drafts say, and nothing is
left of it once these are documents. ops.settled says up to which batch and day that is so. Without
it every contract is compared. Steps may be repeated alone and runs interrupted: then ops.moved
only holds more than it must.
"""

import duckdb

from meterhouse.run import thresholds
from meterhouse.run.billed import KEY, PRICED, find_differing
from meterhouse.run.context import Run

TABLES = """
create table if not exists ops.moved (contract_no ubigint);
create table if not exists ops.drafted (contract_no ubigint, draft_id varchar);
create table if not exists ops.settled (known_at bigint, through date);
create table if not exists ops.looked_at (contract_no ubigint);
"""
# Units that are no longer there, or not as they were, and those that are rated now.
RATED = """
insert into ops.moved
select contract_no from ops.rated where unit_no not in (select unit_no from units_kept)
union select contract_no from units_changed
"""
LOOKED_AT = f"""
create or replace table ops.looked_at as
select contract_no from ops.moved
union select hash(contract_id) from book.contracts where {thresholds.HAS}
union select hash(contract_id) from facts.billed_lines
where batch_seq > {{known_at}} and document_id not in (select draft_id from ops.drafted)
union select contract_no from ops.drafted
where draft_id not in (select document_id from facts.documents where batch_seq > {{known_at}})
"""
# Of a contract whose difference is not what was drafted the next run looks again.
LEFT = f"""
create or replace table ops.moved as
select distinct hash(contract_id) as contract_no
from (
    select {KEY}, missing as amount from differing_keys
    union all
    select {KEY}, -({PRICED}) from billing.draft_lines where role not in ('one_off', 'adjustment')
) group by {KEY} having sum(amount) <> 0
-- Of which all lines are compared, whatever is missing: see EARLY and NOTED in billed.py.
union select hash(contract_id) from differing_keys where missing is null
"""
DRAFTED = """
create or replace table ops.drafted as
select distinct hash(contract_id) as contract_no, draft_id from billing.draft_lines
"""
# Billed before it is due now, where boundaries were moved.
TIME = """
union select hash(contract_id) from facts.billed_lines
where due_on > least(date '{since}', date '{through}')
"""
EVERY = """
create or replace table ops.looked_at as
select hash(contract_id) as contract_no from book.contracts
union select hash(contract_id) from facts.billed_lines
"""
# SQL over a row with contract_id: the contracts whose difference the last drafting looked for.
LOOKED = "hash(contract_id) in (select contract_no from ops.looked_at)"
# Of the others nothing differs; of a contract that failed nothing is desired. A line that is read
# beside others (null), or was billed and taken back and is desired no more (0), is no difference.
UNSEEN = f"""
select contract_id, item_id, window_start_on, count(*) over () as keys from differing_keys
where missing <> 0 and contract_id not in (select contract_id from ops.failures)
order by {KEY} limit 20
"""


def note_rated(db: duckdb.DuckDBPyConnection) -> None:
    """Remember the contracts that are being rated, or lose lines, before ops.rated forgets them."""
    db.execute(TABLES)
    db.execute(RATED)


def note_failed(db: duckdb.DuckDBPyConnection, contracts: str) -> None:
    """Remember contracts that lose all their lines; `contracts` is SQL that gives their ids."""
    db.execute(f"insert into ops.moved select hash(contract_id) from ({contracts})")


def forget_settled(db: duckdb.DuckDBPyConnection) -> None:
    """Have the next drafting compare every contract."""
    db.execute(TABLES)
    db.execute("delete from ops.settled")


def to_compare(run: Run, db: duckdb.DuckDBPyConnection) -> str:
    """SQL over a line of the contracts that may differ."""
    db.execute(TABLES)
    row = db.execute("select known_at, through from ops.settled").fetchone()
    if row is None:
        return "true"
    known_at, since = int(row[0]), row[1]
    time = "" if since == run.through else TIME
    names = {"known_at": known_at, "since": since, "through": run.through}
    db.execute((LOOKED_AT + time).format(**names))
    return LOOKED


def record_settled(run: Run, db: duckdb.DuckDBPyConnection) -> None:
    """Write that the drafts stand, and which contracts differ as long as these are not billed."""
    db.execute("begin")
    db.execute(LEFT)
    db.execute(DRAFTED)
    if db.execute("select 1 from ops.settled").fetchone() is None:
        db.execute(EVERY)
    db.execute("delete from ops.settled")
    db.execute("insert into ops.settled values (?, ?)", [run.known_at, run.through])
    db.execute("commit")


def unseen(db: duckdb.DuckDBPyConnection) -> list[str]:
    """A sentence for each line that should have been compared and was not, 20 at most.

    The proof, at a close, that comparing only what moved leaves nothing out.
    """
    db.execute(TABLES)
    row = db.execute("select known_at, through from ops.settled").fetchone()
    if row is None:
        return []
    known_at, through = int(row[0]), row[1]
    db.execute(LOOKED_AT.format(known_at=known_at))
    find_differing(db, "billing.desired_lines", through.isoformat(), f"not {LOOKED}")
    return [
        f"Contract {contract}, item {item}, from {start}: what was billed is not what is desired, "
        f"and no run looked ({keys:,} such lines). Nothing was closed. Run `meterhouse run "
        "--through DATE --full` and tell the engineers."
        for contract, item, start, keys in db.execute(UNSEEN).fetchall()
    ]
