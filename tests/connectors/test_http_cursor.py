"""How far an API is read, and what it states itself."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.http_api import HttpSource
from connectors.protocols import Statement, StatesTotals
from meterhouse.errors import SourceRejected, UsageError
from meterhouse.source_settings import Completeness
from tests.connectors.http_bench import FIVE, RESUMES, cursor_after, failing, ids, source_of
from tests.servers import http_api as faulty
from tests.servers.http_api import Api

# From the cursor on


def test_a_pull_asks_from_the_greatest_instant_less_the_overlap(api: Api, tmp_path: Path) -> None:
    api.records = (
        '{"id": "1", "at": "2026-01-01T12:00:00.123456789Z"}',
        '{"id": "2", "at": "2026-01-01T20:00:00+10:00"}',
    )
    source = source_of(api, tmp_path, overlap_seconds=90, **RESUMES)
    cursor = cursor_after(source)
    assert cursor == '{"instant":"2026-01-01T12:00:00.123456789Z"}'
    assert "since" not in api.queries()[0]
    ids(source, "{}", cursor)
    assert api.queries()[1]["since"] == "2026-01-01T11:58:30.123456789Z"


def test_numbers_are_compared_as_numbers_with_every_digit(api: Api, tmp_path: Path) -> None:
    api.records = tuple(
        f'{{"id": "{n}", "at": {value}}}'
        for n, value in enumerate(["9", "1234567890123456789012345678901.10", "100", "1E+2"])
    )
    source = source_of(api, tmp_path, overlap_seconds=1, **RESUMES)
    cursor = cursor_after(source)
    assert cursor == '{"number":"1234567890123456789012345678901.1"}'
    list(source.pending([cursor]))
    assert api.queries()[1]["since"] == "1234567890123456789012345678900.1"


def test_the_cursor_may_lie_deeper_in_a_record(api: Api, tmp_path: Path) -> None:
    api.always = faulty.body(b'{"data": {"records": [{"m": {"u": 5}}, {"m": {"u": 7, "x": 1}}]}}')
    source = source_of(api, tmp_path, since_parameter="since", cursor="m.u")
    assert cursor_after(source) == '{"number":"7"}'


def test_the_cursor_is_the_greatest_of_all_pages_and_never_falls(api: Api, tmp_path: Path) -> None:
    api.pages, api.records = "cursor", tuple(reversed(FIVE))
    source = source_of(api, tmp_path, overlap_seconds=86_400, **RESUMES)
    cursor = cursor_after(source)
    assert cursor == '{"instant":"2026-01-05T00:00:00Z"}'
    assert [found for found in ids(source, cursor) if found] == ["5", "4"]
    api.records = FIVE[:4]
    assert cursor_after(source, cursor) == cursor


def test_every_page_but_a_link_is_asked_from_the_cursor_on(api: Api, tmp_path: Path) -> None:
    for kind in ("page", "offset", "cursor", "link"):
        api.seen.clear()
        api.pages = kind
        source = source_of(api, tmp_path, **RESUMES)
        assert ids(source, '{"instant":"2026-01-03T00:00:00Z"}') == ["3", "4", "5"]
        assert {query["since"] for query in api.queries()} == {"2026-01-03T00:00:00Z"}


def test_new_records_alone_follow_a_cursor(api: Api, tmp_path: Path) -> None:
    source = source_of(api, tmp_path, **RESUMES)
    cursor = cursor_after(source)
    assert cursor is not None
    api.records = (*FIVE, '{"id": "6", "at": "2026-01-06T00:00:00Z"}')
    assert ids(source, cursor) == ["5", "6"]


def test_without_a_cursor_every_pull_reads_all_as_the_same_delivery(
    api: Api, tmp_path: Path
) -> None:
    source = source_of(api, tmp_path)
    [(first, cursor)] = [(file.content_sha256, file.cursor) for file in source.pending()]
    [second] = [file.content_sha256 for file in source.pending([])]
    assert (first, cursor) == (second, None)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (['{"x": 1}'], "missing or of another kind in record 1"),
        (['{"at": 1}', '{"at": null}'], "missing or of another kind in record 2"),
        (['{"at": 1}', '{"at": "2026-01-01T00:00:00Z"}'], "in record 1"),
        (['{"at": "2026-01-01T00:00:00Z"}', '{"at": 5}'], "in record 2"),
        (['{"at": true}'], "in record 1"),
        (['{"at": "5"}'], "no instant with its offset"),
        (['{"at": "2026-01-01"}'], "no instant with its offset"),
        (['{"at": "2026-01-01T00:00:00"}'], "no instant with its offset"),
        (['{"at": "2026-01-01T00:00:00.1234567891Z"}'], "no instant with its offset"),
        (['{"at": 1e999999999}'], "more than 60 digits"),
        (['{"at": 1e-999999999}'], "more than 60 digits"),
        (['{"at": 1e60}'], "more than 60 digits"),
    ],
)
def test_a_record_without_a_proper_cursor_is_refused(
    api: Api, tmp_path: Path, found: list[str], words: str
) -> None:
    text = '{"data": {"records": [' + ",".join(found) + "]}}"
    api.always = faulty.body(text.encode())
    sentence = failing(source_of(api, tmp_path, **RESUMES), SourceRejected, tmp_path)
    assert "page 1 has a cursor field 'at' that" in sentence
    assert words in sentence


def test_a_cursor_of_another_kind_than_before_is_refused(api: Api, tmp_path: Path) -> None:
    source = source_of(api, tmp_path, **RESUMES)
    api.always = faulty.body(b'{"data": {"records": [{"at": 5}]}}')
    with pytest.raises(SourceRejected, match="of kind number; before it was of kind instant"):
        list(source.pending(['{"instant":"2026-01-01T00:00:00Z"}']))


@pytest.mark.parametrize("stored", ["", "5", "{}", '{"lsn":"7"}', '{"number":7}', '{"number":"x"}'])
def test_after_a_cursor_that_is_none_of_ours_all_is_asked_for(
    api: Api, tmp_path: Path, stored: str
) -> None:
    api.records = FIVE
    source = source_of(api, tmp_path, **RESUMES)
    ours = cursor_after(source)
    assert ids(source, str(ours), stored) == ["1", "2", "3", "4", "5"]
    assert "since" not in api.queries()[-1]


# What the API itself states


def stating(api: Api, spool: Path, **settings: Any) -> HttpSource:
    asked = Completeness(url=f"{api.home}/days", **settings)
    return source_of(api, spool, completeness=asked)


DAYS = (date(2026, 1, 1), date(2026, 1, 31))


@pytest.mark.parametrize("shape", ["{}", '{{"data": {{"records": {}}}}}'])
@pytest.mark.parametrize(("events", "total"), [("events", "total"), ("count", "sum")])
def test_stated_days_come_with_exact_sums(
    api: Api, tmp_path: Path, shape: str, events: str, total: str
) -> None:
    api.auth = "bearer"
    api.days = shape.format(
        f'[{{"day": "2026-01-02", "{events}": 7, "{total}": "0.10"}},'
        f' {{"day": "2026-01-01", "{events}": 3, "{total}": 12345678901234567890123.10}},'
        f' {{"day": "2026-02-01", "{events}": 9, "{total}": 1}}]'
    )
    source = stating(api, tmp_path, property="tokens")
    assert isinstance(source, StatesTotals)
    assert list(source.stated(*DAYS)) == [
        Statement(date(2026, 1, 1), 3, Decimal("12345678901234567890123.10")),
        Statement(date(2026, 1, 2), 7, Decimal("0.10")),
    ]
    [seen] = api.seen
    assert (seen.path, seen.query) == ("/days", {"from": "2026-01-01", "to": "2026-01-31"})


def test_without_a_property_no_sum_is_stated(api: Api, tmp_path: Path) -> None:
    api.days = '[{"day": "2026-01-02", "events": 0}]'
    assert list(stating(api, tmp_path).stated(*DAYS)) == [Statement(date(2026, 1, 2), 0, None)]


@pytest.mark.parametrize(
    ("days", "words"),
    [
        ('[{"day": "2026-01-02"}]', "no `events` or `count` for 2026-01-02"),
        ('[{"day": "2026-01-02", "events": 1}]', "no `total` or `sum` for 2026-01-02"),
        ('[{"day": "2026-01-02", "events": 1.5, "total": 1}]', r"cannot be read .*events"),
        ('[{"day": "2026-01-02", "events": -1, "total": 1}]', "no `events`"),
        ('[{"day": "2 January", "events": 1, "total": 1}]', "cannot be read"),
        ('[{"day": "2026-01-02", "events": 1, "total": "NaN"}]', "no `total`"),
        (", ".join(['{"day": "2026-01-02", "events": 1, "total": 1}'] * 2).join("[]"), "twice"),
        ('{"day": "2026-01-02", "events": 1, "total": 1}', "nothing at 'data.records'"),
    ],
)
def test_a_statement_that_cannot_be_read_is_refused(
    api: Api, tmp_path: Path, days: str, words: str
) -> None:
    api.days = days
    with pytest.raises(SourceRejected, match=f"the statement of totals .*{words}"):
        list(stating(api, tmp_path, property="tokens").stated(*DAYS))


def test_totals_are_asked_of_the_server_of_the_records_only(api: Api, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at another server than its records"):
        source_of(api, tmp_path, completeness=Completeness(url="https://example.com/days"))
    with pytest.raises(UsageError, match="states no totals"):
        list(source_of(api, tmp_path).stated(*DAYS))
