"""The next invoice of a customer as of a day: usage to date, fees in full, nothing written."""

import json
from datetime import date
from decimal import Decimal

import pytest
from click.testing import CliRunner

from meterhouse.cli.main import cli
from meterhouse.errors import UsageError
from meterhouse.run.upcoming import upcoming
from meterhouse.run.upcoming_page import page as upcoming_page
from tests.truth.harness import GREAT_EXPECTATIONS

pytestmark = [pytest.mark.slow, GREAT_EXPECTATIONS]


@pytest.mark.soak
def test_usage_counts_to_the_day_and_fees_in_full_as_the_run_then_bills(in_october, october):
    before = in_october.count_facts()
    whole = upcoming(in_october.lake, "alpha", date(2025, 11, 30))
    part = upcoming(in_october.lake, "alpha", date(2025, 11, 10))
    assert in_october.count_facts() == before
    assert (whole.boundary_on, part.boundary_on) == (date(2025, 12, 1), date(2025, 12, 1))
    (document,) = part.documents.values()
    assert document["kind"] == "upcoming"
    assert document["preview"] == {"as_of": "2025-11-10", "known_at": part.known_at}
    assert "issue" not in document
    done = october.issue(date(2025, 12, 1))
    drafted = {one["draft_id"]: one["net"] for one in done.drafts if one["customer_id"] == "alpha"}
    assert {key: Decimal(one["net"]) for key, one in whole.documents.items()} == drafted
    amounts = {}
    for name, found in (("whole", whole), ("part", part)):
        (one,) = found.documents.values()
        amounts[name] = {
            (line["item"], line["service"]["end"]): Decimal(line["amount"]) for line in one["lines"]
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


def test_a_payer_sees_what_it_pays_as_json_and_as_a_page(in_october, tmp_path):
    page = tmp_path / "next.html"
    asked = ["invoices", "upcoming", "gurung", "--on", "2025-11-05", "--json"]
    done = CliRunner().invoke(cli, ["--home", str(in_october.path), *asked])
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    # A contract of Twin, of which the days turn on the 10th; its own is due in December.
    contracts = {line["contract"] for one in found["documents"] for line in one["lines"]}
    assert (contracts, found["boundary_on"]) == ({"twin-disk"}, "2025-11-10")
    assert {one["kind"] for one in found["documents"]} == {"upcoming"}
    told = found["documents"][0]
    page.write_bytes(upcoming_page(in_october.lake, "0123456789", told, "html"))
    assert "Draft" in page.read_text()


def test_a_customer_without_anything_coming_gets_a_sentence(in_october):
    none = upcoming(in_october.lake, "alpha", date(2026, 3, 1))
    assert (none.documents, none.boundary_on) == ({}, None)
    assert none.sentence.startswith("No invoice is coming for alpha: no contract")
    with pytest.raises(UsageError, match="No customer alpa is in the book; did you mean 'alpha'"):
        upcoming(in_october.lake, "alpa", date(2026, 3, 1))
