"""What a SQL meter may not say: clocks, chance, floats, and facts or files outside the run.

DuckDB's own parser names what is written, with its place; DuckDB's own binder gives the type of
every expression, also of those inside views and macros. `db` is a database with the tables that
the SQL reads, empty; nothing is run.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

FLOATS = {"DOUBLE", "FLOAT"}
QUOTIENT = "Use exact_quotient(a, b, places)"
# Not volatile to DuckDB, and yet another answer in another run or for the same values.
OUTSIDE = {
    *("current_setting", "getenv", "getvariable", "query", "query_table", "version"),
    *("localtime", "localtimestamp", "current_time", "current_localtimestamp"),
    *("current_localtime", "current_user", "session_user", "user"),
}
# `error` is volatile so that it is not folded away; it gives nothing that could differ.
HARMLESS = {"error"}
AVERAGES = {"avg", "mean", "favg", "fsum", "kahan_sum", "sumkahan"}
# Measured: quantile_cont of decimal(38, 12) is off from the 17th digit, though it gives a decimal.
BETWEEN = {"quantile_cont", "median", "percentile_cont", "mad"}
APPROXIMATE = {"approx_count_distinct", "approx_quantile", "approx_top_k", "reservoir_quantile"}
FILES = {
    *("read_csv", "read_csv_auto", "sniff_csv", "read_parquet", "parquet_scan", "read_json"),
    *("read_json_auto", "read_json_objects", "read_ndjson", "read_ndjson_auto", "read_text"),
    *("read_blob", "glob", "read_ndjson_objects", "read_json_objects_auto"),
}
TABLES = {"unnest", "range", "generate_series"}
NOWHERE = 2**64 - 1


class Found(NamedTuple):
    """A fault: `at` is its byte in the SQL (-1 if unknown), `why` a sentence without its end."""

    at: int
    why: str


class Reads(NamedTuple):
    """What a model may read: tables (schema, name) that it names by source() or ref(), and files
    inside the folder of the home's models."""

    tables: frozenset[tuple[str, str]]
    folder: Path | None


def sql_faults(db: duckdb.DuckDBPyConnection, sql: str, reads: Reads) -> list[Found]:
    """Everything in one SELECT that a meter may not say, in the order of the text."""
    tree = _serialized(db, "json_serialize_sql", sql)
    if tree.get("error"):
        return [Found(int(tree.get("position") or -1), f"DuckDB cannot read it: {_message(tree)}")]
    written = [found for node in _walk(tree) for found in _of_node(node, reads, _volatile())]
    files = [node for node in _walk(tree) if node.get("type") == "TABLE_FUNCTION" and _reads(node)]
    if files and not written:
        written = [found for node in files for found in _file_faults(db, node)]
        # Written anew, the text has other places.
        bound = [one._replace(at=-1) for one in _bound_faults(db, _text(db, tree), written)]
    else:
        bound = _bound_faults(db, sql, written)
    lines = {line_of(sql, found.at) for found in written}
    return sorted(dict.fromkeys([*written, *(b for b in bound if line_of(sql, b.at) not in lines)]))


def line_of(sql: str, at: int) -> int:
    """The line, from 1, of a byte of a text; 0 if the place is not known."""
    return sql.encode()[:at].count(b"\n") + 1 if at >= 0 else 0


@cache
def _volatile() -> frozenset[str]:
    """The functions whose answer is not decided by their arguments, as DuckDB lists them."""
    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as db:
        rows = db.execute(
            "select distinct function_name from duckdb_functions() where stability <> 'CONSISTENT'"
        ).fetchall()
    return frozenset(row[0] for row in rows) - HARMLESS | OUTSIDE


