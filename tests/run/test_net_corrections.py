"""Corrections of a home whose entity credits decreases by notes of their own, from events on."""

from datetime import date
from decimal import Decimal

import pytest
from ruamel.yaml import YAML

from meterhouse.run.crediting import Request, credit
from meterhouse.run.rebuild import rebuild
from tests.run.test_grants import BOOK
from tests.truth.events import request
from tests.truth.harness import GREAT_EXPECTATIONS, SETTINGS, Home

pytestmark = [pytest.mark.slow, GREAT_EXPECTATIONS]
MONTHS = (date(2026, 2, 1), date(2026, 3, 1), date(2026, 4, 1))


def home_with(path, **entity):
    """A home of one contract, whose tokens cost 0.10 in each region."""
    documents = {one["kind"]: one for one in YAML(typ="safe").load_all(BOOK)}
    documents["entity"].update(entity)
    documents["event_type"]["properties"]["region"] = {"type": "string"}
    documents["meter"]["dimensions"] = ["region"]
    path.mkdir()
    with (path / "meterhouse.yaml").open("w") as file:
        YAML().dump(SETTINGS, file)
    home = Home(path.resolve(), {})
    home.lake.create()
    home.record(*documents.values())
    return home


def use(month, region, tokens, id=None):
    day = f"2026-{month:02}-10T12:00:00Z"
    return request(id or f"{month}-{region}-{tokens}", "acme", day, tokens, region=region)


def newest(home, of):
    """Documents after the first `of`: kind, net, and region, amount, original and reason of each
    line."""
    found = []
    for one in home.documents()[of:]:
        lines = [
            (
                line["dimensions"]["region"],
                line["amount"],
                (line["correction"] or {}).get("original_number"),
                (line["correction"] or {}).get("reason"),
            )
            for line in one["lines"]
        ]
        found.append((one["kind"], one["net"], lines))
    return sorted(found)


def test_decreases_are_credited_increases_ride_and_what_people_credited_counts_by_line(tmp_path):
    home = home_with(tmp_path / "home", decreases="credit_note")
    home.land([use(1, "eu", 100), use(1, "us", 200)])
    (first,) = home.issue(MONTHS[0]).issued.numbers
    # Of one line of the window people credited more than will be left of it.
    credit(home.lake, Request(first, "goodwill", {1: Decimal(6)}, on=MONTHS[0]))
    home.land([use(1, "eu", -50), use(1, "us", -20), use(2, "eu", 10)])
    done = home.issue(MONTHS[1])
    assert (done.failed, done.held) == (set(), {})
    assert newest(home, 2) == [
        (
            "credit_note",
            "-6.00",
            [
                ("eu", "-4.00", first, "corrected_usage"),
                ("us", "-2.00", first, "corrected_usage"),
            ],
        ),
        ("invoice", "1.00", [("eu", "1.00", None, None)]),
    ]
    # More usage of January rides on the invoice of March, and says why.
    home.land([use(1, "us", 30), use(3, "eu", 40)])
    done = home.issue(MONTHS[2])
    assert (done.failed, done.held) == (set(), {})
    assert newest(home, 4) == [
        (
            "invoice",
            "7.00",
            [("us", "3.00", first, "late_usage"), ("eu", "4.00", None, None)],
        )
    ]
    assert home.issue(MONTHS[2]).issued.numbers == ()
    again = rebuild(home.lake, None)
    assert [one for one in again if not one.is_identical] == []
