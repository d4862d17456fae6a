"""Whose usage a charge window counts: that of its customer, or of all the customers of its pool.

`billing.window_members` has one row per window of an item with `usage_of`, customer of its pool
and unbroken span inside the window in which the customer belongs to it; windows without `usage_of`
have none. Whoever joins usage to windows reads both.
"""

from datetime import date

import duckdb
import polars as pl

from meterhouse.periods import INSTANT, local_instants, zone_offsets

MEMBERS = "billing.window_members"
OF_POOLS = f"(select *, window_id as pool_id from {MEMBERS})"
ALWAYS, FOREVER = date(1, 1, 1), date(9999, 12, 31)
SPAN: dict[str, pl.DataType | type[pl.DataType]] = {
    "customer_id": pl.String,
    "from_on": pl.Date,
    "until_on": pl.Date,
    "read_from": INSTANT,
    "read_to": INSTANT,
}
# Each pool, as a customer and what an item of it says, with the customers in it and their days;
# whoever is named or reached twice for one day counts once.
POOLS = """
with recursive below as (
    select distinct customer_id as top_id, customer_id, date '0001-01-01' as from_on,
        date '9999-12-31' as until_on
    from pools_in where usage_of = '"children"'
    union
    select below.top_id, parents.customer_id, greatest(below.from_on, parents.from_on),
        least(below.until_on, parents.until_on)
    from below join book.parents as parents on parents.parent_id = below.customer_id
        and parents.from_on < below.until_on and parents.until_on > below.from_on
),
entries as (
    select customer_id as top_id, usage_of, unnest(usage_of::json::json[]) as entry
    from pools_in where usage_of <> '"children"'
),
named as (
    select top_id, usage_of, coalesce(entry->>'$.customer', entry->>'$') as customer_id,
        coalesce((entry->>'$.from')::date, date '0001-01-01') as from_on,
        coalesce((entry->>'$.until')::date, date '9999-12-31') as until_on
    from entries
    union all
    select top_id, '"children"', customer_id, from_on, until_on from below
),
steps as (
    select *, from_on > max(until_on) over (
        partition by top_id, usage_of, customer_id order by from_on, until_on
        rows between unbounded preceding and 1 preceding
    ) is not false as is_apart
    from named
),
islands as (
    select *, sum(is_apart::int) over (
        partition by top_id, usage_of, customer_id order by from_on, until_on
    ) as island
    from steps
)
select top_id, usage_of, customer_id as member_id, min(from_on) as member_from,
    max(until_on) as member_until
from islands group by top_id, usage_of, customer_id, island
"""
# Who pays for a customer's contracts, up to the first in the line that pays for itself.
PAYERS = """
with recursive above as (
    select customer_id, parent_id as pays_id, from_on, until_on, 1 as depth
    from book.parents where parent_pays
    union
    select above.customer_id, parents.parent_id, greatest(above.from_on, parents.from_on),
        least(above.until_on, parents.until_on), depth + 1
    from above join book.parents as parents on parents.customer_id = above.pays_id
        and parents.parent_pays and parents.from_on < above.until_on
        and parents.until_on > above.from_on
    where depth < 100
)
select windows.window_id, arg_max(above.pays_id, above.depth) as pays_id
from windows_in as windows join above on above.customer_id = windows.customer_id
    and above.from_on <= windows.window_start_on and windows.window_start_on < above.until_on
group by windows.window_id
"""


def members_of(
    db: duckdb.DuckDBPyConnection, windows: pl.DataFrame, key: str = "window_id"
) -> pl.DataFrame:
    """One row per pooled window, customer and span: `key` and the columns of SPAN, days and UTC
    instants inside the window. The connection has the flattened book."""
    empty = pl.DataFrame(schema={key: windows.schema[key], **SPAN})
    if "usage_of" not in windows.columns:
        return empty
    pooled = windows.filter(pl.col("usage_of").is_not_null())
    if pooled.is_empty():
        return empty
    db.register("pools_in", pooled.select("customer_id", "usage_of").unique().to_arrow())
    pools = db.sql(POOLS).pl()
    db.unregister("pools_in")
    joined = pooled.select(
        *(key, "customer_id", "usage_of", "zone", "day_seconds"),
        *("window_start", "window_end", "window_start_on", "window_end_on"),
    ).join(pools, left_on=["customer_id", "usage_of"], right_on=["top_id", "usage_of"])
    met = joined.filter(
        pl.col("member_from") <= pl.col("window_end_on"),
        pl.col("member_until") >= pl.col("window_start_on"),
    )
    timed = _timed(_timed(met, "member_from", "opens"), "member_until", "closes")
    return (
        timed.select(
            key,
            customer_id="member_id",
            from_on=pl.max_horizontal("member_from", "window_start_on"),
            until_on=pl.min_horizontal("member_until", "window_end_on"),
            read_from=pl.max_horizontal("opens", "window_start"),
            read_to=pl.min_horizontal("closes", "window_end"),
        )
        .filter(pl.col("read_from") < pl.col("read_to"))
        .sort(key, "customer_id", "read_from")
        .cast(SPAN)  # type: ignore[arg-type]
    )


