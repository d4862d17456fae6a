"""The rows of the gate behind each connector: filled into its system, and the source that reads it.

All sources have `id: row`: an event is then the same by whatever way it comes, because the hash is
of its mapped fields (type, customer, time, data) and not of columns that each system names its own
way. It needs no two rows to be equal in all fields, or, where a query is read again at its cursor,
that the cursor is one of them; here it is the time.
"""

import gzip
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import xlsxwriter
from ruamel.yaml import YAML

from meterhouse.lake import Lake
from meterhouse.run.applying import apply_book
from meterhouse.settings import Settings
from tests.gates.azure import EXAMPLE, HEADER, SOURCE, text_of
from tests.servers.http_api import SECRET as API_SECRET
from tests.servers.http_api import Api
from tests.servers.postgres import Postgres
from tests.servers.s3 import ACCESS, SECRET, S3Server

BUCKET_PREFIX = "usage/"
PARTS = 4
S3_VARIABLES = {"USAGE_ACCESS_KEY": ACCESS, "USAGE_SECRET_KEY": SECRET}
API_VARIABLES = {"USAGE_API_TOKEN": API_SECRET}


@dataclass(frozen=True)
class Way:
    """How usage reaches a home: the settings of its source and what the environment must hold."""

    settings: dict[str, Any]
    variables: dict[str, str] = field(default_factory=dict)


def home_with(way: Way, folder: Path) -> Lake:
    """The example's book in a new home that reads its usage this way; nothing is loaded."""
    shutil.copytree(EXAMPLE, folder)
    write_settings(folder, way)
    lake = Lake(Settings.load(folder))
    lake.create()
    apply_book(lake)
    return lake


def write_settings(home: Path, way: Way) -> None:
    """Make a way the only source of a home."""
    with (home / "meterhouse.yaml").open("w") as file:
        YAML().dump({"sources": {SOURCE: way.settings}}, file)


def mapping(time: str, context: str, generated: str) -> dict[str, Any]:
    """How a record is one event, by the names that its columns have."""
    return {
        "id": "row",
        "map": {
            "type": {"value": "llm_request"},
            "subject": {"value": "contoso"},
            "time": {"column": time, "zone": "UTC"},
            "data": {"context_tokens": context, "generated_tokens": generated},
        },
    }


BY_HEADER = mapping(*HEADER.split(","))


# S3


def s3_way(endpoint: str, bucket: str, **more: Any) -> Way:
    """Objects of a bucket; `more` replaces settings of the place."""
    place = {
        "bucket": bucket,
        "prefix": BUCKET_PREFIX,
        "endpoint": endpoint,
        "region": "us-east-1",
        "access_key_variable": "USAGE_ACCESS_KEY",
        "secret_key_variable": "USAGE_SECRET_KEY",
        **more,
    }
    settings = {"connector": "s3", "pattern": "*.csv.gz", "s3": place, **BY_HEADER}
    return Way(settings, S3_VARIABLES)


def put_object(server: S3Server, bucket: str, name: str, rows: list[str]) -> None:
    """One gzipped CSV object of usage."""
    body = gzip.compress(text_of(rows).encode())
    server.client().put_object(Bucket=bucket, Key=BUCKET_PREFIX + name, Body=body)


def through_s3(server: S3Server, rows: list[str]) -> Way:
    """Several objects, so that the listing has two pages and the usage several batches."""
    bucket = server.bucket()
    size = -(-len(rows) // PARTS)
    for number in range(PARTS):
        part = rows[number * size : (number + 1) * size]
        put_object(server, bucket, f"2023/11/part-{number}.csv.gz", part)
    return s3_way(server.endpoint, bucket)


# PostgreSQL


def sql_way(postgres: Postgres, table: str, **more: Any) -> Way:
    """A table; `more` replaces settings of the place, `uri` what the environment holds."""
    uri = more.pop("uri", postgres.uri())
    place = {
        "uri_variable": "USAGE_DATABASE",
        "query": f"select at, model, context, generated from {table}",
        "cursor": "at",
        **more,
    }
    settings = {"connector": "sql", "sql": place, **mapping("at", "context", "generated")}
    return Way(settings, {"USAGE_DATABASE": uri})


def new_table(postgres: Postgres, table: str, rows: list[str]) -> None:
    """Times as text: timestamptz keeps six places of a second, and the file has seven."""
    postgres.run(
        f"create table {table} (at text, model text, context bigint, generated bigint, "
        "written_at timestamptz default now())"
    )
    columns = list(zip(*(row.split(",") for row in rows), strict=True))
    content = pa.table(
        {
            "at": columns[0],
            "model": ["conv"] * len(rows),
            "context": pa.array(map(int, columns[1]), pa.int64()),
            "generated": pa.array(map(int, columns[2]), pa.int64()),
        }
    )
    with postgres.connected() as connection, connection.cursor() as cursor:
        cursor.adbc_ingest(table, content, mode="append")


def through_sql(postgres: Postgres, rows: list[str]) -> Way:
    new_table(postgres, "azure_usage", rows)
    return sql_way(postgres, "azure_usage")


# HTTP


def http_way(api: Api, size: int = 1000, **more: Any) -> Way:
    """Pages by cursor, their total checked; `more` replaces settings of the place."""
    place = {
        "url": api.url,
        "items": "data.records",
        "auth": {"kind": "bearer", "secret_variable": "USAGE_API_TOKEN"},
        "pages": {
            "kind": "cursor",
            "parameter": "after",
            "next": "meta.next",
            "size_parameter": "limit",
            "size": size,
            "total": "meta.total",
        },
        "since_parameter": "since",
        "cursor": "serial",
        **more,
    }
    names = ("at", "tokens.context", "tokens.generated")
    return Way({"connector": "http", "http": place, **mapping(*names)}, API_VARIABLES)


def record(serial: int, row: str) -> str:
    """A row as the API lists it."""
    at, context, generated = row.split(",")
    tokens = f'{{"context": {context}, "generated": {generated}}}'
    return f'{{"serial": {serial}, "at": "{at}", "tokens": {tokens}}}'


def records_of(rows: list[str]) -> list[str]:
    # The server compares serials as texts: all have as many digits.
    return [record(serial, row) for serial, row in enumerate(rows, 100_001)]


def api_of(rows: list[str]) -> Api:
    return Api(records_of(rows), pages="cursor", auth="bearer", since="serial")


# XLSX


def save_workbook(path: Path, rows: list[str]) -> Path:
    """Times as text, because a cell keeps no seven places; counts as the numbers they are."""
    with xlsxwriter.Workbook(path, {"constant_memory": True}) as book:
        sheet = book.add_worksheet("Usage")
        for column, name in enumerate(HEADER.split(",")):
            sheet.write_string(0, column, name)
        for line, row in enumerate(rows, 1):
            at, context, generated = row.split(",")
            sheet.write_string(line, 0, at)
            sheet.write_number(line, 1, int(context))
            sheet.write_number(line, 2, int(generated))
    return path


XLSX = Way({"format": "xlsx", "sheet": "Usage", **BY_HEADER})


def set_variables(monkeypatch: pytest.MonkeyPatch, way: Way) -> None:
    for name, value in way.variables.items():
        monkeypatch.setenv(name, value)
