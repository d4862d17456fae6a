"""All pages of an API or none, and every record as it was sent."""

import gzip
import json
from pathlib import Path

import pytest

from meterhouse.errors import SourceRejected, SourceUnavailable
from tests.connectors.conformance import (
    records,
)
from tests.connectors.http_bench import (
    FIVE,
    WAYS,
    failing,
    ids,
    lines,
    source_of,
)
from tests.servers import http_api as faulty
from tests.servers.http_api import Api

# All pages


@pytest.mark.parametrize("kind", WAYS)
def test_every_kind_of_pages_is_read_to_its_end(api: Api, tmp_path: Path, kind: str) -> None:
    api.pages = kind
    assert ids(source_of(api, tmp_path)) == ["1", "2", "3", "4", "5"]
    calls = {"none": 1, "page": 4, "offset": 4}
    assert len(api.seen) == calls.get(kind, 3)


@pytest.mark.parametrize("kind", WAYS)
@pytest.mark.parametrize("count", [0, 1, 2, 4])
def test_no_count_of_records_loses_one(api: Api, tmp_path: Path, kind: str, count: int) -> None:
    api.pages, api.records = kind, FIVE[:count]
    assert ids(source_of(api, tmp_path)) == ["1", "2", "3", "4"][:count]


def test_a_server_that_caps_its_pages_loses_no_record(api: Api, tmp_path: Path) -> None:
    for kind in ("page", "offset", "cursor", "link"):
        api.pages, api.most = kind, 1
        assert ids(source_of(api, tmp_path)) == ["1", "2", "3", "4", "5"]


def test_pages_may_be_counted_from_zero(api: Api, tmp_path: Path) -> None:
    api.pages, api.first = "page", 0
    source = source_of(api, tmp_path, pages=WAYS["page"] | {"first": 0})
    assert ids(source) == ["1", "2", "3", "4", "5"]


def test_the_answer_may_be_the_list_itself(api: Api, tmp_path: Path) -> None:
    api.pages, api.is_bare = "page", True
    assert ids(source_of(api, tmp_path, items="")) == ["1", "2", "3", "4", "5"]


def test_every_page_is_asked_with_the_parameters_of_the_settings(api: Api, tmp_path: Path) -> None:
    api.pages = "cursor"
    source = source_of(
        api, tmp_path, url=f"{api.url}?tenant=a%20b", parameters={"kind": "tokens & more"}
    )
    assert ids(source) == ["1", "2", "3", "4", "5"]
    for query in api.queries():
        assert query["tenant"] == "a b"
        assert query["kind"] == "tokens & more"
        assert query["limit"] == "2"


def test_an_empty_page_that_names_a_next_one_is_not_the_end(api: Api, tmp_path: Path) -> None:
    api.pages, api.empties = "cursor", frozenset({0, 1})
    assert ids(source_of(api, tmp_path)) == ["1", "2", "3", "4", "5"]
    last = source_of(api, tmp_path, pages=WAYS["cursor"] | {"empty_is_last": True})
    assert ids(last) == []


def test_an_empty_page_that_names_itself_is_the_end(api: Api, tmp_path: Path) -> None:
    api.pages = "cursor"
    api.faults[2] = faulty.body(b'{"meta": {"next": "c1"}, "data": {"records": []}}')
    assert ids(source_of(api, tmp_path)) == ["1", "2"]


def test_a_list_without_records_is_no_delivery(api: Api, tmp_path: Path) -> None:
    for kind in WAYS:
        api.pages, api.records = kind, ()
        assert list(source_of(api, tmp_path).pending()) == []


# Pages that do not add up


def test_a_cursor_that_goes_round_is_refused(api: Api, tmp_path: Path) -> None:
    api.pages = "cursor"
    api.faults[3] = faulty.body(b'{"meta": {"next": "c1"}, "data": {"records": [{"id": "9"}]}}')
    sentence = failing(source_of(api, tmp_path), SourceRejected, tmp_path)
    assert "page 3 names as the next one what was read as page 2: the pages go round" in sentence


