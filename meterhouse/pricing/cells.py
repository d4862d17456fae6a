"""Which parts fit which cells: dimension values against what cells say of them.

A cell says for some dimensions which values they may have; it fits what has one of them in each.
A value is compared as text: true and 5 in keys are 'true' and '5' in a cell.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

Wanted = Mapping[str, str | Sequence[str]]
Keys = Mapping[str, str | None]


def read(keys: str | Mapping[str, Any]) -> Keys:
    """The values of one part as texts; a missing one is None."""
    given = json.loads(keys, parse_int=str, parse_float=str) if isinstance(keys, str) else keys
    return {name: _text(value) for name, value in given.items()}


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def fits(keys: Keys, wanted: Wanted) -> bool:
    """Whether a part has one of the wanted values in each dimension that is named."""
    return all(keys.get(name) in values_of(values) for name, values in wanted.items())


def cell_of(keys: Keys, cells: Sequence[Wanted]) -> int | None:
    """The number of the fitting cell that names most dimensions, of equals the first."""
    fitting = [(-len(wanted), number) for number, wanted in enumerate(cells) if fits(keys, wanted)]
    return min(fitting)[1] if fitting else None


def values_of(values: str | Sequence[str]) -> Sequence[str]:
    """One value or several, as several."""
    return [values] if isinstance(values, str) else values


def fitting(rows: pl.DataFrame, cells: Sequence[Sequence[Wanted]]) -> pl.DataFrame:
    """One row per combination of price_no and keys in `rows` and fitting cell: price_no, keys,
    cell_no, n_keys. `cells` has those of each price, by price_no."""
    pairs = rows.select("price_no", "keys").unique()
    heads = _frame(
        ("price_no", pl.UInt32), ("cell_no", pl.Int64), ("n_keys", pl.Int64),
        rows=[(p, c, len(one)) for p, own in enumerate(cells) for c, one in enumerate(own)],
    )  # fmt: skip
    wanted = _frame(
        ("price_no", pl.UInt32), ("cell_no", pl.Int64), ("name", pl.String), ("value", pl.String),
        rows=[
            (price_no, cell_no, name, value)
            for price_no, own in enumerate(cells)
            for cell_no, one in enumerate(own)
            for name, values in one.items()
            for value in dict.fromkeys(values_of(values))
        ],
    )  # fmt: skip
    names = wanted["name"].unique().sort().to_list()
    met = (
        pairs.join(_values(pairs["keys"], names), on="keys")
        .join(wanted, on=["price_no", "name", "value"])
        .group_by("price_no", "keys", "cell_no")
        .agg(met=pl.len())
        .join(heads, on=["price_no", "cell_no"])
        .filter(pl.col("met") == pl.col("n_keys"))
    )
    open_to_all = pairs.join(heads.filter(pl.col("n_keys") == 0), on="price_no")
    columns = ("price_no", "keys", "cell_no", "n_keys")
    return pl.concat([met.select(columns), open_to_all.select(columns)])


def chosen(rows: pl.DataFrame, cells: Sequence[Sequence[Wanted]]) -> pl.DataFrame:
    """The rows in their order with cell_no: of the fitting cells the one that names most
    dimensions, of equals the first; null where none fits."""
    best = (
        fitting(rows, cells)
        .sort(pl.col("n_keys"), pl.col("cell_no"), descending=[True, False])
        .unique(["price_no", "keys"], keep="first", maintain_order=True)
        .drop("n_keys")
    )
    return rows.join(best, on=["price_no", "keys"], how="left", maintain_order="left")


def _values(keys: pl.Series, names: Sequence[str]) -> pl.DataFrame:
    """One row per distinct keys, and name whose value is there: keys, name, value."""
    distinct = pl.DataFrame({"keys": keys.unique()})
    if not names:
        return distinct.clear().with_columns(name=pl.lit(""), value=pl.lit(""))
    schema = pl.Struct(dict.fromkeys(names, pl.String))
    return (
        distinct.with_columns(read=pl.col("keys").str.json_decode(schema))
        .unnest("read")
        .unpivot(on=list(names), index="keys", variable_name="name", value_name="value")
        .drop_nulls("value")
    )


def _frame(
    *columns: tuple[str, type[pl.DataType]], rows: Sequence[tuple[Any, ...]]
) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict(columns), orient="row")
