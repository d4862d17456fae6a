"""The sentences under a line's quantity say how it was measured, and what does not agree."""

import pytest

from meterhouse.cli.measure_text import day_text, measure_lines

LEVEL = {
    "aggregation": "weighted_sum", "property": "seats", "unit": "seat", "clock": "received",
    "bucket": None, "recurring": True, "is_measured": True, "event_count": 1200, "parts": [],
    "numerator": {"value": "2678400.5", "what": "level-seconds"},
    "denominator": {"value": "2678400", "what": "seconds of the full period"},
    "neighbours": None, "opening": {"level": "1", "events": 3},
    "convert": {"multiply": "1", "divide": "8"}, "round": {"places": 2, "mode": "ceiling"},
    "quantity": "0.13", "says": [],
}  # fmt: skip
AROUND = {"low": "3", "high": "5", "position": 4, "values": 9, "distance": "0.25"}


def test_a_level_is_told_from_its_opening_to_its_rounding():
    assert list(measure_lines(LEVEL)) == [
        "weighted_sum of seats over 1,200 events, by the time of receipt",
        "opens with 1, from 3 events before the window",
        "2,678,400.5 level-seconds / 2,678,400 seconds of the full period / 8 = 0.13 seat, "
        "to 2 decimals (up)",
    ]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"neighbours": AROUND}, "value 4 of 9 is 3, the next is 5; 0.25 of the way between"),
        ({"is_measured": False}, "nothing was measured: the meter says 0.13 of that"),
        ({"says": ["It differs."]}, "It differs."),
        ({"parts": [{"start": "2025-10-01", "end": "2025-10-09", "meter_version": 2,
                     "numerator": "7", "event_count": 3}]},
         "2025-10-01 to before 2025-10-09 by version 2: 7 from 3 events"),
    ],
)  # fmt: skip
def test_what_is_special_has_a_sentence_of_its_own(changed, sentence):
    assert sentence in list(measure_lines({**LEVEL, **changed}))


def test_a_meter_in_sql_is_told_by_its_model_and_what_was_recorded():
    recorded = {"quantity": "12.5", "event_count": 4}
    told = {"aggregation": "sql", "model": "gb", "compiled_sha256": "abc", "recorded": recorded,
            "says": ["Same code."]}  # fmt: skip
    assert list(measure_lines(told)) == [
        "model gb, compiled SQL abc", "recorded: 12.5 from 4 events", "Same code."
    ]  # fmt: skip


def test_a_day_says_how_many_of_its_events_had_a_value():
    day = {"day": "2025-10-02", "quantity": "1500", "events": 3, "values": 2}
    assert day_text(day) == "2025-10-02  1,500 from 3 events, 2 with a value"