def test_a_page_with_records_that_names_itself_goes_round(api: Api, tmp_path: Path) -> None:
    api.pages = "cursor"
    api.faults[2] = faulty.body(b'{"meta": {"next": "c1"}, "data": {"records": [{"id": "9"}]}}')
    sentence = failing(source_of(api, tmp_path), SourceRejected, tmp_path)
    assert "page 2 names as the next one what was read as page 2" in sentence


def test_a_link_that_goes_round_is_refused(api: Api, tmp_path: Path) -> None:
    api.pages = "link_in_body"
    first = json.dumps({"meta": {"links": {"next": api.url}}, "data": {"records": [{"id": "9"}]}})
    api.faults[1] = faulty.body(
        json.dumps({"meta": {"links": {"next": "?x=1"}}, "data": {"records": []}}).encode()
    )
    api.faults[2] = faulty.body(first.replace(api.url, "?x=2").encode())
    api.faults[3] = faulty.body(first.replace(api.url, "?x=1").replace("9", "10").encode())
    sentence = failing(source_of(api, tmp_path), SourceRejected, tmp_path)
    assert "page 3 names as the next one what was read as page 2" in sentence


def test_a_server_that_ignores_the_page_is_refused(api: Api, tmp_path: Path) -> None:
    source = source_of(api, tmp_path, pages=WAYS["page"])
    sentence = failing(source, SourceRejected, tmp_path)
    assert "page 2 repeats the records of page 1" in sentence


def test_a_list_of_more_pages_than_the_settings_allow_is_refused(api: Api, tmp_path: Path) -> None:
    api.pages = "cursor"
    sentence = failing(source_of(api, tmp_path, max_pages=2), SourceRejected, tmp_path)
    assert "more than 2 pages" in sentence
    assert ids(source_of(api, tmp_path, max_pages=3)) == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("kind", ["page", "offset", "cursor", "link"])
def test_a_list_that_changes_while_it_is_read_is_seen_by_its_total(
    api: Api, tmp_path: Path, kind: str
) -> None:
    def shrink(api: Api) -> None:
        api.records = api.records[1:]

    api.pages = kind
    api.faults[2] = faulty.after(shrink)
    counted = source_of(api, tmp_path, pages=WAYS[kind] | {"total": "meta.total"})
    sentence = failing(counted, SourceUnavailable, tmp_path)
    assert "has 4 records and an earlier one said 5" in sentence
    api.seen.clear()
    api.faults.clear()
    assert ids(counted) == ["2", "3", "4", "5"]


def test_fewer_records_than_the_stated_total_are_refused(api: Api, tmp_path: Path) -> None:
    api.most = 3
    counted = source_of(api, tmp_path, pages={"kind": "none", "total": "meta.total"})
    sentence = failing(counted, SourceUnavailable, tmp_path)
    assert "the server lists 5 records, but 3 came" in sentence


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"data": {"records": [{"id": "1"}, 5]}}', "not an object"),
        (b'{"data": {"records": {"id": "1"}}}', "no list at 'data.records'"),
        (b'{"data": {"records": null}}', "no list at 'data.records'"),
        (b'{"data": {"record": []}}', "nothing at 'data.records'"),
        (b'{"data": 5}', "nothing at 'data.records'"),
        (b"[]", "nothing at 'data.records'"),
        (b'{"data": {"records": []}} {}', "not JSON"),
        (b'{"data": {"records": [{"n": 01}]}}', "not JSON"),
        (b'{"data": {"records": [{"n": NaN}]}}', "not JSON"),
        (b'{"data": {"records": [{"n": "a\nb"}]}}', "not JSON"),
        (b'{"data": {"records": [{"a": 1}]}, "data": {"records": [{"b": 2}]}}', "key twice"),
        (b'{"data": {"records": [{"a": 1}], "records": [{"b": 2}]}}', "key twice"),
        (b'{"data": {"records": [{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}]}}", "too deeply"),
        (b'{"data": {"records": [{"at": "\xff"}]}}', "not UTF-8"),
        (b'{"data": {"records": [{"\xff": 1}]}}', "not UTF-8"),
        (b'{"d\xffta": {"records": [{}]}}', "not UTF-8"),
        (b'{"data": {"records": [{}]}}\xc3', "not UTF-8"),
        (b'{"data": {"records": [{"id": 1}]}, "m": [1, [2, [\xf0\x9f', "not UTF-8"),
        (b"<html><body>Bad gateway</body></html>", "it begins '<html><body>Bad gateway"),
    ],
)
def test_an_answer_that_is_not_the_list_is_refused_at_once(
    api: Api, tmp_path: Path, body: bytes, words: str
) -> None:
    api.always = faulty.body(body)
    sentence = failing(source_of(api, tmp_path), SourceRejected, tmp_path)
    assert "page 1 " in sentence
    assert words in sentence
    assert len(api.seen) == 1


