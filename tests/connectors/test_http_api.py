"""The suite of every connector for an API, and settings that cannot work."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.formats import Reading
from connectors.http_api import HttpSource
from meterhouse.errors import UsageError
from meterhouse.source_settings import HttpPlace
from tests.connectors.conformance import (
    Conformance,
    Remote,
    Rows,
    wide_row,
)
from tests.connectors.http_bench import AUTHS, WAYS
from tests.servers import http_api as faulty
from tests.servers.http_api import Api

# Settings


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"url": "ftp://example.com/x"}, "begin with http"),
        ({"url": "file:///x"}, "begin with http"),
        ({"url": "https:///x"}, "name a host"),
        ({"url": "https://user:pw@example.com/x"}, "must not carry a user"),
        ({"url": "https://example.com/x#part"}, "after #"),
        ({"url": "https://example.com:port/x"}, "cannot be read"),
        ({"url": "https://example.com/a b"}, "no blanks"),
        ({"auth": {"kind": "bearer"}}, "secret_variable"),
        ({"auth": {"kind": "none", "secret_variable": "A"}}, "secret_variable"),
        ({"auth": {"kind": "basic", "secret_variable": "A"}}, "needs `user`"),
        ({"auth": AUTHS["key"] | {"header": "a: b"}}, "pattern"),
        ({"pages": {"kind": "page"}}, "need parameter"),
        ({"items": "a", "pages": {"kind": "cursor", "parameter": "c"}}, "need next"),
        ({"pages": {"kind": "offset", "parameter": "o", "first": 1}}, "take no first"),
        ({"pages": {"kind": "link", "parameter": "o"}}, "take no parameter"),
        ({"pages": {"kind": "link", "next": "a"}}, "list itself"),
        ({"since_parameter": "since"}, "together or neither"),
        ({"parameters": {"page": "1"}, "pages": WAYS["page"]}, "given twice: page"),
        ({"url": "https://example.com/?page=1", "pages": WAYS["page"]}, "given twice: page"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(words)):
        HttpPlace.model_validate({"url": "https://example.com/usage"} | settings)


def test_a_format_that_no_api_has_is_refused(api: Api, tmp_path: Path) -> None:
    place = HttpPlace(url=api.url)
    with pytest.raises(UsageError, match="an API answers with JSON"):
        HttpSource("api", place, tmp_path, secret=None, reading=Reading(format="csv"))


# The suite of every connector


class WideRows:
    """Many records that are made when they are asked for."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, wanted: slice) -> list[str]:
        return [_text(wide_row(number)) for number in range(*wanted.indices(self.count))]


def _text(row: dict[str, str]) -> str:
    """Tokens as a bare number, as senders write it."""
    texts = [f"{json.dumps(k)}: {v if k == 'tokens' else json.dumps(v)}" for k, v in row.items()]
    return "{" + ", ".join(texts) + "}"


SCRIPT = """
from pathlib import Path
from connectors.formats import Reading
from connectors.http_api import HttpSource
from meterhouse.source_settings import HttpPlace
place = HttpPlace.model_validate_json(sys.argv[1])
source = HttpSource("api", place, Path(sys.argv[2]), secret=None, reading=Reading())
"""


class ApiBench:
    read_again = ("2",)  # the API lists records from the cursor on

    def __init__(self, api: Api, spool: Path) -> None:
        api.records, api.since = (), "time"
        self.api, self.spool = api, spool
        self.stored: dict[str, Rows] = {}

    def place(self, port: int, **settings: Any) -> HttpPlace:
        given = {
            "url": f"http://127.0.0.1:{port}/v1/usage",
            "items": "data.records",
            "pages": WAYS[self.api.pages] | {"size": 1000},
            "since_parameter": "since",
            "cursor": "time",
        }
        return HttpPlace.model_validate(given | settings)

    def source(self) -> HttpSource:
        return self._source(self.place(self.api.port))

    def source_at(self, port: int) -> HttpSource:
        return self._source(self.place(port, timeout_seconds=1, attempts=2))

    def _source(self, place: HttpPlace) -> HttpSource:
        return HttpSource("api", place, self.spool, secret=None, reading=Reading())

    def put(self, name: str, rows: Rows) -> None:
        self.stored[name] = rows
        every = [row for name in sorted(self.stored) for row in self.stored[name]]
        self.api.records = [_text(row) for row in every]
        self.api.always, self.api.most, self.api.faults = None, 1000, {}

    def put_broken(self, name: str) -> None:
        self.put(name, [wide_row(number) for number in range(4)])
        self.api.most = 2
        self.api.faults = {len(self.api.seen) + 2: faulty.status(404, b"no such page")}

    def put_many(self, count: int) -> None:
        self.api.records = WideRows(count)  # type: ignore[assignment]

    def script(self) -> tuple[str, list[str]]:
        return SCRIPT, [
            self.place(self.api.port).model_dump_json(exclude_unset=True),
            str(self.spool),
        ]


class TestHttpConforms(Remote, Conformance):
    @pytest.fixture(params=["offset", "cursor"])
    def bench(self, api: Api, tmp_path: Path, request: pytest.FixtureRequest) -> ApiBench:
        api.pages = request.param
        return ApiBench(api, tmp_path / "spool")
