"""The next invoice of a customer as of a day: usage to date, fees in full, nothing written."""

from datetime import date
from decimal import Decimal

import pytest

from meterhouse.errors import UsageError
from meterhouse.run.upcoming import upcoming
from tests.truth.harness import GREAT_EXPECTATIONS

pytestmark = [pytest.mark.slow, GREAT_EXPECTATIONS]


def net(found):
    return sum(Decimal(one["net"]) for one in found.documents.values())


def test_usage_counts_to_the_day_and_fees_in_full_and_nothing_is_written(in_october):
    before = in_october.count_facts()
    whole = upcoming(in_october.lake, "alpha", date(2025, 11, 30))
    part = upcoming(in_october.lake, "alpha", date(2025, 11, 10))
    assert in_october.count_facts() == before
    assert (whole.boundary_on, part.boundary_on) == (date(2025, 12, 1), date(2025, 12, 1))
    (document,) = part.documents.values()
    assert document["kind"] == "upcoming"
    assert document["preview"] == {"as_of": "2025-11-10", "known_at": part.known_at}
    assert "issue" not in document
    amounts = {}
    for name, found in (("whole", whole), ("part", part)):
        (one,) = found.documents.values()
        amounts[name] = {
            (line["item"], line["service"]["end"]): Decimal(line["amount"])
            for line in one["lines"]
        }
    assert amounts["whole"].keys() == amounts["part"].keys()
    used = ("tokens", "2025-12-01")
    known = in_october.rows(
        "select sum(cast(data->>'$.tokens' as bigint)) from facts.usage_events "
        "where customer_id = 'alpha' and event_type = 'request' "
        "and occurred_at >= '2025-11-01 04:00:00+00' and occurred_at < '2025-11-11 05:00:00+00'"
    )[0][0]
    assert 0 < amounts["part"].pop(used) <= amounts["whole"].pop(used)
    assert amounts["part"] == amounts["whole"]
    quantity = next(line for line in document["lines"] if line["item"] == "tokens")["quantity"]
    assert Decimal(quantity) == known


def test_it_is_what_the_run_then_drafts(in_october, october):
    found = upcoming(in_october.lake, "alpha", date(2025, 11, 30))
    done = october.issue(date(2025, 12, 1))
    drafted = {one["draft_id"]: one["net"] for one in done.drafts if one["customer_id"] == "alpha"}
    assert {key: Decimal(one["net"]) for key, one in found.documents.items()} == drafted


def test_a_payer_sees_what_it_pays_and_nobody_else_does(in_october):
    found = upcoming(in_october.lake, "gurung", date(2025, 11, 5))
    contracts = {line["contract"] for one in found.documents.values() for line in one["lines"]}
    assert contracts <= {"gurung-main", "twin-disk"}
    assert net(found) > 0


def test_a_customer_without_anything_coming_gets_a_sentence(in_october):
    none = upcoming(in_october.lake, "alpha", date(2026, 3, 1))
    assert (none.documents, none.boundary_on) == ({}, None)
    assert none.sentence.startswith("No invoice is coming for alpha: no contract that alpha pays")
    with pytest.raises(UsageError, match=r"No customer alpa is in the book; did you mean 'alpha'\?"):
        upcoming(in_october.lake, "alpa", date(2026, 3, 1))
