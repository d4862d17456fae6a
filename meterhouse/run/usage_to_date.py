"""Have a scratch run measure usage only up to the end of a day, as if the rest had not happened.

Windows that reach past the day end with it while usage is measured, and are whole again when they
are rated: a window's price, days and due date are those of the whole.
"""

from datetime import date, datetime, time, timedelta

import duckdb
import polars as pl

from meterhouse.periods import local_instants, zone_offsets
from meterhouse.run.pooling import MEMBERS

ZONES = """
select distinct zone, day_seconds from billing.charge_windows
where component = 'usage' and window_end_on > ?
"""
KEEP = f"""
create or replace table ops.whole_windows as
select window_id, window_end, window_end_on from billing.charge_windows;
create or replace table ops.whole_members as from {MEMBERS};
"""
NARROW = f"""
update billing.charge_windows as windows
set window_end_on = greatest(window_start_on, cut_on),
    window_end = greatest(window_start, cut_at)
from cuts_in as cuts
where windows.zone = cuts.zone and windows.day_seconds = cuts.day_seconds
    and component = 'usage' and window_end_on > cut_on;
delete from {MEMBERS} where from_on >= (select min(cut_on) from cuts_in);
update {MEMBERS} as members
set until_on = least(members.until_on, windows.window_end_on),
    read_to = least(members.read_to, windows.window_end)
from billing.charge_windows as windows where windows.window_id = members.window_id;
"""
WIDEN = f"""
update billing.charge_windows as windows
set window_end_on = whole.window_end_on, window_end = whole.window_end
from ops.whole_windows as whole where whole.window_id = windows.window_id;
create or replace table {MEMBERS} as from ops.whole_members;
"""


def narrow(db: duckdb.DuckDBPyConnection, last: date) -> None:
    """End the windows that measure usage with the day `last`, by each contract's own clock."""
    cut = last + timedelta(days=1)
    db.execute(KEEP)
    zones = db.execute(ZONES, [cut]).pl()
    if zones.is_empty():
        return
    local = pl.lit(datetime.combine(cut, time())) + pl.duration(seconds="day_seconds")
    times = zones.with_columns(local=local.cast(pl.Datetime("us")))
    spans = zone_offsets(zones["zone"].unique().to_list(), cut, cut + timedelta(days=1))
    cuts = local_instants(times, spans).select(
        "zone", "day_seconds", cut_at="instant", cut_on=pl.lit(cut)
    )
    db.register("cuts_in", cuts.to_arrow())
    db.execute(NARROW)
    db.unregister("cuts_in")


def widen(db: duckdb.DuckDBPyConnection) -> None:
    """Give the windows back their own ends, which prices and documents speak of."""
    db.execute(WIDEN)
