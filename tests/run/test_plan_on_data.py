"""What `plan` says of meters after a look at the events that were recorded."""

import json

import pytest
from click.testing import CliRunner

from meterhouse.cli.main import cli
from meterhouse.errors import BookFault
from meterhouse.run.amending import amend
from meterhouse.run.applying import apply_book, planned
from meterhouse.run.correction_file import asked_of
from tests.truth.events import request

pytestmark = pytest.mark.slow
NEWEST = "2025-11-30T12:00:00Z"
TYPE = {
    "kind": "event_type",
    "id": "request",
    "properties": {
        "tokens": {"type": "integer", "required": False},
        "region": {"type": "string", "required": False},
        "cached": {"type": "boolean", "required": False},
        "trace": {"type": "string", "required": False},
        "plan": {"type": "string", "required": False, "values": ["free", "paid"]},
    },
}


def meter(id="new", **fields):
    counted = {"event_type": "request", "aggregation": "count", "unit": "u"}
    return {"kind": "meter", "id": id, **counted, **fields}


def requests(count, time=NEWEST, start=0, **data):
    """So many events of one customer; a value that can be called is given the event's number."""
    return [
        request(
            f"r{number}-{time}-{sorted(data)}",
            "alpha",
            time,
            **{"tokens": 1, **{k: v(number) if callable(v) else v for k, v in data.items()}},
        )
        for number in range(start, start + count)
    ]


@pytest.fixture
def used(home):
    """A home whose event type has more properties, without events."""
    home.record(TYPE, meter("live-tokens"))
    return home


def written(home, *documents):
    """The documents in the folder of the book, not recorded."""
    (home.path / "book" / "new.yaml").write_text(
        "---\n".join(f"{json.dumps(one)}\n" for one in documents)
    )


def warned(home):
    return planned(home.lake).warnings


def test_a_book_without_events_is_not_doubted(used):
    written(used, meter(filter="region = 'nowhere'", dimensions=["trace"]))
    assert warned(used) == []


def test_a_filter_that_matched_nothing_is_told_with_the_values_there_are(used):
    used.load([*requests(8, region="eu-1"), *requests(3, region="us-1", start=8)])
    written(used, meter(filter="region = 'EU'"))
    (warning,) = warned(used)
    assert warning == (
        "new.yaml:1: meter 'new': its filter `region = 'EU'` matched none of the 11 events of type "
        "'request' in the 30 days to 2025-11-30; values of 'region' seen: 'eu-1' (8), 'us-1' (3). "
        "Correct the filter, or leave it if such events are still to come."
    )
    assert apply_book(used.lake)[1] is not None


def test_the_nearest_values_are_told_first(used):
    frequent = [e for n in range(4) for e in requests(9, region=f"ap-{n}", start=9 * n)]
    used.load([*frequent, *requests(1, region="europe", start=99)])
    written(used, meter(filter={"region": ["eurpe"]}))
    (warning,) = warned(used)
    assert "values of 'region' seen: 'europe' (1), 'ap-0' (9), 'ap-1' (9) and others" in warning


def test_a_filter_that_matched_one_event_is_not_told(used):
    used.load([*requests(5, region="us"), *requests(1, region="eu", start=5)])
    written(used, meter(filter="region = 'eu'"))
    assert warned(used) == []


def test_only_the_days_before_the_newest_event_count(used):
    old = requests(1, time="2025-10-31T23:59:59Z", region="eu")
    used.load([*old, *requests(2, region="us")])
    written(used, meter(filter="region = 'eu'"))
    assert "none of the 2 events" in warned(used)[0]
    used.load(requests(1, time="2025-11-01T00:00:00Z", region="eu"))
    assert warned(used) == []


def test_a_property_that_is_not_recorded_yet_has_no_values(used):
    used.load(requests(2, region="eu"))
    properties = {**TYPE["properties"], "tier": {"type": "string", "required": False}}
    written(used, {**TYPE, "id": "other", "properties": {}}, meter(filter="tier = 'a'"))
    used.record({**TYPE, "properties": properties})
    assert "'tier' has no value in any of them" in warned(used)[0]


def test_a_dimension_with_more_values_than_its_limit_is_refused(used):
    used.load([*requests(4, trace=lambda n: f"t{n}"), *requests(3, trace="t0", start=4)])
    written(used, meter(dimensions=["trace"], dimension_limit=3))
    with pytest.raises(BookFault) as caught:
        apply_book(used.lake)
    assert caught.value.faults == (
        "new.yaml:1: meter 'new': dimension 'trace' has 4 different values for customer 'alpha' in "
        "the 30 days to 2025-11-30, in 7 events; `dimension_limit` is 3. Seen: trace = 't0', 't1', "
        "'t2'. Each would be a line of its own: tell apart by a property with fewer values, or "
        "raise `dimension_limit` if they are meant.",
    )
    assert used.rows("select count(*) from facts.book_versions where doc_id = 'new'") == [(0,)]


