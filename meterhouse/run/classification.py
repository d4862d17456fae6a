"""What becomes of each checked record.

Most records are good and nobody has seen their identity: temp view `unseen`, all accepted. The
others are judged one by one: temp table `classified`, with `outcome` accepted, duplicate,
conflict, restated (accepted in place of an older version), voided (takes one away) or quarantined.
First wins: the lowest batch, then the lowest row. Records with an action: classified_actions.py.
"""

from datetime import date
from typing import NamedTuple

import duckdb
import numpy as np

from meterhouse.dedupe import KEY, KeyIndex
from meterhouse.duck import literal
from meterhouse.run.classified_actions import ACCEPTED, judge_actions
from meterhouse.run.versions import on_days
from meterhouse.sorted_runs import I32, U64
from meterhouse.source_settings import Source


class Events(NamedTuple):
    """Key, record and day of each good record, in one order."""

    keys: U64
    rows: U64
    days: I32

    def without(self, rows: U64) -> "Events":
        """Those of all other records."""
        is_out = np.zeros(int(self.rows.max(initial=0)) + 1, dtype=bool)
        is_out[rows[rows < len(is_out)]] = True
        mask = ~is_out[self.rows]
        return Events(self.keys[mask], self.rows[mask], self.days[mask])


def classify(
    db: duckdb.DuckDBPyConnection, name: str, source: Source, index: KeyIndex, head: int
) -> Events:
    """Make `unseen` and `classified` of `checked`; returns the events that are accepted.

    The caller holds the write lock.
    """
    index.fold(db, head)
    good = _good_events(db, name)
    ordered = np.sort(np.concatenate([good.keys, _voiding_keys(db, name)]))
    is_next = ordered[1:] == ordered[:-1]
    hits, days = index.days_of(ordered)
    _make_keyed(db, name, np.union1d(hits, ordered[1:][is_next]))
    _seen_before(db, hits, days)
    on_other = "restated" if source.on_conflict == "supersede" else "conflict"
    db.execute(_outcomes(on_other))
    judge_actions(db)
    return good.without(_numbers(db, f"select source_row from classified where not ({ACCEPTED})"))


def counts(db: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Outcome to number of records; one that replaces a version is accepted."""
    rows = db.execute(
        "select 'accepted', count(*) from unseen having count(*) > 0 "
        "union all select outcome, count(*) from classified group by outcome"
    ).fetchall()
    found: dict[str, int] = {}
    for outcome, count in rows:
        name = "accepted" if outcome in ("restated", "voided") else outcome
        found[name] = found.get(name, 0) + count
    return found


def _good_events(db: duckdb.DuckDBPyConnection, name: str) -> Events:
    # Through Arrow: fetchnumpy makes masked arrays, which took ten times as long.
    table = db.execute(
        f"select {_key(name)} as key, source_row::ubigint as source_row, "
        "(event_day - date '1970-01-01')::integer as day from checked "
        "where reason is null and action is distinct from 'void'"
    ).to_arrow_table()
    return Events(*(table[column].to_numpy() for column in ("key", "source_row", "day")))


def _voiding_keys(db: duckdb.DuckDBPyConnection, name: str) -> U64:
    """Keys of the good records that void an event; they have no day of their own."""
    return _numbers(
        db,
        f"select {_key(name)} from checked "
        "where not is_plain and reason is null and action = 'void'",
    )


def _numbers(db: duckdb.DuckDBPyConnection, select: str) -> U64:
    column = db.execute(select).to_arrow_table().column(0).to_numpy()
    return np.asarray(column, dtype=np.uint64)


def _make_keyed(db: duckdb.DuckDBPyConnection, name: str, suspects: U64) -> None:
    """Table `keyed`: whatever has to be judged; it is taken out of `staged`, where the rest stays
    and becomes view `unseen`."""
    db.register("suspects", {"key": suspects})
    db.execute(
        f"create or replace temp table keyed as select {literal(name)}::varchar as source, "
        "checked.*, row_number() over "
        "(partition by event_id, reason is null, action is null order by source_row) as nth "
        f"from checked where not is_plain or {_key(name)} in (select key from suspects)"
    )
    db.unregister("suspects")
    db.execute("delete from staged where source_row in (select source_row from keyed)")
    db.execute(
        "create or replace temp view unseen as "
        f"select {literal(name)}::varchar as source, staged.* from staged"
    )


def _key(name: str) -> str:
    return KEY.replace("source", f"{literal(name)}", 1)


def _seen_before(db: duckdb.DuckDBPyConnection, hits: U64, days: list[date]) -> None:
    """Temp tables `seen` (accepted versions), `in_conflict` and `kept_out` of these identities."""
    db.register("hits", {"key": hits})
    db.execute(
        "create or replace temp table proposed as select distinct event_id from keyed "
        f"where {KEY} in (select key from hits)"
    )
    db.unregister("hits")
    db.execute(
        "create or replace temp table seen as "
        "select event_id, row_hash, batch_seq, row_no, occurred_at, event_day, replaces_seq "
        "from lake.facts.usage_events "
        f"where {on_days(days)} and source = (select any_value(source) from keyed) "
        "and event_id in (select event_id from proposed)"
    )
    for table, facts, action in (
        ("in_conflict", "conflicts", ""),
        ("kept_out", "rejected_events", ", action"),
    ):
        db.execute(
            f"create or replace temp table {table} as "
            f"select distinct event_id, row_hash{action} from lake.facts.{facts} "
            "where source = (select any_value(source) from keyed) "
            "and event_id in (select event_id from keyed)"
        )


def _outcomes(on_other: str) -> str:
    return f"""
        create or replace temp table classified as
        with newest as (
            select * from seen
            qualify row_number() over (
                partition by event_id order by batch_seq desc, row_no desc
            ) = 1
        ),
        known as (
            select event_id, row_hash from seen
            union select event_id, row_hash from in_conflict
        ),
        firsts as (
            select event_id, row_hash from keyed
            where reason is null and action is null and nth = 1
        ),
        judged as (
            select
                keyed.*,
                newest.batch_seq as first_seq, newest.row_no as first_row,
                newest.occurred_at as first_occurred_at,
                row_number() over (
                    partition by keyed.event_id, keyed.row_hash, keyed.reason is null, keyed.action
                    order by keyed.source_row
                ) as nth_equal,
                case
                    when keyed.reason is not null then
                        case when kept_out.event_id is not null and keyed.original_seq is null
                            then 'duplicate' else 'quarantined' end
                    when keyed.action is not null then 'asked'
                    when known.event_id is not null then 'duplicate'
                    when newest.event_id is not null then '{on_other}'
                    when keyed.nth = 1 then 'accepted'
                    when firsts.row_hash = keyed.row_hash then 'duplicate'
                    else '{on_other}'
                end as own_outcome
            from keyed
            left join newest on newest.event_id = keyed.event_id
            left join known
                on known.event_id = keyed.event_id and known.row_hash = keyed.row_hash
            left join kept_out
                on kept_out.event_id = keyed.event_id and kept_out.row_hash = keyed.row_hash
                and kept_out.action is not distinct from keyed.action
            left join firsts on firsts.event_id = keyed.event_id
        )
        select * exclude (own_outcome, nth_equal),
            case
                when nth_equal > 1 and original_seq is null and own_outcome <> 'asked'
                    then 'duplicate' else own_outcome
            end as outcome
        from judged
        """
