"""A trial is given once for each customer and product: a later contract does not have it again."""

import duckdb

AGAIN = """
select doc_id from latest
where kind = 'contract' and coalesce((content->>'$.trial.again')::boolean, false)
"""
# Earlier by the days of the book alone; of two that begin on one day, the first by id.
TRIED = f"""
create or replace temp table tried as
select contract_id, customer_id, contract_id in ({AGAIN}) as is_again,
    row_number() over (partition by customer_id order by start_on, contract_id) as turn
from book.contracts where trial_until is not null;
create or replace temp table tried_things as
select distinct contract_id, contracts.customer_id, unnest([
    'product ' || product_id, 'plan ' || coalesce(items.plan_id, contracts.plan_id)
]) as thing
from tried join book.contracts as contracts using (contract_id)
join book.contract_items as items using (contract_id);
create or replace temp table things_used (customer_id varchar, thing varchar);
create or replace temp table trials_refused (contract_id varchar)
"""
# Only a trial that was given is one that a later contract cannot have again.
TURN = """
insert into trials_refused
select distinct contract_id
from tried join tried_things using (contract_id, customer_id)
semi join things_used using (customer_id, thing)
where turn = {turn} and not is_again;
insert into things_used
select distinct customer_id, thing
from tried join tried_things using (contract_id, customer_id)
where turn = {turn} and thing is not null
    and contract_id not in (select contract_id from trials_refused)
"""
DROP = (
    "drop table tried; drop table tried_things; drop table things_used; drop table trials_refused"
)


def once(db: duckdb.DuckDBPyConnection) -> None:
    """Have book.contracts say no trial where an earlier contract of the customer had one for a
    product or plan of this one, unless the contract says `trial.again`."""
    db.execute(TRIED)
    row = db.execute("select coalesce(max(turn), 0) from tried").fetchone()
    # One pass for the first trials of all customers, one for the second ones: few have more.
    for turn in range(1, 1 + (int(row[0]) if row else 0)):
        db.execute(TURN.format(turn=turn))
    db.execute(
        "update book.contracts set trial_until = null, trial_covers_usage = false "
        "where contract_id in (select contract_id from trials_refused)"
    )
    db.execute(DROP)
