"""Check SQL meters before anything is built: they exist, keep their contract and stay exact."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb

from meterhouse.duck import connect, identifier, literal
from meterhouse.exact import make_exact
from meterhouse.nearest import did_you_mean, known_names
from meterhouse.run import dbt
from meterhouse.run.meter_models import COLUMNS, contract_faults, is_own, meter_models, upstream
from meterhouse.run.meter_sql import Found, Reads, line_of, sql_faults
from meterhouse.run.own_models import OWN, ModelsRefused
from meterhouse.settings import Settings

# What a meter may read of what is derived: the rest is made after the meters.
OPS = {"run", "sql_asks", "restated"}
READABLE = {"billing": {"charge_windows", "coverage"}, "usage": {"zone_offsets", "zone_days"}}
RESTATED = {
    **dict.fromkeys(("batch_seq", "row_no", "replaces_seq", "replaces_row"), "bigint"),
    "is_void": "boolean",
}
JINJA = re.compile(r"\{\{.*?\}\}")
Columns = Mapping[str, str]
Tables = dict[tuple[str, str], Columns]


def refuse_models(settings: Settings, wanted: Mapping[str, str], events: Columns) -> None:
    """Raise ModelsRefused with every fault of the SQL meters; see `model_faults`."""
    faults = model_faults(settings, wanted, events)
    if faults:
        raise ModelsRefused(faults)


def model_faults(settings: Settings, wanted: Mapping[str, str], events: Columns) -> list[str]:
    """One sentence per fault of the home's SQL meters.

    `wanted` is the model of each meter, by its id; `events` are the columns of the usage events.
    """
    if settings.models is None and not wanted:
        return []
    try:
        found = meter_models(dbt.parsed(settings))
    except ModelsRefused as error:
        return list(error.faults)
    faults = [_unknown(meter, wanted[meter], found) for meter in sorted(wanted)]
    told = [fault for fault in faults if fault]
    return [*told, *_faults_of(settings, found, events)] if found else told


def unused_models(settings: Settings, wanted: Mapping[str, str]) -> list[str]:
    """One sentence per model tagged `meter` that no meter of the book names."""
    if settings.models is None:
        return []
    names = set(meter_models(dbt.parsed(settings))) - set(wanted.values())
    return [
        f"Model {name} is tagged `meter`, and no meter of the book says `model: {name}`: it is "
        "built and never billed. Write a meter for it, or remove the tag."
        for name in sorted(names)
    ]


def _unknown(meter: str, model: str, found: Mapping[str, Any]) -> str | None:
    if model in found:
        return None
    hint = did_you_mean(model, found) or f"; tagged are: {known_names(found)}"
    return (
        f"Meter {meter} says `model: {model}`, and no dbt model of that name is tagged `meter`"
        f"{hint}. Correct the name, or write the model in the folder `models`."
    )


def _faults_of(settings: Settings, found: Mapping[str, Any], events: Columns) -> list[str]:
    names = [node.name for node in upstream(dbt.parsed(settings), found)]
    manifest = dbt.compiled(settings, names)
    nodes = upstream(manifest, meter_models(manifest))
    tables = _tables(manifest, events)
    faults: list[str] = []
    with connect(settings) as db:
        _make(db, tables)
        for node in nodes:
            if node.resource_type == "seed":
                faults.extend(_of_seed(db, node))
            else:
                reads = Reads(_readable(manifest, node), settings.models)
                faults.extend(_of_model(db, node, reads, settings.models))
    return faults


def _of_model(
    db: duckdb.DuckDBPyConnection, node: Any, reads: Reads, folder: Path | None
) -> Iterator[str]:
    sql = node.compiled_code or ""
    shown = _shown(node, folder)
    if "meter" in node.config.tags:
        for why in contract_faults(node):
            yield f"Model {node.name} ({shown}): {why}."
    faults = sql_faults(db, sql, reads)
    for fault in faults:
        yield f"Model {node.name} ({shown}){_place(node.raw_code, sql, fault)}: {fault.why}."
    if node.config.materialized == "ephemeral":
        return
    try:
        db.execute(f"create view {_name(node.schema, node.alias)} as {sql}")
    except duckdb.Error:
        return  # Told above, by the parser or the binder.
    if "meter" in node.config.tags and not faults:
        yield from _of_columns(db, node, shown)


def _of_columns(db: duckdb.DuckDBPyConnection, node: Any, shown: str) -> Iterator[str]:
    rows = db.execute(f"describe {_name(node.schema, node.alias)}").fetchall()
    given = {row[0]: row[1].lower().replace(",", ", ") for row in rows}
    if given != COLUMNS:
        listed = ", ".join(f"{name} {kind}" for name, kind in given.items())
        wanted = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
        yield (
            f"Model {node.name} ({shown}) yields {listed}, and a meter yields {wanted}. Cast its "
            "columns to these."
        )


def _of_seed(db: duckdb.DuckDBPyConnection, node: Any) -> Iterator[str]:
    """A seed whose columns have no type gets what dbt guesses: floats, and numbers for ids."""
    path = Path(node.root_path) / node.original_file_path
    read = f"read_csv({literal(str(path))}, header = true, all_varchar = true)"
    names = [row[0] for row in db.execute(f"describe select * from {read}").fetchall()]
    types = {name.lower(): kind for name, kind in (node.config.column_types or {}).items()}
    for name in names:
        kind = str(types.get(name.lower(), ""))
        if not kind:
            yield (
                f"Seed {node.name} gives column {name} no type, and dbt would guess one. Say it "
                f"in YAML: seeds: [{{name: {node.name}, config: {{column_types: {{{name}: "
                "varchar}}}}]."
            )
        elif kind.lower() in ("double", "float", "real", "float4", "float8"):
            yield f"Seed {node.name}, column {name}: {kind} is a float. Use decimal(p, s)."
    if all(name.lower() in types for name in names):
        columns = ", ".join(f"{identifier(name)} {types[name.lower()]}" for name in names)
        db.execute(f"create table {_name(node.schema, node.alias)} ({columns})")


def _place(raw: str, sql: str, fault: Found) -> str:
    """The line in the file, where the compiled line stands there once; else in the compiled SQL."""
    number = line_of(sql, fault.at)
    if not number:
        return ""
    text = sql.splitlines()[number - 1].strip()
    same = [n for n, line in enumerate(raw.splitlines(), start=1) if _may_give(line, text)]
    return f", line {same[0]}" if len(same) == 1 else f", line {number} of its compiled SQL"


def _may_give(line: str, text: str) -> bool:
    """Whether a line of a model may have become that text: what stands in braces becomes any."""
    parts = [re.escape(part) for part in JINJA.split(line.strip())]
    return any(parts) and re.fullmatch(".*".join(parts), text) is not None


def _shown(node: Any, folder: Path | None) -> str:
    """The file below the home, or below our project."""
    path = str(node.original_file_path)
    return path if folder is None else path.replace(f"{OWN}/", f"{folder.name}/", 1)


def _readable(manifest: Any, node: Any) -> frozenset[tuple[str, str]]:
    """The tables that a model's own source() and ref() name and that are there before it."""
    found = set()
    for parent in node.depends_on.nodes:
        one = manifest.sources.get(parent) or manifest.nodes[parent]
        if one.resource_type == "source":
            schema, name = one.schema, one.identifier
            if schema in ("facts", "book") or name in _derived(schema):
                found.add((schema, name))
        elif "mart" not in one.config.tags:
            found.add((one.schema, one.alias))
    return frozenset(found)


