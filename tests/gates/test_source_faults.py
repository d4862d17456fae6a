"""Planted faults of sources: a sentence, an exit code, no change, and no secret anywhere."""

import base64
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pytest
import stamina
import xlsxwriter
from click.testing import CliRunner, Result

from meterhouse.cli.main import cli
from meterhouse.lake import Lake
from meterhouse.settings import Settings
from tests.gates.azure import HEADER, SOURCE, made_rows
from tests.gates.facts import counts_of, faults_of
from tests.gates.sources import (
    BUCKET_PREFIX,
    XLSX,
    Way,
    api_of,
    home_with,
    http_way,
    new_table,
    put_object,
    records_of,
    s3_way,
    save_workbook,
    set_variables,
    sql_way,
    write_settings,
)
from tests.servers import http_api
from tests.servers.http_api import Api, serving
from tests.servers.postgres import Postgres, Relay, postgres
from tests.servers.s3 import (
    SECRET,
    Answer,
    Faults,
    S3Server,
    cut,
    flipped,
    s3_faults,
    s3_server,
    strict_s3,
)

__all__ = ["postgres", "s3_faults", "s3_server", "strict_s3"]
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("source_faults")]

FINAL, PASSING = 1, 5
ROWS = made_rows(6)
WRONG = "wr0ng/secret+of-nobody"


class Standing(NamedTuple):
    """What must be as it was after a fault."""

    head: object
    counts: dict[str, int]
    lake_files: list[str]


class Home:
    """A home with one source, the secrets it is given, and the command line on it."""

    def __init__(self, folder: Path, way: Way, *hidden: str) -> None:
        write_settings(folder, way)
        self.lake = Lake(Settings.load(folder))
        self.folder = folder
        self.hidden = (*hidden, *(v for v in way.variables.values() if v != "test-access-key"))

    def ingest(self) -> Result:
        with stamina.set_testing(True, attempts=10, cap=True):  # no waits between attempts
            return CliRunner().invoke(cli, ["--home", str(self.folder), "ingest"])

    def standing(self) -> Standing:
        files = sorted(str(p) for p in self.lake.settings.data.rglob("*") if p.is_file())
        return Standing(self.lake.head(), counts_of(self.lake), files)

    def assert_fails(self, code: int, *words: str) -> None:
        """The command ends as said and leaves nothing: neither a change, a file, nor a secret."""
        before = self.standing()
        done = self.ingest()
        assert (done.exit_code, done.stdout) == (code, ""), (done.output, done.exception)
        assert "Traceback" not in done.stderr
        told = " ".join(done.stderr.split())
        assert [word for word in (f"Source '{SOURCE}'", *words) if word not in told] == [], told
        assert self.standing() == before
        assert faults_of(self.lake) == []
        assert [p for p in (self.folder / "spool").rglob("*") if p.is_file()] == []
        self.shows_no_secret(done)

    def assert_loads(self, count: int) -> None:
        """The same command, once the fault is gone, loads every record."""
        done = self.ingest()
        assert done.exit_code == 0, done.stderr
        assert counts_of(self.lake)["usage_events"] == count
        self.shows_no_secret(done)

    def shows_no_secret(self, done: Result) -> None:
        said = (done.stdout + done.stderr).encode()
        secrets = [form for secret in self.hidden for form in spellings(secret)]
        assert [s for s in secrets if s in said] == []
        found = [(p, p.read_bytes()) for p in self.folder.rglob("*") if p.is_file()]
        assert len(found) > 3
        assert [str(p) for p, content in found for s in secrets if s in content] == []