def asked_members(db: duckdb.DuckDBPyConnection, windows: pl.DataFrame) -> pl.DataFrame:
    """The members by `ask_no` of the windows, for estimating.prepare; a pool that nobody is in has
    a row of nulls."""
    found = members_of(db, windows, "ask_no").cast({"ask_no": pl.Int64})
    return with_pools(windows, found)


def with_pools(windows: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """The members, and a row of nulls for each pooled window (ask_no, usage_of) without any."""
    if "usage_of" not in windows.columns:
        return members
    pooled = windows.filter(pl.col("usage_of").is_not_null())
    alone = pooled.select(pl.col("ask_no").cast(pl.Int64)).join(members, on="ask_no", how="anti")
    empty = pl.DataFrame(schema={"ask_no": pl.Int64, **SPAN})
    return pl.concat([empty, members, alone], how="diagonal_relaxed")


def _timed(members: pl.DataFrame, day: str, name: str) -> pl.DataFrame:
    """When the day of each member begins in its contract, where it lies inside the window."""
    inside = pl.col(day).is_between("window_start_on", "window_end_on")
    local = pl.col(day).cast(pl.Datetime("us")) + pl.duration(seconds="day_seconds")
    on = ["zone", "day_seconds", day]
    times = members.filter(inside).select(*on, local=local).unique()
    if times.is_empty():
        return members.with_columns(pl.lit(None, INSTANT).alias(name))
    first, last = times[day].min(), times[day].max()
    spans = zone_offsets(times["zone"].unique().to_list(), first, last)  # type: ignore[arg-type]
    instants = local_instants(times, spans).select(*on, pl.col("instant").alias(name))
    return members.join(instants, on=on, how="left", maintain_order="left")


def with_payers(db: duckdb.DuckDBPyConnection, windows: pl.DataFrame) -> pl.DataFrame:
    """The windows with the parent as payer, where the customer says so on their first day and the
    contract names nobody else."""
    own = windows.filter(pl.col("payer_id") == pl.col("customer_id"))
    db.register("windows_in", own.select("window_id", "customer_id", "window_start_on").to_arrow())
    pays = db.sql(PAYERS).pl()
    db.unregister("windows_in")
    if pays.is_empty():
        return windows
    joined = windows.join(pays, on="window_id", how="left", maintain_order="left")
    return joined.with_columns(payer_id=pl.coalesce("pays_id", "payer_id")).drop("pays_id")


def make_readers(
    db: duckdb.DuckDBPyConnection, asks: str, readers: str, members: str, *, temporary: bool = False
) -> None:
    """Replace table `readers`: the rows of `asks`, once for each customer whose events are read.

    `asks` has customer_id, read_from, window_start, window_end and `pool_id`, by which `members`
    names what it is a part of; null where nothing is pooled. `read_to` ends what is read.
    """
    kind = "temp table" if temporary else "table"
    db.execute(
        f"""
        create or replace {kind} {readers} as
        select *, window_end as read_to from {asks} where pool_id is null
        union all by name
        select asks.* replace (
                members.customer_id as customer_id,
                -- What is carried into a window is carried for as long as all of it is read.
                case when members.read_from > asks.window_start
                    then greatest(asks.read_from, members.read_from) else asks.read_from end
                    as read_from
            ),
            least(asks.window_end, members.read_to) as read_to
        from {asks} as asks join {members} as members on members.pool_id = asks.pool_id
        where members.read_from < asks.window_end and members.read_to > asks.window_start
        """
    )
