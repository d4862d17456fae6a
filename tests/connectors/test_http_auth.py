"""Who asks an API: every kind of auth, and the secret given to nobody else."""

import json
import logging
from pathlib import Path

import pytest

from connectors.formats import Reading
from connectors.http_api import HttpSource
from meterhouse.errors import SourceRejected, UsageError
from meterhouse.source_settings import HttpPlace
from tests.connectors.http_bench import AUTHS, FIVE, failing, ids, source_of
from tests.servers import http_api as faulty
from tests.servers.http_api import SECRET, Api, serving


@pytest.mark.parametrize("kind", AUTHS)
def test_every_kind_of_auth_is_let_in(api: Api, tmp_path: Path, kind: str) -> None:
    api.auth, api.pages = kind, "link"
    assert ids(source_of(api, tmp_path)) == ["1", "2", "3", "4", "5"]
    named = [set(seen.headers) & {"Authorization", "X-API-Key"} for seen in api.seen]
    wanted = {"none": set(), "key": {"X-API-Key"}}.get(kind, {"Authorization"})
    assert named == [wanted] * 3


@pytest.mark.parametrize("kind", ["bearer", "key", "basic"])
def test_a_wrong_secret_ends_in_a_sentence_that_names_its_variable(
    api: Api, tmp_path: Path, kind: str
) -> None:
    api.auth = kind
    place = HttpPlace.model_validate(
        {"url": api.url, "items": "data.records", "auth": AUTHS[kind], "attempts": 3}
    )
    source = HttpSource("api", place, tmp_path, secret="wrong-secret", reading=Reading())
    sentence = failing(source, SourceRejected, tmp_path)
    assert "page 1 was answered with 401 (Unauthorized)" in sentence
    assert "who are you?" in sentence
    assert "check the secret in API_SECRET" in sentence
    assert "wrong-secret" not in sentence
    assert len(api.seen) == 1


@pytest.mark.parametrize("kind", ["bearer", "key", "basic"])
@pytest.mark.parametrize("code", [200, 400, 403, 404])
def test_a_server_that_echoes_the_secret_does_not_make_us_tell_it(
    api: Api, tmp_path: Path, kind: str, code: int
) -> None:
    api.auth, api.always = kind, faulty.echo(code)
    sentence = failing(source_of(api, tmp_path), SourceRejected, tmp_path)
    assert "go away" in sentence
    assert "[secret]" in sentence
    [seen] = api.seen
    sent = seen.headers.get("Authorization", seen.headers.get("X-API-Key", "")).split()[-1]
    for told in (SECRET, sent, SECRET[:8], json.dumps(SECRET)[1:-1]):
        assert told not in sentence


def test_a_secret_cut_by_the_end_of_the_excerpt_is_not_told(api: Api, tmp_path: Path) -> None:
    api.auth = "bearer"
    for blanks in (190, 64 * 1024 - 5):
        api.always = faulty.status(400, b"." * blanks + SECRET.encode() * 3)
        sentence = failing(source_of(api, tmp_path), SourceRejected, tmp_path)
        assert SECRET[:4] not in sentence


