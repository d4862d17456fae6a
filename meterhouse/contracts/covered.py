"""What the system before has billed: windows are cut where that ends, and are never due before."""

import polars as pl

COVERED = pl.Schema({"contract_id": pl.String, "item_id": pl.String, "paid_through": pl.Date})


def covered_to(windows: pl.DataFrame, covered: pl.DataFrame) -> pl.Series:
    """The day up to which each row's item was billed before (null: never).

    What is said of a contract without an item holds for all items of which nothing else is said.
    """
    own = covered.drop_nulls("item_id").rename({"paid_through": "own"})
    whole = covered.filter(pl.col("item_id").is_null()).select("contract_id", all="paid_through")
    joined = windows.select("contract_id", "item_id").join(
        own, on=["contract_id", "item_id"], how="left", maintain_order="left"
    )
    both = joined.join(whole, on="contract_id", how="left", maintain_order="left")
    return both.select(covered_to=pl.coalesce("own", "all")).to_series()


def split_covered(stretches: pl.DataFrame, covered: pl.DataFrame) -> pl.DataFrame:
    """The stretches, each cut in two where what was billed before ends inside it.

    Both parts keep the grid of their periods: nothing of the contract changes on that day.
    """
    if covered.is_empty():
        return stretches
    dated = stretches.with_columns(covered_to(stretches, covered))
    on = pl.col("covered_to")
    inside = (pl.col("seg_from") < on) & (pl.col("seg_to").is_null() | (on < pl.col("seg_to")))
    is_cut = inside.fill_null(value=False)
    cut = dated.filter(is_cut)
    none = pl.lit(0, pl.Int64)
    # A fee in advance is paid to the end of its period unless something planned begins before.
    nothing = pl.lit(None, pl.String)
    before = cut.with_columns(seg_to=on, closed_by=nothing, closed_at=none, planned_to=on)
    after = cut.with_columns(seg_from=on, opened_by=nothing, opened_at=none)
    parts = pl.concat([dated.filter(~is_cut), before, after])
    return parts.drop("covered_to").select(stretches.columns)


def never_due(windows: pl.DataFrame, covered: pl.DataFrame) -> pl.DataFrame:
    """The windows with `due_on` null where all of them was billed before."""
    if covered.is_empty():
        return windows
    is_billed = pl.col("window_end_on") <= covered_to(windows, covered)
    open_due = pl.when(~is_billed.fill_null(value=False)).then("due_on")
    return windows.with_columns(due_on=open_due)
