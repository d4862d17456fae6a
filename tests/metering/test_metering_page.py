"""Every example of docs/metering.md is a document that loads, and measures what it says."""

import json
import re
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from pydantic import BaseModel

from meterhouse.canonical import canonical_json
from meterhouse.catalog.documents import Property
from meterhouse.catalog.fields import plain
from meterhouse.catalog.loading import load_folder
from meterhouse.catalog.meters import Meter
from meterhouse.catalog.references import check
from meterhouse.duck import identifier, literal
from meterhouse.exact import make_exact
from meterhouse.run.book import flatten
from meterhouse.run.measuring import Relations, answered_sql
from meterhouse.run.meter_rules import make_rules
from meterhouse.schema import FACTS, TAIL, property_type

PAGE = (Path(__file__).parents[2] / "docs" / "metering.md").read_text()
YAML = re.findall(r"(?ms)^```yaml\n(.*?)^```$", PAGE)
MEASURED = re.findall(r"(?ms)^```yaml\n([^`]*?)^```\n```events\n(.*?)^```$", PAGE)
MONTH = ("2026-04-01", "2026-05-01")
SCHEMA = """
create schema facts; create schema ops; create schema usage;
create table ops.restated (replaces_seq bigint, replaces_row bigint);
create table usage.zone_offsets as select 'UTC' as zone, 0 as offset_seconds,
    timestamptz '0001-01-01 00:00:00+00' as valid_from,
    timestamptz '9999-12-31 00:00:00+00' as valid_to;
"""


def id_of(text):
    return re.search(r"(?m)^id: (\S+)$", text)[1]


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    for number, text in enumerate(YAML):
        (folder / f"{number:02d}.yaml").write_text(text)
    return load_folder(folder)


@pytest.fixture(scope="module")
def db(documents):
    """The book of the page in one session, without events."""
    properties = next(one for one in documents if one.kind == "event_type").content["properties"]
    typed = {
        f"p_{name}": property_type(p["type"], int(p["decimals"] or 0))
        for name, p in properties.items()
    }
    with duckdb.connect() as made:
        made.execute("set timezone = 'UTC'")
        made.execute(SCHEMA)
        for table, more in (("book_versions", {}), ("usage_events", typed)):
            columns = {**FACTS[table], **TAIL, **more}
            listed = ", ".join(f"{identifier(n)} {kind}" for n, kind in columns.items())
            made.execute(f"create table facts.{table} ({listed})")
        for number, one in enumerate(documents, 1):
            made.execute(
                "insert into facts.book_versions (kind, doc_id, valid_from, content, batch_seq, "
                "row_no) values (?, ?, ?, ?, 1, ?)",
                [one.kind, one.id, one.valid_from, canonical_json(one.content), number],
            )
        flatten(made)
        make_exact(made)
        yield made


def test_the_examples_are_a_book_without_faults(documents):
    assert check(documents) == []


def load_events(db, lines):
    """One accepted event of customer c for each line: its time, and name=value of properties."""
    db.execute("delete from facts.usage_events")
    for number, line in enumerate(lines, 1):
        time, *pairs = line.split()
        values = dict(pair.split("=") for pair in pairs)
        given = {
            "source": "s",
            "event_id": str(number),
            "event_type": "usage",
            "customer_id": "c",
            "occurred_at": time,
            "received_at": values.pop("received", time),
            "batch_seq": 1,
            "row_no": number,
            **{f"p_{name}": value for name, value in values.items()},
        }
        names = ", ".join(identifier(name) for name in given)
        marks = ", ".join("?" for _ in given)
        db.execute(f"insert into facts.usage_events ({names}) values ({marks})", [*given.values()])


def ask(db, rule):
    """The one question: customer c in April."""
    start, end = (f"timestamptz '{day} 00:00:00+00'" for day in MONTH)
    since = "timestamptz '0001-01-01 00:00:00+00'" if rule["recurring"] else start
    db.execute(
        f"create or replace table ops.asks as select 1::bigint as ask_no, 'c' as customer_id, "
        f"{rule['meter_no']}::bigint as meter_no, {literal(rule['event_type'])} as event_type, "
        f"'UTC' as zone, {start} as window_start, {end} as window_end, "
        f"date '{MONTH[0]}' as window_start_on, date '{MONTH[1]}' as window_end_on, "
        f"{since} as read_from, {end} as read_to, "
        f"epoch_us({end}) - epoch_us({start}) as period_us, "
        f"30::bigint as period_days, 0::bigint as day_seconds"
    )


@pytest.mark.parametrize(("text", "events"), MEASURED, ids=[id_of(text) for text, _ in MEASURED])
def test_an_example_measures_what_the_page_says(text, events, db):
    lines = events.splitlines()
    said = [line.split(maxsplit=2)[1:] for line in lines if line.startswith("quantity")]
    load_events(db, [line for line in lines if not line.startswith("quantity")])
    db.execute("create schema if not exists ops")
    (rule,) = [one for one in make_rules(db) if one["meter_id"] == id_of(text)]
    ask(db, rule)
    relations = Relations(readers="ops.asks")
    found = db.execute(
        f"select dimensions, quantity from ({answered_sql([rule], relations, 'ops.meter_rules')})"
        " order by dimensions"
    ).fetchall()
    wanted = [(json.loads(dims[0]) if dims else {}, Decimal(q)) for q, *dims in said]
    assert [(json.loads(dims), Decimal(plain(quantity))) for dims, quantity in found] == wanted


def test_every_aggregation_but_that_of_models_has_an_example():
    titles = set(re.findall(r"(?m)^### (.*)$", PAGE))
    named = {word for title in titles for word in title.split(" and ")}
    wanted = set(Meter.model_fields["aggregation"].annotation.__args__)
    assert named == wanted
    measured = {re.search(r"(?m)^aggregation: (\S+)$", text)[1] for text, _ in MEASURED}
    assert wanted - measured == {"sql", "min"}


@pytest.mark.parametrize(("title", "model"), [("a property", Property), ("", Meter)])
def test_the_tables_list_every_key_and_no_other(title: str, model: type[BaseModel]) -> None:
    head = f"key of {title}" if title else "key"
    [rows] = re.findall(rf"(?ms)^\| {head} \| meaning \|\n\|---\|---\|\n(.*?)\n\n", PAGE)
    keys = [re.match(r"\| `(\w+)` \|", row)[1] for row in rows.splitlines()]
    assert sorted(keys) == sorted(model.model_fields)
