"""Shadow meters are measured beside the live one and never billed; definitions change by rule."""

import json

import pytest

from tests.cli.conftest import SELLER, Home

pytestmark = [
    pytest.mark.slow,
    # A run judges its loads by Great Expectations, which imports a module Python 3.11 renamed.
    pytest.mark.filterwarnings("ignore:module 'sre_parse' is deprecated:DeprecationWarning"),
]
OWN = (
    SELLER
    + """\
kind: event_type
id: request
properties:
  tokens: {type: integer}
  region: {type: string, required: false}
---
kind: customer
id: acme
name: Acme
tax: {treatment: exempt, reason: Certificate 1}
---
kind: contract
id: acme-main
customer: acme
entity: us
currency: USD
zone: UTC
start: 2025-10-01
payment_terms: net30
items:
  - {id: plain, description: Plain, meter: plain, price: {model: per_unit, unit_amount: "0.5"}}
  - {id: parted, description: Parted, meter: parted, price: {model: per_unit, unit_amount: "1"}}
"""
)
METER = "kind: meter\nid: {id}\nevent_type: request\nunit: token\n{more}\n"
SUM = "aggregation: sum\nproperty: tokens"
COUNT = "aggregation: count"
EVENTS = (
    ("a", "2025-10-10T00:00:00Z", 3, "eu"),
    ("b", "2025-10-20T00:00:00Z", 4, "us"),
    ("c", "2025-11-10T00:00:00Z", 5, "eu"),
    ("d", "2025-11-16T00:00:00Z", 6, "eu"),
    ("e", "2025-11-20T00:00:00Z", 7, "us"),
)
DIFFERENCES = """
select window_start_on::varchar as start, shadow_meter_id as shadow,
    live_quantity::bigint::varchar as live, shadow_quantity::bigint::varchar as beside,
    amount_difference::decimal(9, 2)::varchar as change, is_billed
from reporting.shadow_differences
where item_id = 'plain' and window_start_on < date '2025-12-01' order by all
"""
DETERMINANTS = """
select item_id as item, window_start_on::varchar as start, meter_version as version,
    quantity::bigint as quantity
from usage.determinants where window_start_on < date '2025-12-01' order by all
"""
LINES = """
select item_id as item, window_start_on::varchar as start, is_correction,
    sum(amount)::decimal(9, 2)::varchar as amount
from facts.billed_lines group by all order by all
"""


def called(home, *words):
    done = home.call(*words)
    assert done.exit_code == 0, (done.stdout, done.stderr)
    return done


def made(path, *meters):
    home = Home(path / "home")
    (home.folder / "book").mkdir(parents=True)
    (home.folder / "meterhouse.yaml").write_text("sources: {api: {}}\n")
    (home.folder / "book" / "seller.yaml").write_text(OWN)
    called(home, "init")
    record(home, *meters)
    load(home, *EVENTS)
    return home


def record(home, *meters):
    """Record meters, each an id, what it measures and perhaps the day from which it does."""
    texts = []
    for id, more, *since in meters:
        day = "".join(f"\nvalid_from: {one}" for one in since)
        texts.append(METER.format(id=id, more=more + day))
    (home.folder / "book" / "meters.yaml").write_text("---\n".join(texts))
    called(home, "apply", "--yes")


def load(home, *events):
    path = home.folder / f"{events[0][0]}.ndjson"
    lines = [
        {"id": id, "type": "request", "subject": "acme", "time": time,
         "data": {"tokens": tokens, "region": region}}
        for id, time, tokens, region in events
    ]  # fmt: skip
    path.write_text("".join(json.dumps(one) + "\n" for one in lines))
    called(home, "ingest", path, "--source", "api")


def sql(home, query):
    return [tuple(row) for row in home.json("sql", query)["rows"]]