def _of_node(node: dict[str, Any], reads: Reads, volatile: frozenset[str]) -> Iterator[Found]:
    at = int(node.get("query_location", NOWHERE))
    at = -1 if at == NOWHERE else at
    if node.get("sample"):
        yield Found(at, "`tablesample` takes other rows each time. Remove it")
    if node.get("class") == "FUNCTION":
        yield from (Found(at, why) for why in _function(node, volatile))
    elif node.get("class") == "CAST" and node["cast_type"]["id"] in FLOATS:
        yield Found(at, "a cast to a float (double, real) is not exact. Cast to decimal(38, 12)")
    elif node.get("class") == "CONSTANT" and node["value"]["type"]["id"] in FLOATS:
        yield Found(at, "a number with an exponent is a float. Write its digits out")
    elif node.get("type") == "BASE_TABLE":
        yield from (Found(at, why) for why in _table(node, reads))
    elif node.get("type") == "TABLE_FUNCTION":
        yield from (Found(at, why) for why in _table_function(node["function"], reads))


def _function(node: dict[str, Any], volatile: frozenset[str]) -> Iterator[str]:
    name = node["function_name"].lower()
    if name == "/":
        yield f"`/` gives a float, also between decimals. {QUOTIENT}"
    elif name in AVERAGES:
        yield f"`{name}` gives a float. {QUOTIENT} of a sum and a count"
    elif name in BETWEEN:
        yield f"`{name}` works between two values as floats. Use quantile_disc, which is exact"
    elif name in APPROXIMATE:
        yield f"`{name}` is an estimate. Use the exact aggregate"
    elif name == "timezone":
        yield _ZONES
    elif name in volatile:
        yield _clock(name)


_ZONES = (
    "`timezone` and `at time zone` are a second truth beside the zones of the contracts. Use "
    "window_start, window_end and their days of what is asked, or usage.zone_offsets"
)


def _clock(name: str) -> str:
    return (
        f"`{name}` gives another answer in another run. Use the window that is asked, or "
        "ops.run.through"
    )


def _table(node: dict[str, Any], reads: Reads) -> Iterator[str]:
    catalog, schema, name = (node[f"{part}_name"] for part in ("catalog", "schema", "table"))
    if node.get("at_clause") is not None:
        yield "`at (version ...)` reads facts beyond what the run knows. Remove it"
    if catalog == "lake":
        yield (
            f"lake.{schema}.{name} is read past the pin of the run, so that a second run would "
            f"give another quantity. Read {{{{ source('{schema}', '{name}') }}}}"
        )
    elif schema and (schema, name) not in reads.tables:
        yield (
            f"{schema}.{name} is not what one of its source() or ref() names, or is made after "
            "the meters. Read facts, book, usage.zone_*, ops.sql_asks or models of your own "
            "through source() and ref()"
        )
    elif not schema and ("." in name or "/" in name):
        yield f"{name!r} is a file. Read it with read_csv or read_parquet and models_file"


def _table_function(call: dict[str, Any], reads: Reads) -> Iterator[str]:
    name = call["function_name"].lower()
    if name in TABLES:
        return
    if name not in FILES:
        yield f"`{name}` reads what is no part of the run. Read tables through source() and ref()"
    elif not all(_inside(one, reads.folder) for one in _paths(call)):
        yield (
            f"`{name}` reads a file outside the folder of the models, which is no part of the run. "
            "Put it there and name it by models_file('...')"
        )


def _reads(node: dict[str, Any]) -> bool:
    return node["function"]["function_name"].lower() in FILES