def _derived(schema: str) -> set[str]:
    return OPS if schema == "ops" else READABLE.get(schema, set())


def _tables(manifest: Any, events: Columns) -> Tables:
    """Columns of every source and every model of ours that says them all."""
    tables: Tables = {("ops", "restated"): RESTATED}
    for one in [*manifest.sources.values(), *manifest.nodes.values()]:
        if one.resource_type not in ("source", "model"):
            continue
        columns = {column.name: column.data_type for column in one.columns.values()}
        if columns and all(columns.values()) and not is_own(one):
            name = one.identifier if one.resource_type == "source" else one.alias
            tables[one.schema, name] = columns
    facts = dict(tables.get(("facts", "usage_events"), {}))
    tables["facts", "usage_events"] = {**facts, **events}
    return tables


def _make(db: duckdb.DuckDBPyConnection, tables: Tables) -> None:
    """Empty tables in a database called as dbt calls the warehouse."""
    db.execute("attach ':memory:' as warehouse")
    db.execute("use warehouse")
    make_exact(db)
    for schema in sorted({schema for schema, _ in tables} | {"meters"}):
        db.execute(f"create schema if not exists {identifier(schema)}")
    for (schema, name), columns in tables.items():
        listed = ", ".join(f"{identifier(one)} {kind}" for one, kind in columns.items())
        db.execute(f"create table {_name(schema, name)} ({listed})")


def _name(schema: str, name: str) -> str:
    return f"{identifier(schema)}.{identifier(name)}"
