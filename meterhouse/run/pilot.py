"""The success criteria of a pilot with what came of each, from recorded facts."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import duckdb

from meterhouse.canonical import canonical_json
from meterhouse.catalog.criteria import BY_HAND, MEASURES
from meterhouse.errors import UsageError
from meterhouse.lake import Commit, Lake
from meterhouse.run.commands import record

COMMAND = "pilot_result"
CRITERIA = """
select doc_id, content->>'$.criterion' as criterion, content->>'$.measure' as measure,
    (content->>'$.target')::decimal(38, 18) as target, content->>'$.owner' as owner
from facts.book_versions where kind = 'criterion'
qualify row_number() over (
    partition by doc_id order by valid_from desc nulls last, batch_seq desc, row_no desc
) = 1
order by doc_id
"""
# The newest comparison of each month and cohort.
RESULTS = """
with newest as (
    select * from facts.parallel_results
    qualify batch_seq = max(batch_seq) over (partition by period, cohort)
),
sums as (
    select currency, sum(abs(unexplained)) as unexplained, sum(abs(difference)) as difference
    from newest group by currency
)
select (select max(unexplained) from sums)::decimal(38, 18) as unexplained_amount,
    (select max(difference) from sums)::decimal(38, 18) as difference_amount,
    (select sum(kept_out) from (select distinct period, cohort, kept_out from newest))
        ::decimal(38, 18) as documents_kept_out,
    (
        select count(distinct period) from newest semi join (
            select subject_id as result_id from facts.commands
            where kind = 'parallel_sign_off' and result = 'done'
        ) using (result_id)
    )::decimal(38, 18) as months_signed_off
from (select 1) where exists (select 1 from newest)
"""
GIVEN = f"""
select subject_id, actor, given_at::date, payload->>'$.result', payload->>'$.met' = 'true'
from facts.commands where kind = '{COMMAND}' and result = 'done'
qualify row_number() over (partition by subject_id order by batch_seq desc, row_no desc) = 1
"""


@dataclass(frozen=True)
class Outcome:
    """A criterion and what came of it: `is_met` is None as long as there is no result."""

    criterion_id: str
    criterion: str
    measure: str
    target: str
    owner: str
    result: str
    is_met: bool | None
    by: str
    on: date | None


def outcomes(lake: Lake) -> list[Outcome]:
    """Every criterion of the book in the order of their ids."""
    with lake.reading() as db:
        counted = _counted(db)
        given = {row[0]: row[1:] for row in db.execute(GIVEN).fetchall()}
        rows = db.execute(CRITERIA).fetchall()
    return [_outcome(row, counted, given.get(row[0])) for row in rows]


def _counted(db: duckdb.DuckDBPyConnection) -> dict[str, Decimal]:
    found = db.execute(RESULTS).fetchone()
    return {} if found is None else dict(zip(MEASURES, map(_plain, found), strict=True))


def _plain(value: Decimal | None) -> Decimal:
    return Decimal(0) if value is None else value


def _outcome(
    row: tuple[str, str, str, Decimal | None, str],
    counted: dict[str, Decimal],
    given: tuple[str, date, str, bool] | None,
) -> Outcome:
    criterion_id, criterion, measure, target, owner = row
    head = (criterion_id, criterion, measure)
    if measure == BY_HAND:
        if given is None:
            return Outcome(*head, "", owner, "", None, "", None)
        actor, day, result, is_met = given
        return Outcome(*head, "", owner, result, is_met, actor, day)
    least = MEASURES[measure] == "at_least"
    asked = target if target is not None else Decimal(0)
    told = f"{'at least' if least else 'at most'} {asked.normalize():f}"
    found = counted.get(measure)
    if found is None:
        return Outcome(*head, told, owner, "", None, "", None)
    is_met = found >= asked if least else found <= asked
    return Outcome(*head, told, owner, f"{found.normalize():f}", is_met, "", None)


def record_result(lake: Lake, criterion_id: str, result: str, *, is_met: bool) -> int:
    """Record what a person found of a criterion that is measured by hand; returns the batch."""
    known = {one.criterion_id: one.measure for one in outcomes(lake)}
    if known.get(criterion_id) != BY_HAND:
        why = "is not in the book" if criterion_id not in known else "is counted, not measured"
        raise UsageError(f"Criterion {criterion_id!r} {why}; nothing was recorded.")
    told = canonical_json({"result": result, "met": "true" if is_met else "false"})

    def write(commit: Commit) -> int:
        return record(commit, COMMAND, [(criterion_id, None)], told, result)

    with lake.session() as session:
        return lake.commit(session, write)
