"""A home whose usage comes from a JSON API: loaded once, then only what is new."""

import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from meterhouse.errors import SourceRejected
from meterhouse.lake import Lake, head_of
from meterhouse.run.applying import apply_book
from meterhouse.run.ingest import ingest
from meterhouse.settings import Settings
from tests.gates.azure import EXAMPLE
from tests.gates.facts import counts_of, rows_of
from tests.servers import http_api as faulty
from tests.servers.http_api import SECRET, Api, serving

pytestmark = pytest.mark.slow


def request(number: int, tokens: str) -> str:
    """One request to a model as the API lists it."""
    return (
        f'{{"id": "r{number}", "at": "2023-11-{number:02}T12:00:00.000001Z", '
        f'"usage": {{"context": {tokens}, "generated": 1}}}}'
    )


def home_of(api: Api, folder: Path) -> Lake:
    """The example's book, its usage from the API."""
    shutil.copytree(EXAMPLE, folder)
    source = {
        "connector": "http",
        "id": "id",
        "http": {
            "url": api.url,
            "items": "data.records",
            "auth": {"kind": "bearer", "secret_variable": "USAGE_API_TOKEN"},
            "pages": {
                "kind": "cursor",
                "parameter": "after",
                "next": "meta.next",
                "size_parameter": "limit",
                "size": 2,
            },
            "since_parameter": "since",
            "cursor": "at",
            "attempts": 1,
        },
        "map": {
            "type": {"value": "llm_request"},
            "subject": {"value": "contoso"},
            "time": {"column": "at"},
            "data": {"context_tokens": "usage.context", "generated_tokens": "usage.generated"},
        },
    }
    with (folder / "meterhouse.yaml").open("w") as file:
        YAML().dump({"sources": {"models": source}}, file)
    lake = Lake(Settings.load(folder))
    lake.create()
    apply_book(lake)
    return lake


def test_an_api_is_loaded_once_and_then_only_what_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USAGE_API_TOKEN", SECRET)
    api = Api([request(n, f"{n}000000000000") for n in range(1, 6)], pages="cursor", auth="bearer")
    with serving(api):
        lake = home_of(api, tmp_path / "home")
        [first] = ingest(lake)
        assert (first.received, first.accepted, first.quarantined) == (5, 5, 0)

        before = (head(lake), counts_of(lake))
        [second] = ingest(lake)
        assert second.batch_seq is None
        assert (head(lake), counts_of(lake)) == before
        assert api.queries()[-1]["since"] == "2023-11-05T12:00:00.000001Z"

        api.records = [*api.records, request(6, "7")]
        [third] = ingest(lake)
        assert (third.received, third.accepted, third.duplicate) == (2, 1, 1)

        api.records = [*api.records, *(request(n, "7") for n in range(7, 11))]
        api.faults[len(api.seen) + 3] = faulty.status(404)
        before = (head(lake), counts_of(lake))
        with pytest.raises(SourceRejected, match="page 3 was answered with 404"):
            ingest(lake)
        assert (head(lake), counts_of(lake)) == before
        [fourth] = ingest(lake)
        assert (fourth.received, fourth.accepted, fourth.duplicate) == (5, 4, 1)

    with lake.reading() as db:
        found = db.execute(
            "select event_id, p_context_tokens::varchar, occurred_at::timestamp::varchar "
            "from facts.usage_events order by occurred_at limit 2"
        ).fetchall()
    assert found == [
        ("r1", "1000000000000", "2023-11-01 12:00:00.000001"),
        ("r2", "2000000000000", "2023-11-02 12:00:00.000001"),
    ]
    assert not any(SECRET in row for row in rows_of(lake, "batches"))
    assert [path for path in (tmp_path / "home" / "spool").rglob("*") if path.is_file()] == []


def head(lake: Lake) -> object:
    with lake.session() as db:
        return head_of(db)