def test_shadows_are_measured_with_each_run_and_never_billed(tmp_path):
    live = [("plain", SUM), ("parted", SUM)]
    shadows = [
        ("eu", f"{SUM}\nfilter: region = 'eu'\nshadow_of: plain"),
        ("peak", "aggregation: max\nproperty: tokens\nshadow_of: plain\ndimensions: [region]"),
        ("later", f"{SUM}\nsplit: true\nshadow_of: plain"),
        ("later", f"{SUM}\nfilter: region = 'eu'\nsplit: true\nshadow_of: plain", "2025-11-16"),
    ]
    home = made(tmp_path, *live)
    called(home, "run", "--through", "2025-11-01")
    assert sql(home, DIFFERENCES) == []
    # No table of a shadow was touched.
    pins = "select count(*) as n from ops.pins where table_name like '%shadow%'"
    assert [str(row[0]) for row in sql(home, pins)] == ["0"]
    record(home, *live, *shadows)
    called(home, "run", "--through", "2025-11-01")
    october = [
        ("2025-10-01", "eu", "7", "3", "-2.00", True),
        ("2025-10-01", "later", "7", "7", "0.00", True),
        ("2025-10-01", "peak", "7", "7", "0.00", True),
    ]
    assert sql(home, DIFFERENCES) == [
        *october,
        ("2025-11-01", "eu", "18", "11", "-3.50", False),
        ("2025-11-01", "later", "18", "11", "-3.50", False),
        ("2025-11-01", "peak", "18", "13", "-2.50", False),
    ]
    assert sql(home, "select distinct meter_id from facts.billed_lines order by 1") == [
        ("parted",),
        ("plain",),
    ]
    # The same, from events alone.
    estimate = home.json("meters", "estimate", "eu", "--customer", "acme")
    assert [one["quantity"] for one in estimate["rows"]] == ["11"]
    load(home, ("late", "2025-11-21T00:00:00Z", 9, "eu"))
    called(home, "run", "--through", "2025-11-01")
    assert sql(home, DIFFERENCES) == [
        *october,
        ("2025-11-01", "eu", "27", "20", "-3.50", False),
        ("2025-11-01", "later", "27", "20", "-3.50", False),
        ("2025-11-01", "peak", "27", "16", "-5.50", False),
    ]
    # Only the windows that the late event fell into were measured again.
    asked = "select distinct window_start_on::varchar as start from ops.shadow_asks order by 1"
    # The second is the later part of a split window.
    assert sql(home, asked) == [("2025-11-01",), ("2025-11-16",)]
    before = sql(home, "select * exclude (shadow_id) from billing.shadow_lines order by all")
    called(home, "run", "--through", "2025-11-01", "--full")
    after = sql(home, "select * exclude (shadow_id) from billing.shadow_lines order by all")
    assert after == before


@pytest.mark.soak
def test_a_window_keeps_the_definition_at_its_start_unless_it_is_split(tmp_path):
    split = f"{SUM}\nsplit: true"
    first = [("plain", SUM), ("parted", split)]
    later = [
        ("plain", COUNT, "2025-11-16"),
        ("parted", f"{SUM}\nfilter: region = 'eu'\nsplit: true", "2025-11-16"),
    ]
    home = made(tmp_path, *first)
    called(home, "run", "--through", "2025-11-01")
    record(home, *first, *later)
    called(home, "run", "--through", "2025-12-01")
    # Before the sixteenth 5 of everything, from then on 6 of eu.
    assert [tuple(map(str, row)) for row in sql(home, DETERMINANTS)] == [
        ("parted", "2025-10-01", "1", "7"),
        ("parted", "2025-11-01", "1", "11"),
        ("plain", "2025-10-01", "1", "7"),
        ("plain", "2025-11-01", "1", "18"),
    ]
    for meter, quantity in (("plain", "18"), ("parted", "11")):
        asked = ("--customer", "acme", "--per", "window", "--from", "2025-11-01", "--to",
                 "2025-11-30")  # fmt: skip
        (row,) = home.json("meters", "estimate", meter, *asked)["rows"]
        assert row["quantity"] == quantity
    shown = home.json("meters", "show", "plain")["versions"]
    assert [(one["version"], one["valid_from"], one["valid_to"]) for one in shown] == [
        (1, None, "2025-11-16"),
        (2, "2025-11-16", None),
    ]
    assert {"path": "$.aggregation", "old": "sum", "new": "count"} in shown[1]["changed"]
    restates_what_was_billed(home, later)


def restates_what_was_billed(home, later):
    """A slot that is corrected holds as if it always had, also where documents were issued."""
    record(home, ("plain", f"{SUM}\nfilter: region = 'eu'"), ("parted", f"{SUM}\nsplit: true"),
           *later)  # fmt: skip
    found = home.json("meters", "diff", "plain@1", "plain", "--by", "window")
    assert [(one["quantity_difference"], one["amount_difference"]) for one in found["rows"]] == [
        ("-7", "-3.50"),
        ("-4", "-2.00"),
    ]
    assert found["billed_windows_that_differ"] == 2
    called(home, "run", "--through", "2025-12-01")
    plain = [row[1:] for row in sql(home, LINES) if row[0] == "plain"]
    assert plain == [
        ("2025-10-01", False, "3.50"),
        ("2025-10-01", True, "-2.00"),
        ("2025-11-01", False, "9.00"),
        ("2025-11-01", True, "-3.50"),
    ]
    again = home.json("meters", "diff", "plain@3", "plain")
    assert again["rows"] == []
    states = [one["state"] for one in home.json("meters", "show", "plain")["versions"]]
    assert states == ["replaced", "in force", "earlier"]
