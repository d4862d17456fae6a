"""The same usage by five ways gives one invoice, byte for byte, and is read once."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from meterhouse.lake import Lake
from meterhouse.run.bill import Billed, admit, bill
from meterhouse.run.ingest import ingest, land
from meterhouse.settings import Settings
from tests.gates.azure import NUMBER, SOURCE, THROUGH, Expected, copied
from tests.gates.conftest import First
from tests.gates.facts import counts_of, documents_of, inputs_of, unbalanced_of
from tests.gates.sources import (
    BUCKET_PREFIX,
    PARTS,
    XLSX,
    Way,
    api_of,
    home_with,
    http_way,
    s3_way,
    save_workbook,
    through_s3,
    through_sql,
    write_settings,
)
from tests.servers.http_api import Api, serving
from tests.servers.postgres import Postgres, postgres
from tests.servers.s3 import S3Server, s3_server

__all__ = ["postgres", "s3_server"]
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("sources")]

WAYS = ("s3", "sql", "http", "xlsx")
BATCHES = {"csv": 1, "s3": PARTS, "sql": 1, "http": 1, "xlsx": 1}
ISSUE = re.compile(r',"format":"[^"]*","issue":\{[^{}]*\}')


class Home(NamedTuple):
    """A home after its first run, and how its usage came."""

    lake: Lake
    billed: Billed
    way: Way


@pytest.fixture(scope="module")
def api(first: First) -> Iterator[Api]:
    with serving(api_of(first.rows)) as running:
        yield running


@pytest.fixture(scope="module")
def ways(
    first: First,
    api: Api,
    s3_server: S3Server,
    postgres: Postgres,
) -> Iterator[dict[str, Way]]:
    """The usage in each system; the secrets are in the environment until the end."""
    found = {
        "s3": through_s3(s3_server, first.rows),
        "sql": through_sql(postgres, first.rows),
        "http": http_way(api),
        "xlsx": XLSX,
    }
    with pytest.MonkeyPatch.context() as patch:
        for way in found.values():
            for name, value in way.variables.items():
                patch.setitem(os.environ, name, value)
        yield found


@pytest.fixture(scope="module")
def homes(
    first: First, ways: dict[str, Way], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Home]:
    """Each way in a home of its own, billed once; that of the CSV file is the spine's."""
    folder = tmp_path_factory.mktemp("ways")
    found = {"csv": Home(first.lake, first.billed, Way({}))}
    for name, way in ways.items():
        lake = home_with(way, folder / name)
        if name == "xlsx":
            land(lake, SOURCE, [save_workbook(folder / "usage.xlsx", first.rows)])
        found[name] = Home(lake, bill(lake, THROUGH), way)
    return found


def invoice_of(lake: Lake) -> tuple[str, str]:
    """The hash of the content, and the content without what names number and run."""
    with lake.reading() as db:
        [(content, digest)] = db.execute(
            "select content, content_hash from facts.documents"
        ).fetchall()
    [number] = [number for number, _ in documents_of(lake)]
    assert number == NUMBER
    without, count = ISSUE.subn("", content)
    assert (count, "issue" in json.loads(without)) == (1, False)
    return digest, without


def entries_of(lake: Lake) -> tuple[list[object], list[object]]:
    """Entries and their lines; without the batch, which counts commits of the home."""
    with lake.reading() as db:
        return tuple(  # type: ignore[return-value]
            db.execute(
                f"select * exclude (batch_seq, row_hash{more}) from facts.{table} order by all"
            ).fetchall()
            for table, more in (("journal_entries", ""), ("journal_lines", ""))
        )


@pytest.mark.parametrize("name", WAYS)
def test_the_invoice_is_that_of_the_csv_file_byte_for_byte(
    homes: dict[str, Home], name: str
) -> None:
    assert invoice_of(homes[name].lake) == invoice_of(homes["csv"].lake)


@pytest.mark.parametrize("name", WAYS)
def test_the_entries_are_those_of_the_csv_file_and_balance(
    homes: dict[str, Home], name: str
) -> None:
    entries, lines = entries_of(homes[name].lake)
    assert (entries, lines) == entries_of(homes["csv"].lake)
    assert len(lines) > 1
    assert unbalanced_of(homes[name].lake) == []


