"""SQL over everything, for reading: the published copy and the facts as they were at its pin.

DuckDB itself locks files and settings (measured: reading other files, attaching and changing
settings fail). What it still allows, because the lake's folder must stay readable, is COPY into
that folder and a few maintenance functions of the lake; those are refused here.
"""

import csv
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meterhouse.cli.app import App, Command, pass_app
from meterhouse.cli.options import SAVED
from meterhouse.cli.saved import Saved, bound, chosen, saved_queries
from meterhouse.errors import UsageError

if TYPE_CHECKING:
    import duckdb

ROWS_AT_ONCE = 10_000
TABLE_ROWS = 1_000
CHANGING = re.compile(
    r"\bducklake_(add|cleanup|commit|delete|expire|flush|merge|rewrite|set)\w*|\bsqlite_\w+"
    r'|\bquery"?\s*\(|\bjson_execute_serialized_sql\b|\b(force_)?checkpoint"?\s*\(',
    re.IGNORECASE,
)


@click.command(cls=Command, short_help="Query every table, read-only.")
@click.argument("query", required=False)
@click.option("--file", type=click.Path(path_type=Path), help="Read the query from a file.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="--json is short for json.",
)
@click.option(
    "--saved",
    metavar="[NAME]",
    is_flag=False,
    flag_value="",
    type=SAVED,
    help="Run a saved query; without a name, list them.",
)
@click.option(
    "--set", "given", multiple=True, metavar="NAME=VALUE", help="A value that a saved query takes."
)
@pass_app
def sql(
    app: App,
    query: str | None,
    file: Path | None,
    form: str,
    saved: str | None,
    given: tuple[str, ...],
) -> None:
    """Query the tables of the last published run; nothing can be changed.

    \b
    meterhouse sql "from reporting.invoices"
    meterhouse sql --format csv "select * from reporting.usage_by_day" > days.csv
    meterhouse sql --saved customer-days --set customer=acme
    """
    if saved == "" and query is None and file is None and not given:
        _list_saved(app)
        return
    text, values, words = _asked(app, query, file, saved, given)
    with opened(app) as db:
        _refuse_changes(db, text)
        try:
            cursor = db.execute(text, values)
            if form == "csv":
                _write_csv(cursor)
            else:
                _show(app, cursor, form == "json", words)
        except Exception as error:
            if type(error).__module__.removeprefix("_") != "duckdb":
                raise
            raise UsageError(f"The query failed; nothing was changed. {error}") from error


@contextmanager
def opened(app: App) -> "Iterator[duckdb.DuckDBPyConnection]":
    """A locked connection: catalogs `warehouse` (the default) and `lake`, both for reading."""
    from meterhouse.duck import connect, literal
    from meterhouse.lake import Pin

    settings = app.settings
    if not settings.published.is_file():
        raise UsageError(
            "Nothing has been published yet. Run `meterhouse run --through DATE` first."
        )
    with connect(settings, runs_foreign_sql=True) as db:
        db.execute(f"attach {literal(str(settings.published))} as warehouse (read_only)")
        batch_seq = published_batch(db)
        app.lake.attach_pinned(db, Pin(batch_seq, _snapshot(app, batch_seq)))
        db.execute("use warehouse")
        db.execute(f"set allowed_directories = [{literal(f'{settings.data}/')}]")
        db.execute("set enable_external_access = false")
        db.execute("set lock_configuration = true")
        yield db


def published_batch(db: "duckdb.DuckDBPyConnection") -> int:
    """The last batch that the attached published copy shows: its views of facts end there."""
    row = db.execute(
        "select max(regexp_extract(sql, 'batch_seq <= ([0-9]+)', 1)::bigint) from duckdb_views() "
        "where database_name = 'warehouse' and schema_name = 'facts' and sql like '%batch_seq <=%'"
    ).fetchone()
    if row is None or row[0] is None:
        raise UsageError(
            "The published copy does not say which batch it shows. "
            "Run `meterhouse run --through DATE` again."
        )
    return int(row[0])


