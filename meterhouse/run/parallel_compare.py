"""The comparison of a month with the old system, and its record."""

import re
from dataclasses import dataclass

import duckdb
import polars as pl

from meterhouse.canonical import canonical_json, sha256_text, short_hash
from meterhouse.errors import UsageError
from meterhouse.lake import Commit, Lake
from meterhouse.money import AMOUNT
from meterhouse.parallel.compare import Compared, compared
from meterhouse.parallel.names import bundled, with_names
from meterhouse.run.commands import record
from meterhouse.run.parallel_lines import as_new, as_old, legacy_lines, our_lines
from meterhouse.run.parallel_map import maps_of, names_of, shared_name

COMMAND = "parallel_compare"
EVERYBODY = "all"
RATES = """
select customer_id, tax_rate::decimal(38, 18) as rate from book.customers
where tax_treatment = 'taxed' and tax_rate is not null
"""
APPEND = """
select ? as result_id, ? as period, ? as cohort, customer_id, currency, old, new, difference,
    unexplained, ?::bigint as kept_out, ? as report_hash
from frame_in
"""


@dataclass(frozen=True)
class MonthCompared:
    """A month of both systems. `kept_out`: number, customer, invoice_date, fault of old documents
    that were not compared; `report_hash` changes with any variance or total."""

    period: str
    cohort: str
    result: Compared
    kept_out: pl.DataFrame
    documents: int
    report_hash: str

    @property
    def is_explained(self) -> bool:
        """Whether every difference has a cause and every old document was compared."""
        return self.result.unexplained == 0 and self.kept_out.height == 0


def month_number(period: str) -> int:
    """A month written 2025-01 as year * 12 + month."""
    found = re.fullmatch(r"(\d{4})-(0[1-9]|1[0-2])", period)
    if found is None:
        raise UsageError(f"{period!r} is not a month; write it like 2025-01.")
    return int(found[1]) * 12 + int(found[2])


def compare_month(
    lake: Lake, period: str, cohort: str = EVERYBODY, customers: tuple[str, ...] = ()
) -> MonthCompared:
    """Compare issued documents and the last run's drafts with the imported ones.

    `customers` limits both sides; without it everybody is compared, and names that are not mapped
    are unexplained.
    """
    month = month_number(period)
    with lake.run_lock.held(), lake.reading() as db:
        names = names_of(db)
        targets = {*maps_of(db)["products"].values()}
        legacy = with_names(legacy_lines(db), names)
        if not legacy.height:
            raise UsageError(
                "Nothing of the old system was imported. `meterhouse parallel import` does."
            )
        new = as_new(our_lines(lake, db), month, shared_name(targets, "component"))
        rates = db.sql(RATES).pl().cast({"rate": AMOUNT})
    kept_out = _kept_out(legacy, month)
    old = as_old(legacy.filter(pl.col("fault").is_null()), month, rates)
    if customers:
        old, new = (one.filter(pl.col("customer_id").is_in(customers)) for one in (old, new))
        kept_out = kept_out.filter(pl.col("customer_id").is_in(customers))
    result = compared(*bundled(old, new))
    documents = old.filter(pl.col("period") == 0)["number"].n_unique()
    report = _hash(period, cohort, result, kept_out)
    return MonthCompared(period, cohort, result, kept_out, documents, report)


def _kept_out(legacy: pl.DataFrame, month: int) -> pl.DataFrame:
    """Old documents with a fault, of the month or of no known month."""
    day = pl.coalesce("from_on", "invoice_date")
    number = day.dt.year().cast(pl.Int64) * 12 + day.dt.month().cast(pl.Int64)
    is_now = day.is_null() | (number == month)
    faulty = legacy.filter(pl.col("fault").is_not_null() & is_now)
    return faulty.group_by("number").agg(
        pl.col("customer_id", "customer", "invoice_date", "fault").first()
    ).sort("number")  # fmt: skip


def _hash(period: str, cohort: str, result: Compared, kept_out: pl.DataFrame) -> str:
    frames = (result.variances, result.cells, kept_out)
    texts = [one.select(pl.all().cast(pl.String)).write_csv() for one in frames]
    return sha256_text(canonical_json([period, cohort, *texts]))


def record_comparison(lake: Lake, found: MonthCompared) -> int | None:
    """Append the comparison to facts.parallel_results; None where the same one is there."""
    result_id = short_hash([found.period, found.cohort, found.report_hash])
    cells = found.result.cells.select(
        "customer_id", "currency", "old", "new", "difference", "unexplained"
    )
    marks = [result_id, found.period, found.cohort, found.kept_out.height, found.report_hash]

    def write(commit: Commit) -> int:
        commit.db.register("frame_in", cells.to_arrow())
        commit.append("parallel_results", APPEND, marks)
        commit.db.unregister("frame_in")
        text = canonical_json({"period": found.period, "cohort": found.cohort})
        return record(commit, COMMAND, [(result_id, found.report_hash)], text, "Compared.")

    with lake.session() as db:
        return None if _is_known(db, result_id) else lake.commit(db, write)


def _is_known(db: duckdb.DuckDBPyConnection, result_id: str) -> bool:
    found = db.execute(
        "select 1 from lake.facts.commands where kind = ? and subject_id = ?", [COMMAND, result_id]
    )
    return found.fetchone() is not None
