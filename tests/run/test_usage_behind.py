"""Lines of every aggregation: the events behind them, and what explain says of them."""

import json
from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from meterhouse.run.explain import events, explain
from meterhouse.run.rebuild import rebuild
from meterhouse.run.usage_behind import usage_behind
from tests.truth.events import Event
from tests.truth.harness import GREAT_EXPECTATIONS
from tests.truth.meter_oracle import Event as Read
from tests.truth.meter_oracle import measure, window

pytestmark = [pytest.mark.slow, GREAT_EXPECTATIONS]
ZONE = "America/New_York"
THROUGH = date(2025, 12, 2)  # The last day of November ends at 06:00 on 1 December.
TYPE = {
    "kind": "event_type", "id": "job", "properties": {
        "amount": {"type": "decimal", "decimals": 3, "required": False},
        "user": {"type": "string", "required": False},
        "region": {"type": "string", "required": False},
        "step": {"type": "string", "required": False},
    },
}  # fmt: skip
AMOUNT = {"event_type": "job", "unit": "unit", "property": "amount"}
USER = {"event_type": "job", "unit": "user", "property": "user"}
METERS = {
    "j-count": {"event_type": "job", "unit": "job", "aggregation": "count",
                "filter": "region in ('eu', 'us')"},
    "j-sum": {**AMOUNT, "aggregation": "sum", "filter": {"region": ["eu"]}},
    "j-told-apart": {**AMOUNT, "aggregation": "sum", "dimensions": ["region"]},
    "j-gib": {**AMOUNT, "aggregation": "sum", "convert": {"divide": "3"},
              "round": {"places": 2, "mode": "ceiling"}},
    "j-running": {**AMOUNT, "aggregation": "sum", "recurring": True},
    "j-min": {**AMOUNT, "aggregation": "min"},
    "j-max": {**AMOUNT, "aggregation": "max", "dimensions": ["region"]},
    "j-peaks": {**AMOUNT, "aggregation": "max", "bucket": "day"},
    "j-avg": {**AMOUNT, "aggregation": "avg"},
    "j-latest": {**AMOUNT, "aggregation": "latest", "recurring": True},
    "j-median": {**AMOUNT, "aggregation": "percentile", "percentile": "0.37"},
    "j-users": {**USER, "aggregation": "unique_count"},
    "j-seats": {**USER, "aggregation": "unique_count", "operation": "step", "recurring": True},
    "j-level": {**AMOUNT, "aggregation": "weighted_sum", "recurring": True},
    "j-changes": {**AMOUNT, "aggregation": "weighted_sum"},
    "j-prorated": {**AMOUNT, "aggregation": "prorated_sum", "recurring": True},
    "j-seat-days": {**USER, "aggregation": "prorated_unique_count", "operation": "step",
                    "recurring": True, "dimensions": ["region"]},
}  # fmt: skip
# Before the first window, in October and in November (whose clock is turned back on the 2nd).
TIMES = (
    "2025-09-30T23:00:00Z", "2025-10-02T10:00:00Z", "2025-10-02T15:00:00Z", "2025-10-09T00:30:00Z",
    "2025-10-31T12:00:00Z", "2025-11-02T05:30:00Z", "2025-11-02T06:30:00Z", "2025-11-18T20:00:00Z",
    "2025-11-30T23:59:59.999999Z",
)  # fmt: skip


def jobs():
    """Two jobs at each time; some without a value, region or user; one of another customer."""
    made = []
    for number, at in enumerate(TIMES):
        data = {
            "amount": f"{number * 7 % 5 + 1}.125",
            "region": ("eu", "us", "apac")[number % 3],
            "user": f"u{number % 4}",
            "step": "remove" if number in (4, 7) else "add",
        }
        made.append(Event("api", f"a{number}", "job", "alpha", at, tuple(data.items())))
        bare = (("amount", "2"),) if number % 2 else (("user", "u9"),)
        made.append(Event("api", f"b{number}", "job", "alpha", at, bare))
    made.append(Event("api", "x", "job", "sato", TIMES[2], (("amount", "1000"),)))
    return made


@pytest.fixture(scope="module")
def metered(book_home, tmp_path_factory):
    """One contract with an item on each meter, billed through 1 December; its days begin at 6."""
    home = book_home.copy(tmp_path_factory.mktemp("metered") / "home")
    price = {"model": "per_unit", "unit_amount": "1"}
    home.record(
        TYPE,
        *({"kind": "meter", "id": name, **meter} for name, meter in METERS.items()),
        {"kind": "contract", "id": "jobs", "customer": "alpha", "entity": "us", "currency": "USD",
         "zone": ZONE, "start": date(2025, 10, 1), "anchor_day": 1, "payment_terms": "net30",
         "day_starts_at": "06:00",
         "items": [{"id": f"i-{m}", "description": m, "meter": m, "price": price, "shared": True}
                   for m in METERS]},
    )  # fmt: skip
    home.land(jobs())
    done = home.issue(THROUGH)
    assert (done.failed, done.held) == (set(), {})
    return home