def _snapshot(app: App, batch_seq: int) -> int:
    """The newest snapshot of the lake without a later batch; batches only rise, so halves do."""
    with app.lake.reading() as db:
        newest = db.execute("select max(snapshot_id) from ducklake_snapshots('lake')").fetchone()
        low, high = 0, int(newest[0]) if newest else 0
        while low < high:
            middle = high - (high - low) // 2
            row = db.execute(
                f"select value from lake.control.counters at (version => {middle}) "
                "where name = 'batch_seq'"
            ).fetchone()
            if row is None or int(row[0]) <= batch_seq:
                low = middle
            else:
                high = middle - 1
    return low


def _asked(
    app: App, query: str | None, file: Path | None, saved: str | None, given: tuple[str, ...]
) -> tuple[str, dict[str, str | None] | None, Saved | None]:
    """The SQL, the values of its parameters, and the words of a saved query."""
    if saved is None:
        if given:
            raise UsageError("--set is for a saved query; name it with --saved. Nothing was run.")
        return _text(query, file), None, None
    if not saved or query is not None or file is not None:
        raise UsageError(
            "Give --saved with the name of a query and nothing else to run; "
            "`meterhouse sql --saved` lists them. Nothing was run."
        )
    words = chosen(app.settings, saved)
    return words.text, bound(words, given), words


def _list_saved(app: App) -> None:
    queries = saved_queries(app.settings).values()

    def render(console: Any) -> None:
        from meterhouse.cli.tables import table

        rows = [
            (one.name, one.question, " ".join(given.usage for given in one.parameters))
            for one in queries
        ]
        console.print(table(["name", "question", "--set"], rows))

    app.show({"saved": [one.as_dict() for one in queries]}, render)


def _text(query: str | None, file: Path | None) -> str:
    if (query is None) == (file is None):
        raise UsageError("Give one query, as text or with --file. Nothing was run.")
    if file is None:
        return str(query)
    if not file.is_file():
        raise UsageError(f"File {file} is not there; nothing was run.")
    return file.read_text()


def _refuse_changes(db: "duckdb.DuckDBPyConnection", text: str) -> None:
    import duckdb

    try:
        statements = db.extract_statements(text)
    except duckdb.Error as error:
        raise UsageError(f"The query is not SQL; nothing was run. {error}") from error
    if len(statements) != 1:
        raise UsageError(f"Give one statement; {len(statements)} were found. Nothing was run.")
    kind = statements[0].type
    if kind != duckdb.StatementType.SELECT:
        raise UsageError(
            f"Only queries are run here, and this is {kind.name}; nothing was changed. Start with "
            "`select`, `from`, `with`, `describe` or `summarize`."
        )
    found = CHANGING.search(text)
    if found:
        raise UsageError(f"{found.group()!r} is not for queries; nothing was run.")


def _plain(value: Any) -> Any:
    """A decimal without an exponent: zero with 18 places is not 0E-18."""
    return format(value, "f") if isinstance(value, Decimal) else value


def _write_csv(cursor: "duckdb.DuckDBPyConnection") -> None:
    """UTF-8 for machines; rows as they come, so that large results need no memory."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(column[0] for column in cursor.description or [])
    while rows := cursor.fetchmany(ROWS_AT_ONCE):
        writer.writerows([_plain(value) for value in row] for row in rows)


def _show(
    app: App, cursor: "duckdb.DuckDBPyConnection", as_json: bool, saved: Saved | None
) -> None:
    columns = [{"name": column[0], "type": str(column[1])} for column in cursor.description or []]
    if saved is not None:
        columns = [{**one, "description": saved.columns[one["name"]]} for one in columns]
    if as_json or app.as_json:
        app.as_json = True
        app.show({"columns": columns, "rows": cursor.fetchall()}, lambda console: None)
        return
    rows = cursor.fetchmany(TABLE_ROWS + 1)

    def render(console: Any) -> None:
        from meterhouse.cli.tables import table

        heads = [c["name"] + (">" if _is_number(c["type"]) else "") for c in columns]
        console.print(table(heads, rows[:TABLE_ROWS]))

    app.show({}, render)
    if len(rows) > TABLE_ROWS:
        app.tell(f"Only the first {TABLE_ROWS:,} rows are shown; --format csv prints all.")


def _is_number(kind: str) -> bool:
    """Whether a column is aligned to the right; a query of the user's own may yield a double."""
    return any(word in kind for word in ("INT", "DECIMAL", "DOUBLE", "NUMBER"))
