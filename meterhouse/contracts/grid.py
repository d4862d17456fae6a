"""The grid of billing periods: boundary k of any cadence and anchor, and changes of the anchor."""

from datetime import date

import polars as pl

from meterhouse.periods import boundary_expr

# What tells one grid from another.
GRID = ("contract_id", "grid_no")
_WEEKDAY_ZERO = date(2000, 1, 3)  # A Monday.
_MONTH_ZERO = date(2000, 1, 1)
MONTHS = {"month": 1, "year": 12}
DAYS = {"day": 1, "week": 7}


def origins(grids: pl.DataFrame) -> pl.DataFrame:
    """The grids with `origin_on` and `day_no`: boundary 0 is on day `day_no` of its month.

    `grids` has start_on (from whose month it is counted), anchor_day, anchor_weekday (1 Monday to
    7), is_calendar, cadence_every and cadence_unit. Weeks begin on their weekday, in a calendar on
    Monday; months on their day, in a calendar on the first, years and quarters in January.
    """
    is_months = pl.col("cadence_unit").is_in(list(MONTHS))
    weekday = pl.coalesce("anchor_weekday", pl.when("is_calendar").then(pl.lit(1, pl.Int64)))
    ahead = (weekday - pl.col("start_on").dt.weekday().cast(pl.Int64)) % 7
    # Weeks of a calendar are counted from one Monday, so that all contracts share their grid.
    in_weeks = (
        pl.when(weekday.is_null() | (pl.col("cadence_unit") != "week"))
        .then("start_on")
        .when("is_calendar")
        .then(pl.lit(_WEEKDAY_ZERO) + pl.duration(days=weekday - 1))
        .otherwise(pl.col("start_on") + pl.duration(days=ahead))
    )
    own_day = pl.coalesce("anchor_day", pl.col("start_on").dt.day().cast(pl.Int64))
    return grids.with_columns(
        origin_on=pl.when(~is_months)
        .then(in_weeks)
        .when("is_calendar")
        .then(pl.lit(_MONTH_ZERO))
        .otherwise("start_on"),
        day_no=pl.when("is_calendar").then(pl.lit(1, pl.Int64)).otherwise(own_day),
        step_months=pl.when(is_months).then(
            pl.col("cadence_every") * pl.col("cadence_unit").replace_strict(MONTHS, default=0)
        ),
        step_days=pl.when(~is_months).then(
            pl.col("cadence_every") * pl.col("cadence_unit").replace_strict(DAYS, default=0)
        ),
    )


def boundary_of(k: pl.Expr) -> pl.Expr:
    """Boundary k, always derived from the origin, never from one that a short month moved."""
    by_month = boundary_expr(
        pl.col("origin_on"), pl.col("day_no"), k * pl.col("step_months").fill_null(1)
    )
    by_day = pl.col("origin_on") + pl.duration(days=k * pl.col("step_days").fill_null(1))
    return pl.when(pl.col("step_months").is_not_null()).then(by_month).otherwise(by_day)


def periods(grids: pl.DataFrame, horizon: date) -> pl.DataFrame:
    """One row per grid and full period that touches it: from `first_on` to `last_on`, at most to
    the horizon.

    `grids` has those of `origins`, first_on, last_on (null: open) and the columns of GRID. The
    result has GRID, period_start_on, period_end_on and step_months.
    """
    until = pl.min_horizontal("last_on", pl.lit(horizon))
    placed = origins(grids).with_columns(until=until)
    counted = placed.with_columns(
        k=pl.int_ranges(_steps("first_on") - 1, _steps("until") + 2)
    ).explode("k", empty_as_null=False, keep_nulls=False)
    return (
        counted.with_columns(
            period_start_on=boundary_of(pl.col("k")), period_end_on=boundary_of(pl.col("k") + 1)
        )
        .filter(
            pl.col("period_end_on") > pl.col("first_on"),
            pl.col("period_start_on") < pl.col("until"),
        )
        .select(*GRID, "period_start_on", "period_end_on", "step_months")
    )


def _steps(to: str) -> pl.Expr:
    """How many steps lie between the origin and a day, rounded down; months without their days."""
    first, last = pl.col("origin_on").dt, pl.col(to).dt
    months = (last.year().cast(pl.Int64) - first.year()) * 12 + last.month() - first.month()
    days = (pl.col(to) - pl.col("origin_on")).dt.total_days()
    by_month = months // pl.col("step_months").fill_null(1)
    by_day = days // pl.col("step_days").fill_null(1)
    return pl.when(pl.col("step_months").is_not_null()).then(by_month).otherwise(by_day)