def of_jobs(home):
    return [one for one in home.documents() if one["lines"][0]["contract"] == "jobs"]


def of_window(line):
    start, end = (date.fromisoformat(line["service"][name]) for name in ("start", "end"))
    return window(ZONE, start, end, opens=time(6))


def as_oracle_reads(meter):
    """The same meter with its filter as values, as the oracle has it."""
    is_text = isinstance(meter.get("filter"), str)
    return {**meter, "filter": {"region": ["eu", "us"]}} if is_text else meter


def as_events(rows):
    """Rows of the CSV as the oracle reads events."""
    kinds = {"amount": Decimal, "user": str, "region": str, "step": str}
    return [
        Read(row["source"], row["event_id"], "job", "alpha", row["occurred_at"],
             {n: kind(row[f"p_{n}"]) for n, kind in kinds.items() if row[f"p_{n}"] is not None},
             row["received_at"])
        for row in rows
    ]  # fmt: skip


def test_the_oracle_makes_of_the_events_behind_a_line_what_was_billed(metered):
    seen = defaultdict(int)
    for document in of_jobs(metered):
        behind = usage_behind(metered.lake, document["issue"]["number"]).to_dicts()
        for line in document["lines"]:
            rows = [row for row in behind if row["line_no"] == line["line_no"]]
            meter = METERS[line["meter"]["id"]]
            made = measure(as_events(rows), as_oracle_reads(meter), of_window(line), "alpha")
            key = json.dumps(line["dimensions"], sort_keys=True, separators=(",", ":"))
            assert {k: v.quantity for k, v in made.items()} == {key: Fraction(line["quantity"])}
            assert {row["dimensions"] for row in rows} == {key}
            assert {row["is_before"] for row in rows} <= {False, bool(meter.get("recurring"))}
            seen[line["meter"]["id"]] += len(rows)
    assert {name for name, count in seen.items() if count} == set(METERS)


def test_values_of_a_line_add_up_where_its_meter_counts_or_adds(metered):
    for document in of_jobs(metered):
        behind = usage_behind(metered.lake, document["issue"]["number"]).to_dicts()
        for line in document["lines"]:
            if line["meter"]["id"] in ("j-count", "j-sum", "j-told-apart", "j-running"):
                own = [row["quantity"] for row in behind if row["line_no"] == line["line_no"]]
                assert sum(one for one in own if one is not None) == Decimal(line["quantity"])


def test_lines_stand_in_the_order_of_their_dimensions(metered):
    regions = [line["dimensions"]["region"] for line in of_jobs(metered)[0]["lines"]
               if line["meter"]["id"] == "j-max"]  # fmt: skip
    assert regions == ["apac", "eu", "us", None]


def explained(home):
    """(meter, dimensions, first day) to what explain says of the line."""
    found = {}
    for document in of_jobs(home):
        for line in explain(home.lake, document["issue"]["number"])["lines"]:
            key = (line["meter"]["id"], line["dimensions"].get("region"), line["service"]["start"])
            found[key] = line
    return found


def test_explain_measures_every_line_again_and_agrees_with_what_was_billed(metered):
    lines = explained(metered)
    assert {key[0] for key in lines} == set(METERS)
    for line in lines.values():
        shown = line["measure"]
        assert (shown["agrees"], shown["says"]) == (True, [])
        assert Decimal(shown["quantity"]) == Decimal(line["quantity"])
        assert sum(day["events"] for day in line["days"]) == shown["event_count"]
        value = numerator_by_denominator(shown)
        scaled = (
            value * Fraction(shown["convert"]["multiply"]) / Fraction(shown["convert"]["divide"])
        )
        off = abs(scaled - Fraction(line["quantity"]))
        assert off < Fraction(1, 10 ** shown["round"]["places"])


def numerator_by_denominator(shown):
    over = shown["denominator"]
    return Fraction(shown["numerator"]["value"]) / Fraction(over["value"] if over else 1)


def test_days_and_the_opening_level_add_up_where_that_makes_sense(metered):
    for (meter, _, _), line in explained(metered).items():
        shown = line["measure"]
        opening = Decimal(shown["opening"]["level"]) if shown["opening"] else 0
        days = sum(Decimal(day["quantity"] or 0) for day in line["days"])
        if meter in ("j-count", "j-sum", "j-told-apart", "j-gib", "j-running", "j-peaks"):
            assert opening + days == Decimal(shown["numerator"]["value"])
        if meter == "j-max":
            assert max(Decimal(d["quantity"]) for d in line["days"] if d["quantity"]) == Decimal(
                line["quantity"]
            )
        if meter == "j-avg":
            assert days == Decimal(shown["numerator"]["value"])
            values = sum(day["values"] for day in line["days"])
            assert values == Decimal(shown["denominator"]["value"])


