import json

import duckdb

from meterhouse.run.book import flatten

CONTRACT = {"customer": "acme", "start": "2026-01-01", "items": []}
DOCUMENTS = [
    ("customer", "acme", {"name": "Acme", "profile": {"day_count": "actual_360"}}),
    ("customer", "bolt", {"name": "Bolt"}),
    ("contract", "as-customer", CONTRACT),
    ("contract", "own", CONTRACT | {"profile": {"day_count": "strict_30_360"}}),
    ("contract", "default", CONTRACT | {"customer": "bolt"}),
]


def test_a_contract_says_its_own_profile_or_that_of_its_customer():
    with duckdb.connect() as db:
        db.execute("create schema facts")
        db.execute(
            "create table facts.book_versions (kind varchar, doc_id varchar, valid_from date, "
            "content varchar, batch_seq bigint, row_no bigint)"
        )
        rows = [(k, i, None, json.dumps(c), 1, n) for n, (k, i, c) in enumerate(DOCUMENTS)]
        db.executemany("insert into facts.book_versions values (?, ?, ?, ?, ?, ?)", rows)
        flatten(db)
        found = db.sql("select contract_id, day_count from book.contracts").fetchall()
    assert dict(found) == {"as-customer": "actual_360", "own": "strict_30_360", "default": None}
