"""A parallel run: import a month of the old system's documents, compare it, and write the reports.

`python -m benchmarks.legacy --documents 5_000`. The old documents are a month of our own, one for
each customer, of which every third is dearer and every seventh used another
quantity.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.billed_home import billed_home
from benchmarks.run import timed
from meterhouse.parallel.page import page
from meterhouse.parallel.report import report
from meterhouse.parallel.workbook import write_workbook
from meterhouse.run.parallel_compare import MonthCompared, compare_month
from meterhouse.run.parallel_import import find_mapping, import_legacy

DOCUMENTS = 5_000
PERIOD = "2026-08"
LEGACY = """
copy (
    select 'OLD-' || customer_id as number, date '2026-09-01' as date, customer_id as customer,
        item_id as product,
        case when is_other then quantity * 2 else quantity end as quantity,
        cast(case when is_other then amount * 2 when nth % 3 = 0 then amount * 1.05
            else amount end as decimal(18, 2)) as net,
        window_start_on as "from", window_end_on as "to", currency
    from (
        select *, cast(split_part(customer_id, '_', 2) as bigint) as nth,
            nth % 7 = 0 and meter_id is not null as is_other
        from facts.billed_lines
        where window_start_on = date '2026-08-01' and amount <> 0
    )
    order by nth, line_key
) to '{path}' (format csv)
"""
MAPPING = """
system: before
columns: {number: number, date: date, customer: customer, product: product, quantity: quantity,
  amount: net, from: from, to: to, currency: currency}
to_is: exclusive
"""


def main() -> None:
    """Print a row for each step, and how much was found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=lambda text: int(text.replace("_", "")),
                        default=DOCUMENTS)  # fmt: skip
    documents = parser.parse_args().documents
    with tempfile.TemporaryDirectory() as folder:
        rows, found = measure(Path(folder), documents)
    for row in rows:
        sys.stdout.write(
            f"{row['step']:24} {row['seconds']:8.2f} s {row['cpu_seconds']:8.2f} cpu "
            f"{row['peak_mb']:>8} MB\n"
        )
    told = ", ".join(f"{cause} {count:,}" for cause, count in found.items())
    sys.stdout.write(f"{documents:,} documents of the old system: {told}\n")


def measure(folder: Path, documents: int) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """What `timed` says of each step, and the number of variances by their causes."""
    lake = billed_home(folder / "home", documents)
    file, how = folder / "legacy.csv", folder / "legacy.yaml"
    with lake.reading() as db:
        db.execute(LEGACY.format(path=file))
    how.write_text(MAPPING)
    mapping = find_mapping(None, how)
    compared: list[MonthCompared] = []
    rows = [
        timed("import", documents, lambda: import_legacy(lake, file, mapping)),
        timed("compare", documents, lambda: compared.append(compare_month(lake, PERIOD))),
        timed("page", documents, lambda: _write_page(compared[0], folder / "report.html")),
        timed("workbook", documents, lambda: _write_workbook(compared[0], folder / "report.xlsx")),
    ]
    if not compared[0].is_explained:
        raise AssertionError("A variance has no cause.")
    if compared[0].documents != documents:
        raise AssertionError(f"{compared[0].documents} documents were compared.")
    causes = compared[0].result.variances.group_by("cause").len().sort("cause")
    return rows, dict(causes.iter_rows())


def _write_page(found: MonthCompared, path: Path) -> None:
    told = report(
        found.result,
        period=found.period,
        cohort=found.cohort,
        documents=found.documents,
        kept_out=found.kept_out,
        report_hash=found.report_hash,
    )
    path.write_bytes(page(told))


def _write_workbook(found: MonthCompared, path: Path) -> None:
    write_workbook(found.result, found.kept_out, found.period, path)


if __name__ == "__main__":
    main()
