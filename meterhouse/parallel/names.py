"""Names of the old system as ours: customers and products, many to one."""

from dataclasses import dataclass

import polars as pl

from meterhouse.nearest import nearest
from meterhouse.parallel.columns import ROUNDING

MAP = {"legacy": pl.String, "ours": pl.String}


@dataclass(frozen=True)
class Names:
    """Maps (columns legacy, ours), and what the book knows.

    `customers`: customer_id, name, external_id, alias as rows (known, customer_id). `items`: one
    row per name of a product or item (known, product): its id, its text.
    """

    customer_map: pl.DataFrame
    product_map: pl.DataFrame
    customers: pl.DataFrame
    items: pl.DataFrame


def _folded(name: str) -> pl.Expr:
    return pl.col(name).str.to_lowercase().str.strip_chars()


def lookup(given: pl.DataFrame, known: pl.DataFrame, into: str) -> pl.DataFrame:
    """One row per name in small letters; what a person mapped goes before what the book knows.

    A name that the book gives to several is no name.
    """
    mapped = given.select(key=_folded("legacy"), found="ours")
    own = known.select(key=_folded("known"), found=into).unique()
    single = own.filter(pl.len().over("key") == 1).join(mapped, on="key", how="anti")
    return pl.concat([mapped, single]).unique("key", keep="last").rename({"found": into})


def with_names(lines: pl.DataFrame, names: Names) -> pl.DataFrame:
    """The old lines (columns LINES) with `customer_id` and `shared`, the product's name on both
    sides; null where a name is not mapped."""
    customers = lookup(names.customer_map, names.customers, "customer_id")
    products = lookup(names.product_map, names.items, "product").rename({"product": "shared"})
    keyed = lines.with_columns(
        customer_key=_folded("customer"),
        product_key=_folded("product"),
        text_key=_folded("description"),
    )
    by_text = products.rename({"key": "text_key", "shared": "by_text"})
    joined = (
        keyed.join(customers, left_on="customer_key", right_on="key", how="left")
        .join(products, left_on="product_key", right_on="key", how="left")
        .join(by_text, on="text_key", how="left")
    )
    is_rounding = pl.col("product") == ROUNDING
    return joined.with_columns(
        shared=pl.when(is_rounding)
        .then(pl.lit(ROUNDING))
        .otherwise(pl.coalesce("shared", "by_text"))
    ).drop("customer_key", "product_key", "text_key", "by_text")


def bundled(old: pl.DataFrame, new: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both sides (columns SIDE), with what an old product `a+b` holds called so as well.

    Only for the customers that the old system bills so: others keep their lines apart.
    """
    is_bundle = pl.col("product").str.contains("+", literal=True)
    parts = (
        old.filter(is_bundle)
        .select("customer_id", bundle="product")
        .unique()
        .with_columns(product=pl.col("bundle").str.split("+"))
        .explode("product")
        .unique(["customer_id", "product"], keep="first", maintain_order=True)
    )
    found = [
        lines.join(parts, on=["customer_id", "product"], how="left", maintain_order="left")
        .with_columns(product=pl.coalesce("bundle", "product"))
        .select(lines.columns)
        for lines in (old, new)
    ]
    return found[0], found[1]


def unmapped(lines: pl.DataFrame, names: Names) -> pl.DataFrame:
    """One row per name that means nothing here: what (customer, product), legacy, lines, and the
    nearest names that are known (texts, best first)."""
    named = with_names(lines, names)
    told = [
        named.filter(pl.col("customer_id").is_null()).select(
            what=pl.lit("customer"), legacy="customer"
        ),
        named.filter(pl.col("shared").is_null()).select(
            what=pl.lit("product"), legacy=pl.coalesce("product", "description", pl.lit(""))
        ),
    ]
    counted = pl.concat(told).group_by("what", "legacy").agg(lines=pl.len().cast(pl.Int64))
    known = {
        "customer": names.customers["known"].drop_nulls().to_list(),
        "product": names.items["known"].drop_nulls().to_list(),
    }
    rows = counted.sort("what", "legacy").to_dicts()
    # Names that a person must map are few, and only the first hundred get a proposal.
    near = [nearest(one["legacy"], known[one["what"]], 3) for one in rows[:100]]
    texts = [", ".join(found) for found in near] + [""] * max(0, len(rows) - 100)
    return counted.sort("what", "legacy").with_columns(nearest=pl.Series(texts, dtype=pl.String))
