"""Signing off a month of the parallel run: a person says that what was compared may go live."""

from decimal import Decimal

import duckdb
import polars as pl

from meterhouse.canonical import canonical_json
from meterhouse.errors import Rejected
from meterhouse.lake import Commit, Lake
from meterhouse.run.commands import record
from meterhouse.run.parallel_compare import EVERYBODY, compare_month

COMMAND = "parallel_sign_off"
NEWEST = """
select * from facts.parallel_results
where period = ? and cohort = ?
qualify batch_seq = max(batch_seq) over ()
"""
# Months that were signed off for each customer, whatever cohorts it was in.
SIGNED = f"""
select results.customer_id, results.period, results.cohort, commands.actor, commands.given_at,
    commands.payload->>'$.reason' as reason
from facts.commands as commands join facts.parallel_results as results
    on commands.kind = '{COMMAND}' and commands.result = 'done'
    and commands.subject_id = results.result_id
"""


def signed(db: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """One row per customer, cohort and month that was signed off: who, when and why."""
    return db.sql(f"select distinct * from ({SIGNED}) order by period, cohort, customer_id").pl()


def sign_off(
    lake: Lake, period: str, cohort: str, reason: str, tolerance: Decimal = Decimal(0)
) -> int:
    """Record that the newest comparison of a month and cohort is accepted; returns the batch.

    Raises Rejected where nothing was recorded, more than `tolerance` of any customer is
    unexplained, documents were kept out, the comparison would come out otherwise now, or it was
    signed off before.
    """
    with lake.reading() as db:
        found = db.execute(NEWEST, [period, cohort]).pl()
        known = db.execute(f"select actor, result_id from ({_WHO})").fetchall()
    if found.is_empty():
        raise Rejected(
            f"No comparison of {period} and cohort {cohort} is recorded; nothing was signed off. "
            f"`meterhouse parallel compare --period {period} --cohort {cohort} --record` does."
        )
    result_id, report_hash = found["result_id"][0], found["report_hash"][0]
    faults = [
        f"{who} signed off this comparison of {period} before."
        for who, one in known
        if one == result_id
    ]
    faults += _open(found, tolerance)
    # The customers of the cohort are those that were compared.
    customers = () if cohort == EVERYBODY else tuple(sorted(set(found["customer_id"])))
    if compare_month(lake, period, cohort, customers).report_hash != report_hash:
        faults.append(
            f"The comparison of {period} is not any more what was recorded; compare and record it "
            "again."
        )
    if faults:
        raise Rejected("\n".join([*faults, "Nothing was signed off."]))
    told = {"cohort": cohort, "period": period, "reason": reason, "tolerance": str(tolerance)}

    def write(commit: Commit) -> int:
        subject = [(result_id, report_hash)]
        return record(commit, COMMAND, subject, canonical_json(told), "Signed off.")

    with lake.session() as session:
        return lake.commit(session, write)


_WHO = f"select actor, subject_id as result_id from facts.commands where kind = '{COMMAND}'"


def _open(found: pl.DataFrame, tolerance: Decimal) -> list[str]:
    open_ = found.filter(pl.col("unexplained").abs() > tolerance)
    faults = [
        f"Of customer {one['customer_id']}, {one['unexplained'].normalize():f} {one['currency']} "
        "are unexplained."
        for one in open_.to_dicts()
    ]
    if kept_out := max(found["kept_out"].to_list(), default=0):
        faults.append(f"{kept_out} documents of the old system were kept out of the comparison.")
    return faults