def spellings(secret: str) -> set[bytes]:
    """As it is, as a URL has it, and as Basic auth does."""
    plain = {secret, quote(secret, safe="")}
    return {text.encode() for text in plain} | {base64.b64encode(secret.encode())}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example with its book applied and no usage."""
    return home_with(XLSX, tmp_path_factory.mktemp("bare") / "home").settings.home


@pytest.fixture
def home(bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Home]:
    def made(way: Way, *hidden: str) -> Home:
        shutil.copytree(bare, tmp_path / "home")
        set_variables(monkeypatch, way)
        return Home(tmp_path / "home", way, *hidden)

    return made


# S3


def test_a_wrong_s3_secret(
    strict_s3: S3Server, home: Callable[..., Home], monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = strict_s3.bucket()
    put_object(strict_s3, bucket, "a.csv.gz", ROWS)
    one = home(s3_way(strict_s3.endpoint, bucket), WRONG)
    monkeypatch.setenv("USAGE_SECRET_KEY", WRONG)
    one.assert_fails(FINAL, f"bucket '{bucket}'", "USAGE_ACCESS_KEY and USAGE_SECRET_KEY")
    monkeypatch.setenv("USAGE_SECRET_KEY", SECRET)
    one.assert_loads(len(ROWS))


@pytest.mark.soak
@pytest.mark.parametrize("fault", [cut, flipped])
def test_an_s3_body_that_stays_wrong(
    s3_server: S3Server,
    s3_faults: Faults,
    home: Callable[..., Home],
    fault: Callable[[Answer], Answer],
) -> None:
    bucket = s3_server.bucket()
    put_object(s3_server, bucket, "a.csv.gz", ROWS)
    one = home(s3_way(s3_faults.endpoint, bucket, attempts=3))
    s3_faults.add("get", fault, times=3)
    one.assert_fails(PASSING, f"file '{BUCKET_PREFIX}a.csv.gz'")
    assert (s3_faults.entries, s3_faults.asked["get"]) == ([], 3)
    one.assert_loads(len(ROWS))


@pytest.mark.soak
def test_an_s3_object_that_changes_each_time_between_list_and_get(
    s3_server: S3Server, s3_faults: Faults, home: Callable[..., Home]
) -> None:
    bucket = s3_server.bucket()
    versions = iter(range(1, 99))

    def write(answer: Answer) -> Answer:
        """The listing as it was, while the object becomes another."""
        put_object(s3_server, bucket, "a.csv.gz", made_rows(6 + next(versions)))
        return answer

    put_object(s3_server, bucket, "a.csv.gz", ROWS)
    one = home(s3_way(s3_faults.endpoint, bucket, attempts=3))
    s3_faults.add("list", write, times=3)
    one.assert_fails(PASSING, f"file '{BUCKET_PREFIX}a.csv.gz' changed while it was fetched")
    assert s3_faults.entries == []
    one.assert_loads(6 + 3)


def test_an_s3_object_that_changes_once_is_loaded_as_it_is_now(
    s3_server: S3Server, s3_faults: Faults, home: Callable[..., Home]
) -> None:
    bucket = s3_server.bucket()

    def write(answer: Answer) -> Answer:
        put_object(s3_server, bucket, "a.csv.gz", made_rows(9))
        return answer

    put_object(s3_server, bucket, "a.csv.gz", ROWS)
    one = home(s3_way(s3_faults.endpoint, bucket, attempts=3))
    s3_faults.add("list", write)
    one.assert_loads(9)


# PostgreSQL


def test_a_wrong_postgresql_password(
    postgres: Postgres, home: Callable[..., Home], monkeypatch: pytest.MonkeyPatch
) -> None:
    new_table(postgres, "wrong_password", ROWS)
    wrong = postgres.uri(password=quote(WRONG, safe=""))
    one = home(sql_way(postgres, "wrong_password", uri=wrong), WRONG, postgres.role_password)
    one.assert_fails(
        FINAL, "the database refused the password", "environment variable USAGE_DATABASE"
    )
    monkeypatch.setenv("USAGE_DATABASE", postgres.uri())
    one.assert_loads(len(ROWS))


def test_a_postgresql_connection_killed_in_the_middle(
    postgres: Postgres, home: Callable[..., Home], killing: Relay
) -> None:
    rows = made_rows(4000)
    new_table(postgres, "killed", rows)
    uri = postgres.uri(port=killing.port)
    one = home(sql_way(postgres, "killed", uri=uri, attempts=1), postgres.role_password)
    one.assert_fails(PASSING, "connection")
    assert killing.is_full.is_set()
    one.assert_loads(len(rows))


@pytest.fixture
def killing(postgres: Postgres) -> Iterator[Relay]:
    """Cuts the first connection that has had 100,000 bytes of answers, and no other."""
    relay = Relay(postgres.port, 100_000)
    relay.cut()
    yield relay
    relay.close()


# HTTP


@pytest.fixture
def api() -> Iterator[Api]:
    """Six records on three pages."""
    with serving(api_of(ROWS)) as running:
        yield running


@pytest.mark.parametrize(("status", "code"), [(404, FINAL), (403, FINAL), (503, PASSING)])
def test_an_http_error_on_the_last_page(
    api: Api, home: Callable[..., Home], status: int, code: int
) -> None:
    one = home(http_way(api, 2, attempts=2))
    api.faults = {3: http_api.echo(status), 4: http_api.echo(status)}
    one.assert_fails(code, "page 3", str(status))
    api.faults = {}
    one.assert_loads(len(ROWS))


@pytest.mark.soak
def test_an_http_page_that_comes_again(api: Api, home: Callable[..., Home]) -> None:
    one = home(http_way(api, 2))

    def again(handler: http_api.Handler) -> None:
        """The records of the first page under the cursor that follows the second."""
        found = records_of(ROWS)[:2]
        handler.answer(handler.body(found, {"next": "c2"}, len(ROWS)))

    api.faults = {2: again}
    one.assert_fails(FINAL, "page 2", "repeats the records of page 1")
    api.faults = {}
    one.assert_loads(len(ROWS))


def test_an_http_list_of_which_a_page_is_missing(api: Api, home: Callable[..., Home]) -> None:
    """Only the total that the server states can tell."""
    one = home(http_way(api, 2))

    def ends_early(handler: http_api.Handler) -> None:
        handler.answer(handler.body(records_of(ROWS)[2:4], {"next": None}, len(ROWS)))

    api.faults = {2: ends_early}
    one.assert_fails(PASSING, "lists 6 records, but 4 came")
    api.faults = {}
    one.assert_loads(len(ROWS))


# XLSX


@pytest.mark.soak
def test_a_workbook_with_a_number_that_was_bent(home: Callable[..., Home], tmp_path: Path) -> None:
    one = home(XLSX)
    file = one.lake.settings.landing(SOURCE) / "usage.xlsx"
    file.parent.mkdir(parents=True)
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet("Usage")
        sheet.write_row(0, 0, HEADER.split(","))
        # 12345678901234567 is no double: Excel stores 12345678901234568.
        sheet.write_row(1, 0, [ROWS[0].split(",")[0], 12345678901234567, 1])
    one.assert_fails(FINAL, "file 'usage.xlsx'", "B2")
    save_workbook(file, ROWS)
    one.assert_loads(len(ROWS))
