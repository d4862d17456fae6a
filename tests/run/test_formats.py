"""The same records as CSV, NDJSON and typed Parquet make the same facts."""

import csv
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from meterhouse.run.ingest import ingest
from tests.run.staging_reference import Bare, compact

KINDS = ("csv", "ndjson", "parquet")
COUNT = 5_000
FIRST = datetime(2025, 11, 5, tzinfo=UTC)


def deliveries():
    """Good records, and a few of each fault that every format can express."""
    for n in range(COUNT):
        at = FIRST + timedelta(seconds=n * 40, microseconds=n)
        row = {
            "id": f"e{n}",
            "type": ("request", "sample")[n % 2],
            "subject": ("alpha", "berlin", "sato")[n % 3],
            "time": at,
            "tokens": n,
            "gb_hours": Decimal(n) / 1000,
            "cached": n % 5 == 0,
            "region": ("eu", "us")[n % 2],
        }
        faults = {
            100: {"subject": "nobody"},
            101: {"type": "other"},
            102: {"time": at.replace(year=2999)},
            103: {"gb_hours": Decimal("0.1234")},
            104: {"id": "e50"},
            105: {"subject": "berlin-old"},
        }
        yield row | faults.get(n % 1000, {})
        if n % 700 == 0:
            yield row


def write_delivery(folder, kind):
    """The records as one file; each format spells its values in its own way."""
    rows = list(deliveries())
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "parquet":
        types = {"time": pa.timestamp("us", "UTC"), "gb_hours": pa.decimal128(12, 4)}
        columns = {n: pa.array([row[n] for row in rows], types.get(n)) for n in rows[0]}
        pq.write_table(pa.table(columns), folder / "usage.parquet")
    elif kind == "csv":
        with (folder / "usage.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            for row in rows:
                time = f"{row['time']:%Y-%m-%dT%H:%M:%S.%f}0Z"
                writer.writerow(row | {"time": time, "cached": str(row["cached"]).lower()})
    else:
        fields = ("id", "type", "subject", "time")
        with (folder / "usage.ndjson").open("w") as file:
            for row in rows:
                data = {n: row[n] for n in row if n not in fields}
                data |= {"gb_hours": Bare(f"{row['gb_hours']:f}"), "tokens": Bare(row["tokens"])}
                line = {n: row[n] for n in fields} | {"time": row["time"].isoformat(), "data": data}
                file.write(compact(line, is_file=True) + "\n")


FACTS = {
    "usage_events": "event_id, event_type, subject, customer_id, occurred_at, event_day, row_hash, "
    "p_tokens, p_gb_hours, p_cached, p_region, source_row, row_no, replaces_row",
    "rejected_events": "event_id, event_type, subject, reason, status, row_hash, source_row",
    "conflicts": "event_id, event_type, subject, customer_id, occurred_at, first_occurred_at, "
    "first_row, status, row_hash, source_row",
}


@pytest.mark.slow
def test_the_same_records_make_the_same_facts_in_every_format(book_home, tmp_path):
    facts = {}
    for kind in KINDS:
        home = book_home.copy(tmp_path / kind)
        (home.path / "meterhouse.yaml").write_text("sources: {mixed: {}}\n")
        for turn, each in enumerate([kind, *(other for other in KINDS if other != kind)]):
            write_delivery(home.path / "landing" / "mixed", each)
            [loaded] = [one for one in ingest(home.lake) if one.batch_seq is not None]
            outcomes = (loaded.accepted, loaded.duplicate, loaded.conflict, loaded.quarantined)
            assert loaded.received == sum(outcomes) == len(list(deliveries()))
            assert turn == 0 or outcomes == (0, loaded.received, 0, 0)
        facts[kind] = {
            table: home.rows(f"select {columns} from facts.{table} order by source_row")
            for table, columns in FACTS.items()
        }
    assert facts["csv"] == facts["ndjson"] == facts["parquet"]
    reasons = Counter(row[3] for row in facts["csv"]["rejected_events"])
    assert set(reasons) == {"unknown_subject", "unknown_type", "future_time", "too_many_decimals"}
    assert len(facts["csv"]["conflicts"]) == COUNT // 1000
