"""Maps of old names to ours: recorded whole by a person, the last ones count."""

import csv
import json
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from meterhouse.canonical import canonical_json, sha256_text
from meterhouse.errors import UsageError
from meterhouse.lake import Lake
from meterhouse.lake_views import views
from meterhouse.nearest import did_you_mean
from meterhouse.parallel.names import MAP, Names, unmapped
from meterhouse.run.book import flatten
from meterhouse.run.commands import record
from meterhouse.run.parallel_lines import legacy_lines

COMMAND = "parallel_map"
KINDS = ("customers", "products", "accounts")
# What a line is called: its item and component, its item, or its product, the first that is mapped.
BOOK = ("customers", "subjects", "products", "contracts", "contract_items")
CUSTOMERS = """
select subject as known, customer_id from book.subjects
union
select name, customer_id from book.customers where name is not null
"""
ITEMS = """
select distinct item_id, product_id, item_description from book.contract_items
union
-- What a contract adds to all its items is billed under an id of its own.
select one.value->>'$.id', null, one.value->>'$.description'
from book.contracts, json_each(modifiers::json) as kinds, json_each(
    case json_type(kinds.value) when 'ARRAY' then kinds.value else json_array(kinds.value) end
) as one
where (one.value->>'$.id') is not null
"""


def read_map(path: Path) -> dict[str, str]:
    """A CSV with the columns legacy and ours; raises UsageError with all faults of the file."""
    told: list[str] = []
    found: dict[str, str] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file, strict=True)
            if not {"legacy", "ours"} <= {*(rows.fieldnames or ())}:
                raise UsageError(f"{path.name} needs the columns legacy and ours; it was not read.")
            for row in rows:
                old, ours = (row["legacy"] or "").strip(), (row["ours"] or "").strip()
                if not old or not ours:
                    told.append(f"line {rows.line_num} is not complete")
                elif found.get(old, ours) != ours:
                    told.append(f"line {rows.line_num} maps {old!r} a second time")
                else:
                    found[old] = ours
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path.name} cannot be read: {error}. Nothing was recorded.") from error
    if told:
        listed = "\n".join(f"  - {one}" for one in told[:100])
        raise UsageError(f"{path.name} cannot be used; nothing was recorded:\n{listed}")
    return found


def record_maps(lake: Lake, maps: dict[str, dict[str, str]]) -> int | None:
    """Record maps by their kind (KINDS); others stay. Returns the batch, None if nothing changed.

    Raises UsageError with every name that the book does not know.
    """
    with lake.session() as db:
        views(db, None)
        before = maps_of(db)
        after = {**before, **maps}
        if after == before:
            return None
        flatten(db, BOOK)
        _refuse_unknown(db, maps)
        payload = canonical_json(after)
        subjects: list[tuple[str, str | None]] = [("maps", sha256_text(payload))]
        return lake.commit(
            db, lambda commit: record(commit, COMMAND, subjects, payload, "Recorded.")
        )


def maps_of(db: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    """The maps that count, by kind; empty ones where nothing was recorded."""
    row = db.execute(
        "select payload from facts.commands where kind = ? order by batch_seq desc limit 1",
        [COMMAND],
    ).fetchone()
    known: dict[str, dict[str, str]] = {} if row is None else json.loads(row[0])
    return {kind: known.get(kind, {}) for kind in KINDS}


def _refuse_unknown(db: duckdb.DuckDBPyConnection, maps: dict[str, dict[str, str]]) -> None:
    customers = set(db.sql("select customer_id from book.customers").pl()["customer_id"])
    items = _ours(db)
    known = {"customers": customers, "products": items}
    told = [
        f"{kind[:-1]} {ours!r} is not in the book{did_you_mean(ours, known[kind])}"
        for kind in ("customers", "products")
        for ours in sorted(_parts(maps.get(kind, {}), kind))
        if ours not in known[kind]
    ]
    bundled = [part for one in {*maps.get("products", {}).values()} for part in one.split("+")]
    told += [
        f"{part!r} is in two products of the map"
        for part in sorted({*bundled})
        if bundled.count(part) > 1
    ]
    if told:
        listed = "\n".join(f"  - {one}" for one in told[:100])
        raise UsageError(f"The maps name what is not there; nothing was recorded:\n{listed}")


def _parts(given: dict[str, str], kind: str) -> set[str]:
    """What a map names of ours; a product may be several, and a component of an item."""
    if kind == "customers":
        return {*given.values()}
    return {part.split("/")[0] for one in given.values() for part in one.split("+")}


def _ours(db: duckdb.DuckDBPyConnection) -> set[str]:
    items = db.sql(ITEMS).pl()
    names = {*items["item_id"], *items["product_id"].drop_nulls()}
    # Lines without an item are named by their role.
    return names | {"discount", "minimum", "maximum", "commitment", "credit"}


def names_of(db: duckdb.DuckDBPyConnection) -> Names:
    """The names that count; makes the tables of the book that it reads."""
    flatten(db, BOOK)
    maps = maps_of(db)
    frames = [
        pl.DataFrame({"legacy": list(one), "ours": list(one.values())}, schema=MAP)
        for one in (maps["customers"], maps["products"])
    ]
    targets = {*maps["products"].values()}
    items = db.sql(ITEMS).pl().with_columns(product=shared_name(targets))
    known = pl.concat(
        items.select("product", known=name)
        for name in ("item_id", "product_id", "item_description")
    )
    customers = db.sql(CUSTOMERS).pl()
    return Names(frames[0], frames[1], customers, known.drop_nulls().select("known", "product"))


def shared_name(targets: set[str], component: str | None = None) -> pl.Expr:
    """What a line is called on both sides, of `item_id`, `product_id` and maybe a component.

    A target such as `api+tiers` is one old product for several of ours; see `names.bundled`.
    """
    known = sorted({part for target in targets for part in target.split("+")})
    item, product = pl.col("item_id"), pl.col("product_id")
    parts = [item, product]
    if component is not None:
        parts = [pl.format("{}/{}", item, pl.col(component)), *parts]
    found = [pl.when(one.is_in(known)).then(one) for one in parts]
    role = pl.col(component) if component is not None else pl.lit(None, pl.String)
    return pl.coalesce(*found, item, role)


def unmapped_names(lake: Lake) -> list[dict[str, Any]]:
    """Names of imported lines that mean nothing here, with what they might mean."""
    with lake.reading() as db:
        names = names_of(db)
        lines = legacy_lines(db).filter(pl.col("fault").is_null())
    return unmapped(lines, names).to_dicts()
