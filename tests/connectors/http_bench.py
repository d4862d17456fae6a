"""A source of the test API, how it is pulled, and how its pulls fail."""

from pathlib import Path
from typing import Any

import pytest

from connectors.formats import Reading
from connectors.http_api import HttpSource
from connectors.limits import Limits
from meterhouse.errors import MeterhouseError
from meterhouse.source_settings import Completeness, HttpPlace
from tests.connectors.conformance import column, records
from tests.servers.http_api import SECRET, USER, Api

FIVE = tuple(f'{{"id": "{n}", "at": "2026-01-0{n}T00:00:00Z"}}' for n in range(1, 6))
WAYS: dict[str, dict[str, Any]] = {
    "none": {"kind": "none"},
    "page": {"kind": "page", "parameter": "page", "size_parameter": "limit", "size": 2},
    "offset": {"kind": "offset", "parameter": "offset", "size_parameter": "limit", "size": 2},
    "cursor": {
        "kind": "cursor",
        "parameter": "after",
        "next": "meta.next",
        "size_parameter": "limit",
        "size": 2,
    },
    "link": {"kind": "link", "size_parameter": "limit", "size": 2},
    "link_in_body": {
        "kind": "link",
        "next": "meta.links.next",
        "size_parameter": "limit",
        "size": 2,
    },
}
AUTHS: dict[str, dict[str, Any]] = {
    "none": {"kind": "none"},
    "bearer": {"kind": "bearer", "secret_variable": "API_SECRET"},
    "key": {"kind": "key", "secret_variable": "API_SECRET"},
    "basic": {"kind": "basic", "secret_variable": "API_SECRET", "user": USER},
}
RESUMES = {"since_parameter": "since", "cursor": "at"}


def source_of(
    api: Api,
    spool: Path,
    *,
    limits: Limits | None = None,
    completeness: Completeness | None = None,
    **settings: Any,
) -> HttpSource:
    """A source of the server; settings that are not given fit it, with two attempts."""
    given = {
        "url": api.url,
        "items": "data.records",
        "pages": WAYS[api.pages],
        "auth": AUTHS[api.auth],
        "attempts": 2,
    }
    place = HttpPlace.model_validate(given | settings)
    secret = None if place.auth.kind == "none" else SECRET
    reading = Reading(limits=limits or Limits())
    return HttpSource(
        "api", place, spool, secret=secret, reading=reading, completeness=completeness
    )


def ids(source: HttpSource, *committed: str) -> list[str | None]:
    return [
        found for file in source.pending(committed) for found in column(records(source, file), "id")
    ]


def cursor_after(source: HttpSource, *committed: str) -> str | None:
    [cursor] = [file.cursor for file in source.pending(committed)]
    return cursor


def lines(source: HttpSource) -> list[str]:
    return [text for file in source.pending() for text in file.path.read_text().splitlines()]


def failing(source: HttpSource, kind: type[MeterhouseError], spool: Path) -> str:
    """The sentence of a pull that fails and leaves no file."""
    with pytest.raises(kind) as caught:
        ids(source)
    assert [path for path in spool.rglob("*") if path.is_file()] == []
    assert SECRET not in str(caught.value)
    return str(caught.value)