@pytest.mark.parametrize("meta", ['{"next": true}', '{"next": ["c1"]}', '{"next": {"a": "c1"}}'])
def test_a_next_cursor_that_is_no_text_is_refused(api: Api, tmp_path: Path, meta: str) -> None:
    api.pages = "cursor"
    api.always = faulty.body(f'{{"meta": {meta}, "data": {{"records": [{{}}]}}}}'.encode())
    assert "no text or number at 'meta.next'" in failing(
        source_of(api, tmp_path), SourceRejected, tmp_path
    )


# Exact


def test_records_arrive_with_every_digit_and_letter_as_it_was_sent(
    api: Api, tmp_path: Path
) -> None:
    sent = (
        '{"id": 12345678901234567890123456789, "n": 1.10, "e": 1E+5, "z": -0.0, "t": 1e400}',
        '{\n  "text": "a\\u00e9\\/ \\n, [ { \\" é😀",\r\n  "deep": {"a": [1.0, 2.50, '
        '{"b": null}]}\n}',
        '{"id": 1, "id": 2, "empty": {}, "list": [ ]}',
    )
    api.records = sent
    assert lines(source_of(api, tmp_path)) == [
        '{"id":12345678901234567890123456789,"n":1.10,"e":1E+5,"z":-0.0,"t":1e400}',
        '{"text":"a\\u00e9\\/ \\n, [ { \\" é😀","deep":{"a":[1.0,2.50,{"b":null}]}}',
        '{"id":1,"id":2,"empty":{},"list":[]}',
    ]
    source = source_of(api, tmp_path)
    [table] = [records(source, file) for file in source.pending()]
    assert table is not None
    assert table["source_row"].to_pylist() == [1, 2, 3]
    assert json.loads(table["line"][0].as_py())["n"] == "1.10"
    assert table["bad_line"].to_pylist() == [None, None, '{"id":1,"id":2,"empty":{},"list":[]}']


def test_a_next_cursor_that_is_a_number_keeps_its_digits(api: Api, tmp_path: Path) -> None:
    api.pages = "cursor"
    big = b"12345678901234567890123.10"
    api.faults[1] = faulty.body(b'{"meta":{"next":' + big + b'},"data":{"records":[{"id":"1"}]}}')
    api.faults[2] = faulty.body(b'{"data": {"records": []}}')
    assert ids(source_of(api, tmp_path)) == ["1"]
    assert api.queries()[1]["after"] == big.decode()


def test_a_gzipped_answer_is_the_same_delivery(api: Api, tmp_path: Path) -> None:
    plain = b'\xef\xbb\xbf{"data": {"records": [{"id": "1"}, {"id": "2"}]}}'
    packed = gzip.compress(plain[:20]) + gzip.compress(plain[20:])
    hashes = set()
    for fault in (faulty.body(plain), faulty.body(packed, Content_Encoding="gzip")):
        api.always = fault
        source = source_of(api, tmp_path)
        hashes |= {file.content_sha256 for file in source.pending()}
        assert ids(source) == ["1", "2"]
    assert len(hashes) == 1