def _file_faults(db: duckdb.DuckDBPyConnection, node: dict[str, Any]) -> list[Found]:
    """Floats among the columns of a file that is read; the read becomes an empty table in the tree,
    because a plan that reads CSV cannot be shown."""
    at, name = int(node.get("query_location", -1)), node["function"]["function_name"]
    tree = _serialized(db, "json_serialize_sql", "from range(1)")
    tree["statements"][0]["node"]["from_table"] = {**node, "alias": "", "column_name_alias": []}
    table = f"file_{at}"
    try:
        db.execute("create schema if not exists files")
        db.execute(f"create or replace table files.{table} as {_text(db, tree)} limit 0")
    except duckdb.Error as error:
        return [Found(at, f"`{name}` cannot read the file: {error}")]
    columns = db.execute(f"describe files.{table}").fetchall()
    alias, named = node["alias"] or name, node["column_name_alias"]
    template = _serialized(db, "json_serialize_sql", f"from files.{table}")
    node.clear()
    node.update(template["statements"][0]["node"]["from_table"])
    node.update({"alias": alias, "column_name_alias": named})
    return [
        Found(
            at, f"column {one[0]} of the file is a float. Give `{name}` types={{'{one[0]}': ...}}"
        )
        for one in columns
        if one[1] in FLOATS
    ]


def _paths(call: dict[str, Any]) -> list[Any]:
    """The constants of the first argument; one that is no constant gives None."""
    first = call["children"][0] if call["children"] else {}
    parts = first.get("children") if first.get("class") == "FUNCTION" else [first]
    return [(part.get("value") or {}).get("value") for part in parts or [{}]]


def _inside(path: Any, folder: Path | None) -> bool:
    if not isinstance(path, str) or folder is None or "*" in path:
        return False
    return Path(path).resolve().is_relative_to(folder)


def _bound_faults(db: duckdb.DuckDBPyConnection, sql: str, written: list[Found]) -> list[Found]:
    """What only the types tell: floats from functions and columns, clocks written as names."""
    plan = _serialized(db, "json_serialize_plan", sql)
    if plan.get("error"):
        # A table that may not be read is not there to be bound, and that is told already.
        return [] if written else [Found(-1, f"DuckDB does not take it: {_message(plan)}")]
    found = []
    for node in _walk(plan):
        at = int(node.get("query_location", NOWHERE))
        why = _of_bound(node)
        if why:
            found.append(Found(-1 if at == NOWHERE else at, why))
    placed = [one for one in found if one.at >= 0]
    # What has no place is mostly the echo of what has one.
    return placed or ([] if written else found)


def _of_bound(node: dict[str, Any]) -> str | None:
    name = str(node.get("name") or "").lower()
    kind = node.get("expression_class")
    if kind in {"BOUND_FUNCTION", "BOUND_AGGREGATE", "BOUND_WINDOW"}:
        if name in _volatile():
            return _clock(name)
        if _is_float(node.get("return_type")):
            return f"`{name}` gives a float. Use decimals, and exact_quotient(a, b, places)"
    if kind in {"BOUND_COLUMN_REF", "BOUND_REF"} and _is_float(node.get("return_type")):
        return f"column {node.get('alias') or '?'} is a float. Cast what it comes from to a decimal"
    return None


def _is_float(kind: Any) -> bool:
    """Whether a type is a float or holds one, as a list or a struct may."""
    return any(node.get("id") in FLOATS for node in _walk(kind))


def _serialized(db: duckdb.DuckDBPyConnection, function: str, sql: str) -> dict[str, Any]:
    try:
        row = db.execute(f"select {function}(?)", [sql]).fetchone()
    except duckdb.Error as error:
        return {"error": True, "error_message": str(error)}
    parsed: dict[str, Any] = json.loads(row[0]) if row else {}
    return parsed


def _text(db: duckdb.DuckDBPyConnection, tree: dict[str, Any]) -> str:
    row = db.execute("select json_deserialize_sql(?)", [json.dumps(tree)]).fetchone()
    return str(row[0]) if row else ""


def _message(tree: Mapping[str, Any]) -> str:
    return " ".join(str(tree.get("error_message", "")).split()).rstrip(".")


def _walk(value: Any) -> Iterator[dict[str, Any]]:
    """Every object of a JSON value, outer ones first."""
    if isinstance(value, dict):
        yield value
        for one in value.values():
            yield from _walk(one)
    elif isinstance(value, list):
        for one in value:
            yield from _walk(one)
