"""Generated usage: skewed customers, five event types, one event in a hundred sent twice, two late.

Every value is a hash of the event's number, so that two runs measure the same data.
"""

from pathlib import Path

import duckdb

CUSTOMERS = 20_000
TYPES = 5
MONTH_MS = 31 * 86_400_000
EVENT = f"""
select
    lower(hex(hash(n))) || lower(hex(hash(n + 77777777777))) as id,
    'type_' || hash(n + 1) % {TYPES} as type,
    'customer_' || cast(floor(pow({CUSTOMERS}, (hash(n + 2) % 1000000) / 1000000.0)) - 1 as integer)
        as subject,
    timestamptz '2026-10-01 00:00:00+00' + to_milliseconds(greatest(0,
        n * {MONTH_MS} // $total
        - case when hash(n + 3) % 50 = 0 then (hash(n + 4) % 432000000)::bigint else 0 end))
        as time,
    ((hash(n + 5) % 100000000) / 1000)::decimal(18, 6) as quantity,
    'region-' || hash(n + 6) % 8 as region,
    'model-' || hash(n + 8) % 500 as model
from numbers
"""
# One in a hundred is an event of shortly before, once more.
NUMBERS = """
select case when hash(i + 9) % 100 = 0 and i > 20000 then i - 1 - (hash(i + 10) % 20000)::bigint
    else i end as n
from range($first, $last) given(i)
"""


def write_usage(path: Path, first: int, last: int, total: int) -> None:
    """Events numbered first to last of `total` over October 2026, in the order they arrive."""
    with duckdb.connect() as db:
        db.execute("set timezone = 'UTC'")
        db.execute(
            f"create temp table usage as with numbers as ({NUMBERS}) {EVENT}",
            {"first": first, "last": last, "total": total},
        )
        db.execute(f"copy usage to '{path}' (format parquet, compression zstd)")


def limit(files: list[Path]) -> None:
    """What any engine must do at least: read the events once and group them."""
    with duckdb.connect() as db:
        db.execute("set timezone = 'UTC'")
        db.execute("set preserve_insertion_order = false")
        db.execute(
            "create temp table grouped as select subject, type, cast(time as date) as day, "
            "count(*) as events, sum(quantity) as quantity from read_parquet(?) group by all",
            [[str(file) for file in files]],
        )
