"""A home whose usage lies in a bucket: loaded once, then only what is new, never by half."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import stamina
from ruamel.yaml import YAML

from meterhouse.errors import SourceRejected, SourceUnavailable, UsageError
from meterhouse.lake import Lake
from meterhouse.run.applying import apply_book
from meterhouse.run.ingest import ingest
from meterhouse.settings import Settings
from tests.gates.azure import SOURCE, made_rows, new_home, text_of
from tests.servers.s3 import (
    ACCESS,
    SECRET,
    Faults,
    S3Server,
    cut,
    flipped,
    s3_faults,
    s3_server,
    says,
    strict_s3,
)

__all__ = ["s3_faults", "s3_server", "strict_s3"]
pytestmark = pytest.mark.slow
FOLDERS = ("lake", "warehouse", "spool")


def home_of(server: S3Server, bucket: str, folder: Path) -> Path:
    """The Azure example with its usage in a bucket."""
    home = new_home(folder)
    yaml = YAML()
    path = home / "meterhouse.yaml"
    settings = yaml.load(path)
    settings["sources"][SOURCE] |= {
        "connector": "s3",
        "pattern": "*.csv",
        "s3": {
            "bucket": bucket,
            "prefix": "usage/",
            "endpoint": server.endpoint,
            "region": "us-east-1",
            "access_key_variable": "USAGE_ACCESS_KEY",
            "secret_key_variable": "USAGE_SECRET_KEY",
        },
    }
    yaml.dump(settings, path)
    lake = Lake(Settings.load(home))
    lake.create()
    apply_book(lake)
    return home


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USAGE_ACCESS_KEY", ACCESS)
    monkeypatch.setenv("USAGE_SECRET_KEY", SECRET)


def put(server: S3Server, bucket: str, name: str, rows: list[str]) -> None:
    server.client().put_object(Bucket=bucket, Key=f"usage/{name}", Body=text_of(rows).encode())


def files_of(home: Path) -> dict[str, int]:
    found = [path for folder in FOLDERS for path in (home / folder).rglob("*") if path.is_file()]
    return {str(path.relative_to(home)): path.stat().st_size for path in found}


def events_of(lake: Lake) -> int:
    with lake.reading() as db:
        [(count,)] = db.execute("select count(*) from facts.usage_events").fetchall()
    return int(count)


@pytest.mark.usefixtures("credentials")
def test_a_bucket_is_loaded_once_and_a_new_object_alone(
    s3_server: S3Server, tmp_path: Path
) -> None:
    bucket = s3_server.bucket()
    rows = made_rows(300)
    put(s3_server, bucket, "b.csv", rows[:100])
    put(s3_server, bucket, "c.csv", rows[100:200])
    lake = Lake(Settings.load(home_of(s3_server, bucket, tmp_path / "home")))
    loaded = ingest(lake)
    assert [(one.name, one.accepted) for one in loaded] == [
        ("usage/b.csv", 100),
        ("usage/c.csv", 100),
    ]
    head = lake.head()
    assert ingest(lake) == []
    assert lake.head() == head

    put(s3_server, bucket, "a.csv", rows[200:])
    [late] = ingest(lake)
    assert (late.name, late.received, late.accepted) == ("usage/a.csv", 100, 100)

    put(s3_server, bucket, "b.csv", [*rows[:100], *made_rows(5, start="2023-11-20 08:00:00")])
    [overwritten] = ingest(lake)
    assert (overwritten.name, overwritten.accepted, overwritten.duplicate) == (
        "usage/b.csv",
        5,
        100,
    )
    assert events_of(lake) == 305
    assert [name for name in files_of(lake.settings.home) if name.startswith("spool/")] == []


@pytest.mark.usefixtures("credentials")
def test_the_same_content_put_again_is_one_repeat_and_then_nothing(
    s3_server: S3Server, tmp_path: Path
) -> None:
    bucket = s3_server.bucket()
    rows = made_rows(50)
    put(s3_server, bucket, "a.csv", rows)
    lake = Lake(Settings.load(home_of(s3_server, bucket, tmp_path / "home")))
    ingest(lake)
    put(s3_server, bucket, "copy.csv", rows)
    [repeat] = ingest(lake)
    assert (repeat.name, repeat.received, repeat.note) == (
        "usage/copy.csv",
        0,
        "already loaded as batch 2",
    )
    head = lake.head()
    assert ingest(lake) == []
    assert (lake.head(), events_of(lake)) == (head, 50)


def test_a_wrong_and_a_missing_secret_change_nothing(
    strict_s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = strict_s3.bucket()
    put(strict_s3, bucket, "a.csv", made_rows(10))
    home = home_of(strict_s3, bucket, tmp_path / "home")
    lake = Lake(Settings.load(home))
    head, files = lake.head(), files_of(home)
    monkeypatch.setenv("USAGE_ACCESS_KEY", ACCESS)
    with pytest.raises(UsageError, match="USAGE_SECRET_KEY is not set"):
        ingest(lake)
    monkeypatch.setenv("USAGE_SECRET_KEY", SECRET[::-1])
    with pytest.raises(SourceRejected, match="USAGE_ACCESS_KEY and USAGE_SECRET_KEY") as caught:
        ingest(lake)
    assert f"bucket {bucket!r}" in str(caught.value)
    assert SECRET[::-1] not in str(caught.value)
    assert (lake.head(), files_of(home)) == (head, files)
    monkeypatch.setenv("USAGE_SECRET_KEY", SECRET)
    [loaded] = ingest(lake)
    assert loaded.accepted == 10


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize("fault", [cut, flipped, says(503)])
def test_a_body_that_stays_wrong_changes_nothing_and_the_next_run_loads_it(
    s3_server: S3Server, s3_faults: Faults, tmp_path: Path, fault: Callable[[Any], Any]
) -> None:
    bucket = s3_server.bucket()
    put(s3_server, bucket, "a.csv", made_rows(10))
    home = home_of(S3Server(s3_faults.port), bucket, tmp_path / "home")
    lake = Lake(Settings.load(home))
    head, files = lake.head(), files_of(home)
    s3_faults.add("get", fault, times=5)
    with stamina.set_testing(True, attempts=10, cap=True), pytest.raises(SourceUnavailable):
        ingest(lake)
    assert s3_faults.entries == []
    assert (lake.head(), files_of(home)) == (head, files)
    [loaded] = ingest(lake)
    assert loaded.accepted == 10
