"""Faults of an API: which are asked again, which are final, and what bounds each answer."""

import gzip
import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from connectors.limits import Limits
from meterhouse.errors import SourceRejected, SourceUnavailable
from tests.connectors.conformance import (
    ends,
)
from tests.connectors.http_bench import (
    failing,
    ids,
    source_of,
)
from tests.servers import http_api as faulty
from tests.servers.http_api import Api, Fault, serving

# Faults that may pass, and those that do not

PASSING: dict[str, Fault] = {
    "500": faulty.status(500, b"oops"),
    "502": faulty.status(502, b"<html>"),
    "503": faulty.status(503),
    "429": faulty.status(429, Retry_After="0"),
    "cut": faulty.cut_body,
    "unannounced": faulty.cut_unannounced,
    "chunks": faulty.broken_chunks,
    "short length": faulty.short_length,
    "empty": faulty.body(b""),
    "reset": faulty.reset,
    "gzip": faulty.body(gzip.compress(b"[" + b" " * 99)[:-9], Content_Encoding="gzip"),
    "not gzip": faulty.body(b"[]", Content_Encoding="gzip"),
    "silence": faulty.never,
    "drips": faulty.drips,
    "head drips": faulty.drips_head,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PASSING)
def test_what_may_pass_is_asked_again(api: Api, tmp_path: Path, name: str) -> None:
    api.pages = "cursor"
    api.faults[2] = PASSING[name]
    assert ids(source_of(api, tmp_path, timeout_seconds=1)) == ["1", "2", "3", "4", "5"]
    assert [query.get("after") for query in api.queries()] == [None, "c1", "c1", "c2"]


@pytest.mark.parametrize("name", PASSING)
def test_what_does_not_pass_is_unavailable_and_leaves_nothing(
    api: Api, tmp_path: Path, name: str
) -> None:
    api.pages = "cursor"
    api.faults[3] = PASSING[name]
    source = source_of(api, tmp_path, timeout_seconds=1, attempts=1)

    def pull() -> None:
        assert "page 3 " in failing(source, SourceUnavailable, tmp_path)

    ends(pull)
    assert len(api.seen) == 3


@pytest.mark.parametrize("code", [201, 204, 206, 304, 400, 401, 403, 404, 405, 410, 422, 451])
def test_a_refusal_is_final_and_leaves_nothing(api: Api, tmp_path: Path, code: int) -> None:
    api.pages = "cursor"
    body = b"" if code in (204, 304) else b"no\x1b[31m because " + b"x" * 500
    api.faults[3] = faulty.status(code, body)
    sentence = failing(source_of(api, tmp_path), SourceRejected, tmp_path)
    assert f"page 3 was answered with {code}" in sentence
    assert body == b"" or "no [31m because xxx" in sentence
    assert len(sentence) < 400
    assert len(api.seen) == 3


def test_a_refused_connection_is_unavailable(api: Api, tmp_path: Path) -> None:
    with serving(Api()) as gone:
        pass
    source = source_of(gone, tmp_path, attempts=1)
    assert "the connection failed" in failing(source, SourceUnavailable, tmp_path)


@pytest.mark.parametrize("code", [429, 503])
def test_the_wait_that_a_server_asks_for_is_kept(api: Api, tmp_path: Path, code: int) -> None:
    api.faults[1] = faulty.status(code, Retry_After="2")
    assert ids(source_of(api, tmp_path)) == ["1", "2", "3", "4", "5"]
    first, second = (seen.at for seen in api.seen)
    assert second - first >= 2


def test_a_wait_until_a_date_is_kept_by_the_clock_of_the_server(api: Api, tmp_path: Path) -> None:
    def until(handler: faulty.Handler) -> None:
        now = datetime(2031, 1, 1, tzinfo=UTC)
        handler.send_response_only(503)
        handler.send_header("Date", format_datetime(now, usegmt=True))
        then = format_datetime(now + timedelta(seconds=2), usegmt=True)
        handler.send_header("Retry-After", then)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    api.faults[1] = until
    assert ids(source_of(api, tmp_path)) == ["1", "2", "3", "4", "5"]
    first, second = (seen.at for seen in api.seen)
    assert second - first >= 2


@pytest.mark.parametrize(
    "wait", ["301", "9" * 5000, "Fri, 31 Dec 2999 23:59:59 GMT"], ids=["seconds", "absurd", "date"]
)
def test_a_wait_that_is_too_long_ends_the_run(api: Api, tmp_path: Path, wait: str) -> None:
    api.always = faulty.status(429, Retry_After=wait)
    sentence = failing(source_of(api, tmp_path), SourceUnavailable, tmp_path)
    assert re.search(r"the request to wait \d+ s, which is longer than a run waits", sentence)
    assert len(api.seen) == 1


@pytest.mark.parametrize(
    "wait", ["-5", "soon", "1.5", "Fri, 32 Dec 2999", "31 Dec " + "9" * 30, "\u00b2"]
)
def test_a_wait_that_cannot_be_read_is_not_the_end(api: Api, tmp_path: Path, wait: str) -> None:
    api.faults[1] = faulty.status(429, Retry_After=wait)
    assert ids(source_of(api, tmp_path)) == ["1", "2", "3", "4", "5"]


# Bounds


@pytest.mark.parametrize("fault", [faulty.endless, faulty.gzip_bomb], ids=["endless", "bomb"])
def test_an_answer_that_is_too_long_is_refused(api: Api, tmp_path: Path, fault: Fault) -> None:
    api.always = fault
    source = source_of(api, tmp_path, max_page_bytes=1_000_000)
    assert "longer than 1000000 bytes" in failing(source, SourceRejected, tmp_path)
    assert len(api.seen) == 1


def test_a_long_refusal_is_not_read_to_its_end(api: Api, tmp_path: Path) -> None:
    def fault(handler: faulty.Handler) -> None:
        handler.begin(404, {"Connection": "close"})
        faulty.pour(handler, b"no ")

    api.always = fault
    assert "no no no" in failing(source_of(api, tmp_path), SourceRejected, tmp_path)


def test_the_bound_is_of_one_answer_and_to_the_byte(api: Api, tmp_path: Path) -> None:
    body = b'{"data": {"records": [{"id": "1"}]}}'
    api.always = faulty.body(gzip.compress(body), Content_Encoding="gzip")
    assert ids(source_of(api, tmp_path, max_page_bytes=max(len(body), 60))) == ["1"]
    api.always = faulty.body(body)
    assert ids(source_of(api, tmp_path, max_page_bytes=len(body))) == ["1"]
    short = source_of(api, tmp_path, max_page_bytes=len(body) - 1)
    failing(short, SourceRejected, tmp_path)


def test_a_list_longer_than_a_file_may_be_is_refused(api: Api, tmp_path: Path) -> None:
    api.pages = "cursor"
    source = source_of(api, tmp_path, limits=Limits(max_bytes_unpacked=150))
    assert "raise max_bytes_unpacked" in failing(source, SourceRejected, tmp_path)


def test_a_packing_that_nobody_asked_for_is_refused(api: Api, tmp_path: Path) -> None:
    api.always = faulty.body(b"[]", Content_Encoding="br")
    assert "'br'" in failing(source_of(api, tmp_path), SourceRejected, tmp_path)
