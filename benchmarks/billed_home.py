"""A home with a year of billed history: contracts of a fee and one or two usage items, by month.

The contracts run from October 2025; the twelve months to October 2026 are billed and issued, and
the usage of October 2026 waits to be billed on 1 November. One contract in `MODIFIED` has a
minimum commitment. Cut, fold and rating are those of a run, once for all months; documents are
composed and issued month by month, so that memory is bounded by one month.
"""

from datetime import date
from pathlib import Path

import duckdb
import polars as pl

from meterhouse.lake import Commit, Lake
from meterhouse.run import balance, prepaid, steps, tax_asking, taxes
from meterhouse.run.applying import apply_book
from meterhouse.run.bill import begin
from meterhouse.run.context import Run
from meterhouse.run.drafting import composed
from meterhouse.run.ingest import ingest
from meterhouse.run.issuing import issue
from meterhouse.run.manifest import record_manifest
from meterhouse.settings import FILE, Settings

BEGINS, BILLED, NEXT = date(2025, 10, 1), date(2026, 10, 1), date(2026, 11, 1)
MODIFIED = 10
SETTINGS = "sources: {bench: {format: parquet}}\n"
BOOK = """
kind: entity
id: seller
legal_name: Bench Inc
address: {line1: 1 Street, city: Town, country: US}
base_currency: USD
zone: UTC
approval: automatic
---
{kind: payment_terms, id: net30, net_days: 30}
---
kind: event_type
id: calls
properties: {quantity: {type: decimal, decimals: 6}}
---
{kind: meter, id: calls, event_type: calls, unit: call, aggregation: sum, property: quantity}
---
kind: event_type
id: storage
properties: {quantity: {type: decimal, decimals: 6}}
---
{kind: meter, id: storage, event_type: storage, unit: GB, aggregation: sum, property: quantity}
---
"""
CUSTOMER = """
kind: customer
id: customer_0
name: Customer 0
tax: {treatment: out_of_scope, reason: benchmark}
---
kind: contract
id: contract_0
customer: customer_0
entity: seller
currency: USD
zone: UTC
start: 2025-10-01
payment_terms: net30
items:
  - {id: platform, description: Platform fee, timing: advance,
     price: {model: flat, amount: "49.00"}}
  - {id: calls, description: API calls, meter: calls, timing: arrears,
     price: {model: graduated, tiers: [{up_to: "1000", unit_amount: "0.03"},
       {up_to: null, unit_amount: "0.01"}]}}
"""
STORAGE = """
  - {id: storage, description: Storage, meter: storage, timing: arrears,
     price: {model: per_unit, unit_amount: "0.002"}}
"""
COMMITTED = """
modifiers:
  commitments: [{id: minimum, amount: "100.00", period: window}]
"""
# The first three contracts are written out: plain, with storage, with a commitment.
SHAPES = (CUSTOMER, CUSTOMER + STORAGE, CUSTOMER + COMMITTED)
COPIES = f"""
select kind, regexp_replace(doc_id, '_[0-9]+$', '_' || i) as doc_id, valid_from, renamed as content,
    sha256(renamed) as content_sha256
from (
    select versions.*, i, regexp_replace(
        content, '(customer_|contract_|Customer )[0-9]+', '\\1' || i, 'g'
    ) as renamed
    from (
        select i, case when i % {MODIFIED} = 2 then 2 when i % 3 = 0 then 1 else 0 end as shape
        from range(3, $1) given(i)
    )
    join lake.facts.book_versions as versions
        on versions.doc_id in ('customer_' || shape, 'contract_' || shape)
)
order by kind, i
"""
# One event of each item in each month, in the middle of it; storage for all, as some is unread.
USAGE = """
copy (
    select md5(concat_ws('-', c, $1::varchar, m, kind)) as id, kind as type,
        'customer_' || c as subject,
        cast($1 as timestamptz) + to_months(m::int) + to_seconds(c % 86400 + 10 * 86400) as time,
        ((hash(c * 100 + m) % 10000000) / 1000)::decimal(18, 6) as quantity
    from range($2) customers(c), range($3) months(m),
        (select unnest(['calls', 'storage']) as kind)
    where kind = 'calls' or (c % 3 = 0 and c % {modified} <> 2) or c = 1
) to '{path}' (format parquet)
"""


