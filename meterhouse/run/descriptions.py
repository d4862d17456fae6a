"""What tables and columns mean: the words of the dbt project, carried into DuckDB as comments.

One pass of our own after the marts, not dbt's `persist_docs`: that one knows only models, and half
of what people query is made by Python. Tables that were replaced have lost their comments, so each
pass compares what stands there with what should, and writes the difference in one transaction.
"""

from typing import TYPE_CHECKING, NamedTuple

import duckdb

from meterhouse.duck import identifier, literal
from meterhouse.schema import PROPERTY_PREFIX

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

EVENTS = ("facts", "usage_events")
# The comment of each table and view (then column is '') and of each of their columns.
STANDING = """
select schema_name, table_name, '' as column_name, 'table' as kind, comment
from duckdb_tables() where database_name = current_database()
union all
select schema_name, view_name, '', 'view', comment
from duckdb_views() where database_name = current_database() and not internal
union all
select schema_name, table_name, column_name, 'column', comment
from duckdb_columns() where database_name = current_database() and not internal
"""


class Described(NamedTuple):
    """A table or view in words; `columns` maps name to what it says, its unit and its null."""

    text: str
    columns: dict[str, str]
    types: dict[str, str]


def descriptions(manifest: "Manifest") -> dict[tuple[str, str], Described]:
    """Every model and source that describes its columns, by schema and name."""
    found = {}
    nodes = [node for node in manifest.nodes.values() if str(node.resource_type) == "model"]
    for node in [*manifest.sources.values(), *nodes]:
        columns = {name: _line(one.description) for name, one in node.columns.items()}
        if columns:
            types = {name: one.data_type or "" for name, one in node.columns.items()}
            found[node.schema, node.name] = Described(_line(node.description), columns, types)
    return found


def write_comments(db: duckdb.DuckDBPyConnection, wanted: dict[tuple[str, str], Described]) -> int:
    """Give tables, views and columns the comments they lack; returns how many were written."""
    statements = []
    for schema, table, column, kind, comment in db.execute(STANDING).fetchall():
        described = wanted.get((schema, table))
        text = "" if described is None else _text(described, (schema, table), column)
        if text and text != comment:
            name = ".".join(identifier(part) for part in (schema, table, column) if part)
            statements.append(f"comment on {kind} {name} is {literal(text)}")
    if statements:
        db.execute(f"begin; {'; '.join(statements)}; commit")
    return len(statements)


def _text(described: Described, table: tuple[str, str], column: str) -> str:
    """What a table or column says; properties of events are columns that the book names."""
    if not column:
        return described.text
    if table == EVENTS and column.startswith(PROPERTY_PREFIX):
        return (
            f"Property {column.removeprefix(PROPERTY_PREFIX)} of the event, in the unit of its "
            "source; null where the event has none."
        )
    return described.columns.get(column, "")


def _line(text: str) -> str:
    """The words of a description without its line breaks."""
    return " ".join(text.split())