@pytest.mark.soak
def test_a_level_is_told_with_what_it_opened_with_and_how_long_it_held(metered):
    october = explained(metered)["j-level", None, "2025-10-01"]["measure"]
    # 23:00 UTC on 30 September is 19:00 there, before the first day begins at 06:00.
    assert october["opening"] == {"level": "1.125", "events": 2}
    month = 31 * 86400
    assert october["denominator"] == {"value": str(month), "what": "seconds of the full period"}
    november = explained(metered)["j-level", None, "2025-11-01"]["measure"]
    assert november["denominator"]["value"] == str(30 * 86400 + 3600)


def test_a_percentile_is_told_with_the_values_around_it(metered):
    shown = explained(metered)["j-median", None, "2025-10-01"]["measure"]
    near = shown["neighbours"]
    low, high, part = (Fraction(near[name]) for name in ("low", "high", "distance"))
    assert low + (high - low) * part == Fraction(shown["numerator"]["value"])
    assert 0 < part < 1
    assert low < high


def test_days_are_those_of_the_contract(metered):
    line = explained(metered)["j-count", None, "2025-10-01"]
    # 00:30 UTC on the 9th is 20:30 on the 8th there; 10:00 UTC on the 2nd is 06:00, its first.
    assert [day["day"] for day in line["days"]] == ["2025-10-02", "2025-10-08", "2025-10-31"][
        : len(line["days"])
    ]


def test_events_of_a_line_say_which_made_the_level_it_opened_with(metered):
    document = of_jobs(metered)[0]
    number = document["issue"]["number"]
    line_no = next(
        line["line_no"] for line in document["lines"] if line["meter"]["id"] == "j-level"
    )
    found = events(metered.lake, number, line_no)
    assert [one["event_id"] for one in found if one["is_before"]] == ["a0", "b0"]
    assert all(one["file"].endswith(".ndjson") for one in found)
    assert [one["event_id"] for one in events(metered.lake, number, line_no, 3)] == [
        one["event_id"] for one in found[:3]
    ]


def test_explain_says_so_where_the_events_do_not_give_what_was_recorded(metered, tmp_path):
    home = metered.copy(tmp_path / "other")
    document = of_jobs(home)[0]
    line = next(one for one in document["lines"] if one["meter"]["id"] == "j-count")
    key = home.rows(
        "select document_id, determinant_id, max(batch_seq) from facts.billed_determinants "
        "where line_key = ? group by all", [line["line_key"]]
    )[0]  # fmt: skip
    home.plant(
        billed_lines=[{"document_id": key[0], "determinant_id": "planted", "line_no": "900",
                       "line_key": "planted", "customer_id": "alpha", "meter_id": "j-count",
                       "meter_version": "1", "dimensions": "{}", "window_start_on": "2025-10-01",
                       "window_id": home.rows("select window_id from facts.billed_lines "
                                              "where line_key = ?", [line["line_key"]])[0][0]}],
        billed_determinants=[{"document_id": key[0], "determinant_id": "planted", "quantity": "77",
                              "line_key": "planted", "event_count": "3"}],
    )  # fmt: skip
    with home.lake.reading() as db:
        from meterhouse.run.explained_measure import explained as measures
        from meterhouse.run.reading import document_of, read_events, read_lines

        reading = read_lines(db, document_of(db, document["issue"]["number"]))
        read_events(db, reading)
        shown = measures(db, reading)
    assert shown[line["line_no"]]["measure"]["agrees"]
    assert not shown[900]["measure"]["agrees"]
    [sentence] = shown[900]["measure"]["says"]
    assert "77 from 3 was recorded and billed" in sentence


def test_documents_of_every_aggregation_are_made_again_byte_for_byte(metered):
    numbers = [one["issue"]["number"] for one in of_jobs(metered)]
    assert [(one.number, one.is_identical) for one in rebuild(metered.lake, numbers)] == [
        (number, True) for number in sorted(numbers)
    ]


def test_late_events_are_not_behind_a_document_that_did_not_know_them(metered, tmp_path):
    home = metered.copy(tmp_path / "late")
    number = of_jobs(home)[0]["issue"]["number"]
    before = usage_behind(home.lake, number)
    at = (datetime(2025, 10, 5, tzinfo=UTC) + timedelta(hours=9)).strftime("%Y-%m-%dT%H:%M:%SZ")
    home.load([Event("api", "late", "job", "alpha", at, (("amount", "50"), ("region", "eu")))])
    assert usage_behind(home.lake, number).equals(before)