def billed_home(home: Path, contracts: int) -> Lake:
    """Make the home in a folder that does not exist yet; returns its lake."""
    home.mkdir(parents=True)
    (home / FILE).write_text(SETTINGS)
    lake = Lake(Settings.load(home))
    lake.create()
    _write_book(lake, contracts)
    _land(lake, BEGINS, contracts, 12)
    ingest(lake)
    with lake.run_lock.held(), begin(lake, BILLED, None, dry_run=False) as (run, _):
        _desired(run)
        for boundary in _boundaries(run):
            _issue_month(lake, run, boundary)
        steps.refresh(run)
    land_month(lake, contracts)
    return lake


def land_month(lake: Lake, contracts: int) -> None:
    """Bring the usage of October 2026 into the lake, which is billed on 1 November."""
    _land(lake, BILLED, contracts, 1)
    ingest(lake)


def land_late(lake: Lake, contract: int = 5) -> None:
    """Write one event of a month that is billed, as a file that the next run loads."""
    path = lake.settings.landing("bench") / "late.parquet"
    with duckdb.connect() as db:
        db.execute(
            "copy (select 'late' as id, 'calls' as type, ? as subject, "
            "timestamptz '2026-03-15 12:00:00+00' as time, 500::decimal(18, 6) as quantity) "
            f"to '{path}' (format parquet)",
            [f"customer_{contract}"],
        )


def _write_book(lake: Lake, contracts: int) -> None:
    """Record three contracts as `apply` does, and copies of them as facts."""
    folder = lake.settings.book
    folder.mkdir(parents=True, exist_ok=True)
    texts = [
        shape.replace("_0", f"_{n}").replace("Customer 0", f"Customer {n}")
        for n, shape in enumerate(SHAPES)
    ]
    (folder / "book.yaml").write_text(BOOK + "---\n".join(texts))
    apply_book(lake)

    def write(commit: Commit) -> None:
        commit.append("book_versions", COPIES, [contracts])

    with lake.session() as db:
        lake.commit(db, write)


def _land(lake: Lake, first: date, contracts: int, months: int) -> None:
    landing = lake.settings.landing("bench")
    landing.mkdir(parents=True, exist_ok=True)
    path = landing / f"usage-{first:%Y-%m}.parquet"
    with duckdb.connect() as db:
        db.execute("set timezone = 'UTC'")
        db.execute(USAGE.format(path=path, modified=MODIFIED), [str(first), contracts, months])


def _desired(run: Run) -> None:
    with run.warehouse.connect(run.pin, run.known_at) as db:
        _, fold_from = steps.cut(run, db)
    steps.fold(run, fold_from)
    with run.warehouse.connect(run.pin, run.known_at) as db:
        steps.rate(run, db)


def _boundaries(run: Run) -> list[date]:
    with run.warehouse.connect(run.pin, run.known_at) as db:
        rows = db.execute("select distinct due_on from billing.desired_lines order by 1").fetchall()
    return [row[0] for row in rows]


def _issue_month(lake: Lake, run: Run, boundary: date) -> None:
    """Compose and issue the documents of one boundary, as a run through that day would."""
    with run.warehouse.connect(run.pin, run.known_at) as db:
        made = composed(run, db, of=f"due_on = date '{boundary}'")
        tables: dict[str, pl.DataFrame] = {
            prepaid.TABLE: made.payments,
            balance.TABLE: made.draws,
            taxes.TABLE: made.taxes,
            tax_asking.TABLE: made.questions,
            "billing.drafts": made.drafts,
            "billing.draft_lines": made.lines,
        }
        for name, frame in tables.items():
            run.warehouse.replace(db, name, frame)
        if boundary == BEGINS:
            record_manifest(run, db)  # Nothing is issued without one.
    issue(lake, warehouse=run.warehouse)