def test_no_log_tells_the_secret(
    api: Api, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    api.auth = "bearer"
    api.faults = {1: faulty.status(503), 2: faulty.echo(400)}
    with caplog.at_level(logging.DEBUG):
        sentence = failing(source_of(api, tmp_path), SourceRejected, tmp_path)
    assert "[secret]" in sentence
    assert "503" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize("secret", ["", "two\nlines", "kné", None])
def test_a_secret_that_no_header_carries_is_refused_unsent(
    api: Api, tmp_path: Path, secret: str | None
) -> None:
    place = HttpPlace.model_validate({"url": api.url, "auth": AUTHS["bearer"]})
    with pytest.raises(UsageError, match="API_SECRET") as caught:
        HttpSource("api", place, tmp_path, secret=secret, reading=Reading())
    assert not secret or secret not in str(caught.value)


def test_a_redirect_on_the_same_server_is_followed(api: Api, tmp_path: Path) -> None:
    api.auth = "bearer"
    api.faults[1] = faulty.status(302, Location="/v2/usage?limit=5")
    assert ids(source_of(api, tmp_path)) == ["1", "2", "3", "4", "5"]
    assert [seen.path for seen in api.seen] == ["/v1/usage", "/v2/usage"]


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_server_is_refused_and_never_asked(
    api: Api, tmp_path: Path, code: int
) -> None:
    api.auth = "bearer"
    with serving(Api(FIVE)) as other:
        api.always = faulty.status(code, Location=other.url)
        sentence = failing(source_of(api, tmp_path), SourceRejected, tmp_path)
    assert f"page 1 is redirected to another server (127.0.0.1:{other.port})" in sentence
    assert other.seen == []


@pytest.mark.parametrize(
    ("header", "path"),
    [
        ('</a;b=1,c?x=1>; rel="next"', "/a;b=1,c"),
        ('</z>; title="a, <b>; rel=next \\" c"; rel=first, </n> ; REL = "last NEXT" ; x', "/n"),
        ("</n>;rel=next,", "/n"),
        ("<n>; rel=next", "/v1/n"),
        ('</z>; rel="nextish", </z>; rel=prev; title=next', None),
        ("</z>", None),
        (" , ", None),
    ],
)
def test_the_next_link_is_found_among_others(
    api: Api, tmp_path: Path, header: str, path: str | None
) -> None:
    api.pages = "link"
    api.faults[1] = faulty.body(b'{"data": {"records": [{"id": "0"}]}}', Link=header)
    api.faults[2] = faulty.body(b'{"data": {"records": []}}')
    assert ids(source_of(api, tmp_path)) == ["0"]
    assert [seen.path for seen in api.seen[1:]] == ([] if path is None else [path])


@pytest.mark.parametrize("header", ['</n; rel="next"', '/n; rel="next"', '</n>; rel="next'])
def test_a_link_header_that_cannot_be_read_is_refused(
    api: Api, tmp_path: Path, header: str
) -> None:
    api.pages = "link"
    api.always = faulty.body(b'{"data": {"records": []}}', Link=header)
    sentence = failing(source_of(api, tmp_path), SourceRejected, tmp_path)
    assert "has a Link header that cannot be read" in sentence


def test_a_next_link_to_another_server_is_refused_and_never_asked(api: Api, tmp_path: Path) -> None:
    api.auth = "bearer"
    with serving(Api(FIVE)) as other:
        api.pages = "link"
        api.faults[1] = faulty.body(
            b'{"data": {"records": [{"id": "1"}]}}', Link=f'<{other.url}>; rel="next"'
        )
        in_header = failing(source_of(api, tmp_path), SourceRejected, tmp_path)
        api.seen.clear()
        api.pages = "link_in_body"
        meta = json.dumps({"links": {"next": other.url}})
        api.faults[1] = faulty.body(f'{{"meta": {meta}, "data": {{"records": []}}}}'.encode())
        in_body = failing(source_of(api, tmp_path), SourceRejected, tmp_path)
    for sentence in (in_header, in_body):
        assert "page 1 names a next page that leads to another server" in sentence
    assert other.seen == []


@pytest.mark.parametrize(
    "location", ["", "ftp://127.0.0.1/x", "http://[::1", "/v1#there", "http://user:pw@127.0.0.1/"]
)
def test_a_redirect_to_no_proper_address_is_refused(
    api: Api, tmp_path: Path, location: str
) -> None:
    api.always = faulty.status(302, Location=location)
    assert "is redirected to an address that" in failing(
        source_of(api, tmp_path), SourceRejected, tmp_path
    )


def test_a_redirect_is_not_read(api: Api, tmp_path: Path) -> None:
    def fault(handler: faulty.Handler) -> None:
        handler.begin(302, {"Location": "/v2/usage", "Connection": "close"})
        faulty.pour(handler)

    api.faults[1] = fault
    assert ids(source_of(api, tmp_path)) == ["1", "2", "3", "4", "5"]


def test_redirects_without_an_end_are_refused(api: Api, tmp_path: Path) -> None:
    api.always = faulty.status(302, Location="/again")
    sentence = failing(source_of(api, tmp_path), SourceRejected, tmp_path)
    assert "redirected more than 5 times" in sentence
    assert len(api.seen) == 6