@pytest.mark.parametrize("name", WAYS)
def test_every_row_is_one_accepted_event_and_no_check_fails(
    homes: dict[str, Home], first: First, name: str
) -> None:
    lake, billed, _ = homes[name]
    assert len(billed.loaded) == BATCHES[name]
    assert sum(one.received for one in billed.loaded) == len(first.rows)
    assert sum(one.accepted for one in billed.loaded) == len(first.rows)
    assert billed.failed_checks == []
    with lake.reading() as db:
        [sums] = db.execute(
            "select sum(p_context_tokens)::bigint, sum(p_generated_tokens)::bigint "
            "from facts.usage_events"
        ).fetchall()
    expected = Expected.of(first.rows)
    assert sums == (expected.context, expected.generated)


@pytest.mark.parametrize("name", WAYS)
def test_the_events_are_those_of_the_csv_file_with_the_same_ids(
    homes: dict[str, Home], name: str
) -> None:
    assert events_of(homes[name].lake) == events_of(homes["csv"].lake)


def events_of(lake: Lake) -> list[object]:
    """A count and a digest of what every event says, in order of id."""
    columns = "event_id, event_type, customer_id, occurred_at::varchar, data"
    with lake.reading() as db:
        return db.execute(
            f"select count(*), md5(string_agg(concat_ws('|', {columns}), chr(10) "
            "order by event_id)) from facts.usage_events"
        ).fetchall()


@pytest.mark.parametrize("name", WAYS)
def test_a_second_pull_moves_no_pin(homes: dict[str, Home], name: str) -> None:
    lake = homes[name].lake
    head, before = lake.head(), counts_of(lake)
    again = admit(lake)
    assert [one.batch_seq for one in again if one.batch_seq is not None] == []
    assert (lake.head(), counts_of(lake)) == (head, before)
    assert left_in_spool(lake) == []


@pytest.mark.soak
def test_a_second_run_issues_nothing(homes: dict[str, Home]) -> None:
    """Of one way, as runs take long: where no pin moved, nothing after it knows the way."""
    lake = homes["http"].lake
    head, before = lake.head(), inputs_of(lake)
    again = bill(lake, THROUGH)
    assert again.issued is not None
    assert (again.issued.numbers, again.counts["drafts"]) == ((), 0)
    assert (lake.head().batch_seq, inputs_of(lake)) == (head.batch_seq, before)


def test_a_source_that_moves_from_one_system_to_the_next_counts_nothing_twice(
    first: First, ways: dict[str, Way], tmp_path: Path
) -> None:
    """From files to S3, a database and an API, none of which knows the cursors of the others."""
    lake = copied(first.lake.settings.home, tmp_path / "home")
    events = counts_of(lake)["usage_events"]
    for name in ("s3", "sql", "http"):
        write_settings(lake.settings.home, ways[name])
        lake = Lake(Settings.load(lake.settings.home))
        loaded = ingest(lake)
        assert sum(one.duplicate for one in loaded) == len(first.rows), name
        assert sum(one.accepted + one.conflict + one.quarantined for one in loaded) == 0
    assert counts_of(lake)["usage_events"] == events


def test_a_workbook_in_s3_gives_the_events_of_the_csv_file(
    first: First, ways: dict[str, Way], s3_server: S3Server, tmp_path: Path
) -> None:
    bucket = s3_server.bucket()
    workbook = save_workbook(tmp_path / "usage.xlsx", first.rows)
    s3_server.client().put_object(
        Bucket=bucket, Key=f"{BUCKET_PREFIX}usage.xlsx", Body=workbook.read_bytes()
    )
    found = s3_way(s3_server.endpoint, bucket).settings | {"pattern": "*.xlsx", "sheet": "Usage"}
    lake = home_with(Way(found, ways["s3"].variables), tmp_path / "home")
    [loaded] = ingest(lake)
    assert (loaded.received, loaded.accepted) == (len(first.rows), len(first.rows))
    assert events_of(lake) == events_of(first.lake)
    assert left_in_spool(lake) == []


def left_in_spool(lake: Lake) -> list[Path]:
    return [path for path in (lake.settings.home / "spool").rglob("*") if path.is_file()]