def test_a_dimension_is_counted_for_each_customer_and_with_the_filter(used):
    mine = requests(4, trace=lambda n: f"t{n}", region=lambda n: "eu" if n else "us")
    theirs = requests(3, trace=lambda n: f"u{n}", region="eu", start=4)
    used.load([*mine, *(event._replace(subject="berlin") for event in theirs)])
    written(used, meter(dimensions=["trace"], dimension_limit=3, filter="region = 'eu'"))
    assert warned(used) == []


def test_combinations_of_dimensions_are_what_is_limited(used):
    used.load(requests(6, trace=lambda n: f"t{n % 3}", cached=lambda n: n % 2 == 0))
    written(used, meter(dimensions=["trace", "cached"], dimension_limit=5))
    with pytest.raises(BookFault, match="dimension 'trace', 'cached' has 6 combinations of values"):
        planned(used.lake)


def test_a_dimension_that_every_event_has_a_value_of_its_own_for_is_refused(used):
    used.load(requests(1000, trace=lambda n: f"t{n % 950}"))
    written(used, meter(dimensions=["trace"]))
    with pytest.raises(BookFault, match="950 different values in 1000 events"):
        planned(used.lake)


def test_a_dimension_whose_values_are_listed_is_bounded(used):
    used.load(requests(4, plan=lambda n: ("free", "paid")[n % 2], cached=lambda n: n < 2))
    written(used, meter(dimensions=["plan", "cached"], dimension_limit=1))
    assert warned(used) == []


def test_a_recorded_meter_whose_dimension_grew_is_a_warning_that_stops_no_other_change(used):
    used.record(meter(dimensions=["trace"], dimension_limit=3))
    used.load(requests(4, trace=lambda n: f"t{n}"))
    (warning,) = warned(used)
    assert "4 different values for customer 'alpha'" in warning
    written(used, meter("another"))
    assert apply_book(used.lake)[1] is not None


@pytest.mark.parametrize(("with_tokens", "count"), [(18, 1), (19, 0)])
def test_a_property_that_many_events_lack_is_told(used, with_tokens, count):
    lacking = [e._replace(data=()) for e in requests(20 - with_tokens, start=50)]
    used.load([*requests(with_tokens), *lacking])
    found = [one for one in warned(used) if "meter 'tokens'" in one]
    assert len(found) == count
    assert all("'tokens' is missing in 2 of 20 events" in one for one in found)
    assert all("in the 30 days to 2025-11-30 (10 %)" in one.replace("reads ", "") for one in found)


def test_the_command_line_tells_warnings_on_plan_and_on_apply(used):
    used.load(requests(2, region="eu"))
    written(used, meter(filter="region = 'us'"))

    def call(*words):
        return CliRunner().invoke(cli, ["--home", str(used.path), *words], prog_name="meterhouse")

    told = call("plan")
    assert told.exit_code == 0
    assert "Warning: new.yaml:1: meter 'new': its filter" in told.stderr
    (warning,) = json.loads(call("plan", "--json").stdout)["warnings"]
    applied = json.loads(call("apply", "--yes", "--json").stdout)
    assert applied["warnings"] == [warning]
    assert applied["batch_seq"] is not None


def test_a_nested_value_is_read_by_its_path_and_an_unlisted_one_is_quarantined(used):
    nested = {
        "deep": {"type": "integer", "required": False, "path": "usage.tokens.input"},
        "label": {"type": "string", "required": False, "path": "Label"},
    }
    used.record({**TYPE, "properties": TYPE["properties"] | nested})
    good = {"usage": {"tokens": {"input": 7}}, "Label": "x", "plan": "paid"}
    (loaded,) = used.load(
        [
            request("good", "alpha", NEWEST, 1, **good),
            request("bad", "alpha", NEWEST, 1, plan="gold"),
            request("flat", "alpha", NEWEST, 1, deep=9, label="y"),
        ]
    )
    assert (loaded.accepted, loaded.quarantined) == (2, 1)
    assert used.rows(
        "select event_id, p_deep, p_label, p_plan from facts.usage_events order by event_id"
    ) == [("flat", None, None, None), ("good", 7, "x", "paid")]
    amend(used.lake, asked_of("api", ("good", "flat"), None, {"deep": "8", "label": None}), "r")
    assert used.rows(
        "select event_id, p_deep, p_label, p_plan, data from facts.usage_events "
        "where replaces_seq is not null order by event_id"
    ) == [
        (
            "flat",
            8,
            None,
            None,
            '{"tokens":"1","deep":"9","label":"y","usage":{"tokens":{"input":"8"}}}',
        ),
        ("good", 8, None, "paid", '{"tokens":"1","plan":"paid","usage":{"tokens":{"input":"8"}}}'),
    ]
    assert used.rows("select reason, detail from facts.rejected_events") == [
        ("unknown_value", "Property plan is gold, which is none of its values")
    ]
