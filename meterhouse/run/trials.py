"""A trial is given once for each customer and product: a later contract does not have it again."""

import duckdb

# Earlier by the days of the book alone; of two that begin on one day, the first by id.
USED = """
create or replace temp table trials_used as
with tried as (
    select contract_id, customer_id, start_on from book.contracts where trial_until is not null
),
things as (
    select distinct contract_id, unnest([
        'product ' || product_id, 'plan ' || coalesce(items.plan_id, contracts.plan_id)
    ]) as thing
    from tried join book.contracts as contracts using (contract_id)
    join book.contract_items as items using (contract_id)
)
select distinct later.contract_id
from tried as later
join tried as earlier on later.customer_id = earlier.customer_id
    and (earlier.start_on, earlier.contract_id) < (later.start_on, later.contract_id)
join things as mine on mine.contract_id = later.contract_id
join things as theirs on theirs.contract_id = earlier.contract_id and theirs.thing = mine.thing
"""
AGAIN = """
select doc_id from latest
where kind = 'contract' and coalesce((content->>'$.trial.again')::boolean, false)
"""


def once(db: duckdb.DuckDBPyConnection) -> None:
    """Have book.contracts say no trial where an earlier contract of the customer had one for a
    product or plan of this one, unless the contract says `trial.again`."""
    db.execute(USED)
    db.execute(
        "update book.contracts set trial_until = null, trial_covers_usage = false "
        f"where contract_id in (from trials_used) and contract_id not in ({AGAIN})"
    )
    db.execute("drop table trials_used")
