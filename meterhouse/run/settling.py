"""The ends of contracts with their renewals, and planned days with the pauses that move them.

`settle` is the last step of `meterhouse.run.book.flatten`; `read_plans` is what windows read.
"""

import duckdb
import polars as pl

from meterhouse.contracts.planned import EXTENSIONS, Plans
from meterhouse.contracts.terms import effective_ends, moved

EXTENDED = """
select contract_id, from_on, until_on,
    row_number() over (partition by contract_id order by from_on)::bigint as pause_no
from book.pauses where is_extended
"""
RENEWED = "select * from book.renewals where renewal_kind <> 'none'"
# A commitment ends with the term that was agreed, which a pause moves. One for a term is not short
# of anything while a pause has no end yet: nobody knows when the term is over.
COMMITMENTS = """
select contract_id, position, (entry->>'$.until')::date as until_on,
    (entry->>'$.until')::date as known_on, entry,
    coalesce(entry->>'$.period', '') = 'term' as is_of_term
from (
    select contract_id, modifiers,
        unnest(range(json_array_length(modifiers, '$.commitments')::bigint)) as position,
        unnest((modifiers::json->'$.commitments')::json[]) as entry
    from book.contracts where json_array_length(modifiers, '$.commitments') > 0
        and contract_id in (select contract_id from book.pauses where is_extended)
)
"""
WITH_COMMITMENTS = """
create or replace temp table moved_modifiers as
select contract_id, json_merge_patch(any_value(contracts.modifiers)::json, json_object(
    'commitments', list(
        case when found.known_on is null then found.entry::json
            -- A null takes the key away.
            when found.until_on is null and is_of_term
            then json_merge_patch(found.entry, json_object('until', null))
            else json_merge_patch(found.entry, json_object('until', found.known_on::varchar)) end
        order by position
    )
))::varchar as modifiers
from found join book.contracts as contracts using (contract_id)
group by contract_id
"""


def settle(db: duckdb.DuckDBPyConnection) -> None:
    """Have book.contracts say the ends that hold: null for those that are renewed for ever.

    Days that are planned, and the ends of trials and commitments, are moved by pauses that extend.
    """
    extensions = db.sql(EXTENDED).pl().cast(EXTENSIONS)
    renewals = db.sql("from book.renewals").pl()
    is_changed = pl.col("renewal_kind") != "none"
    if extensions.height:
        is_changed |= pl.col("contract_id").is_in(extensions["contract_id"].implode())
    changed = renewals.filter(is_changed)
    if changed.height:
        _replace(db, effective_ends(changed, extensions), "end_on")
    if extensions.height:
        _move(db, extensions)


def _replace(db: duckdb.DuckDBPyConnection, told: pl.DataFrame, name: str) -> None:
    """Replace a column of book.contracts for the contracts of `told`."""
    db.register("told", told.select("contract_id", name).to_arrow())
    db.execute(
        f"""
        create or replace table book.contracts as
        select contracts.* replace (
            case when told.contract_id is null then contracts.{name} else told.{name} end as {name}
        )
        from book.contracts as contracts left join told using (contract_id)
        """
    )
    db.unregister("told")


def _move(db: duckdb.DuckDBPyConnection, extensions: pl.DataFrame) -> None:
    trials = db.sql(
        "select contract_id, trial_until from book.contracts where trial_until is not null"
    ).pl()
    # A pause without an end yet hides the days after it, but it does not take the trial away.
    over = extensions.drop_nulls("until_on")
    _replace(db, moved(trials, "trial_until", over), "trial_until")
    phases = moved(db.sql("from book.phases").pl(), "from_on", extensions)
    db.register("moved_phases", phases.to_arrow())
    db.execute("create or replace table book.phases as from moved_phases")
    db.unregister("moved_phases")
    found = moved(db.sql(COMMITMENTS).pl(), "until_on", extensions)
    found = moved(found, "known_on", over)
    db.register("found", found.to_arrow())
    db.execute(WITH_COMMITMENTS)
    db.unregister("found")
    _replace(db, db.sql("from moved_modifiers").pl(), "modifiers")


def read_plans(db: duckdb.DuckDBPyConnection) -> Plans:
    """What the contracts of schema book plan."""
    return Plans(
        phases=db.sql("select * exclude (phase_id) from book.phases").pl(),
        phase_items=db.sql("from book.phase_items").pl(),
        renewals=db.sql(RENEWED).pl(),
        indexes=db.sql("from book.renewal_indexes").pl(),
        list_prices=db.sql(
            "select price_id as list_price_id, slot_from, slot_to, price_model, price "
            "from book.prices where price_id in "
            "(select list_price_id from book.contract_items where list_price_id is not null)"
        ).pl(),
        meters=db.sql(
            "select meter_id, max(case when round_places is null then decimals "
            "else greatest(round_places, 0) end)::bigint as decimals from book.meters group by all"
        ).pl(),
        extensions=db.sql(EXTENDED).pl().cast(EXTENSIONS),
    )