def realigned(grids: pl.DataFrame, changes: pl.DataFrame, horizon: date) -> pl.DataFrame:
    """The periods with `cut_from` and `cut_to`, the days of each that count, and `billed_from`.

    A new anchor takes over where the old period that holds the day of the change ends. The gap from
    there to the next new boundary is a part of the new period that holds it, and is billed in
    advance on the day of the change. `changes` has contract_id, item_id (null: all), changed_on and
    anchor_day, in any order.
    """
    grids = _from_changes(grids, changes)
    whole = periods(grids, horizon).with_columns(
        cut_from="period_start_on",
        cut_to="period_end_on",
        billed_from=pl.lit(None, pl.Date),
    )
    ordered = _numbered(grids, changes)
    if ordered.is_empty():
        return whole
    begun = pl.DataFrame(schema={**{k: whole.schema[k] for k in GRID}, "begun_on": pl.Date})
    result = whole
    # One pass for the first changes of all grids, one for the second ones: few have more.
    for number in range(1, int(ordered["change_no"].max()) + 1):  # type: ignore[arg-type]
        result, begun = _changed(grids, result, ordered.filter(change_no=number), begun, horizon)
    return result


def _from_changes(grids: pl.DataFrame, changes: pl.DataFrame) -> pl.DataFrame:
    """The grids from the day of their first change on, if that is before their first period: what
    begins after a change of the anchor has the grid that it made."""
    if changes.is_empty():
        return grids
    own = pl.col("item_id").is_null() | (pl.col("item_id") == pl.col("of"))
    first = (
        grids.select(*GRID, of="item_id")
        .join(changes, on="contract_id")
        .filter(own)
        .group_by(GRID)
        .agg(changed_on=pl.col("changed_on").min())
    )
    joined = grids.join(first, on=GRID, how="left", maintain_order="left")
    return joined.with_columns(first_on=pl.min_horizontal("first_on", "changed_on")).drop(
        "changed_on"
    )


def _numbered(grids: pl.DataFrame, changes: pl.DataFrame) -> pl.DataFrame:
    """The changes of each grid, numbered in the order of their days."""
    of = grids.select(*GRID, "item_id", "first_on", "last_on").join(
        changes.rename({"item_id": "only"}), on="contract_id"
    )
    return (
        of.filter(
            pl.col("only").is_null() | (pl.col("only") == pl.col("item_id")),
            pl.col("changed_on") >= pl.col("first_on"),
            pl.col("last_on").is_null() | (pl.col("changed_on") < pl.col("last_on")),
        )
        .sort(*GRID, "changed_on")
        .select(*GRID, "changed_on", new_day="anchor_day")
        .with_columns(change_no=pl.int_range(1, pl.len() + 1).over(*GRID))
    )


def _changed(
    grids: pl.DataFrame,
    known: pl.DataFrame,
    changes: pl.DataFrame,
    begun: pl.DataFrame,
    horizon: date,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The periods after one change per grid, and where the new anchors took over."""
    # Periods are told beyond the horizon, or the end of the one that holds the change is not known.
    paid = (
        known.join(changes, on=GRID)
        .join(begun, on=GRID, how="left")
        .filter(
            pl.col("cut_to") >= pl.col("changed_on"),
            pl.col("begun_on").is_null() | (pl.col("cut_to") > pl.col("begun_on")),
        )
        .group_by(*GRID, "changed_on", "new_day")
        .agg(taken_on=pl.col("cut_to").min(), first_cut=pl.col("cut_from").min())
    )
    # A change on the boundary itself leaves nothing of the old period to wait for.
    on_start = known.join(changes, on=GRID).filter(pl.col("cut_from") == pl.col("changed_on"))
    paid = paid.join(on_start.select(*GRID, on_boundary="cut_from"), on=GRID, how="left")
    paid = paid.with_columns(taken_on=pl.coalesce("on_boundary", "taken_on")).drop(
        "first_cut", "on_boundary"
    )
    old = known.join(paid.select(*GRID, "taken_on"), on=GRID, how="left").filter(
        pl.col("taken_on").is_null() | (pl.col("cut_from") < pl.col("taken_on"))
    )
    fresh = (
        grids.join(paid, on=GRID)
        .with_columns(
            anchor_day="new_day", first_on="taken_on", start_on="changed_on",
            is_calendar=pl.lit(value=False),
        )
    )  # fmt: skip
    late = pl.max_horizontal(pl.col("cut_from"), pl.col("taken_on"))
    new = (
        periods(fresh, horizon)
        .join(paid, on=GRID)
        .with_columns(cut_from="period_start_on", cut_to="period_end_on")
        .with_columns(cut_from=late)
        .with_columns(
            billed_from=pl.when(pl.col("cut_from") > pl.col("period_start_on")).then("changed_on")
        )
    )
    taken = paid.select(*GRID, begun_on="taken_on")
    others = begun.join(taken, on=GRID, how="anti")
    return pl.concat([old.select(known.columns), new.select(known.columns)]), pl.concat(
        [others, taken]
    )
