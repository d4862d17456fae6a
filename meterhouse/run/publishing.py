"""The copy of the warehouse that people query, with its words beside the numbers."""

from meterhouse.lake_views import views
from meterhouse.run.dbt import parsed
from meterhouse.run.descriptions import descriptions, write_comments
from meterhouse.warehouse import Warehouse

# What all marts are pinned as.
PIN = "reporting.*"


def publish(warehouse: Warehouse) -> bool:
    """Comment what has no comment yet and copy the warehouse for readers if it changed.

    Returns whether it was copied. Comments are no reason to copy: they change no pin, and new
    words come with the next change of a table.
    """
    with warehouse.connect(warehouse.lake.head()) as db:
        # Facts that came after the marts were built are not shown beside them.
        row = db.execute("select known_at from ops.pins where table_name = ?", [PIN]).fetchone()
        if row is not None:
            views(db, int(row[0]))
        write_comments(db, descriptions(parsed(warehouse.settings)))
    return warehouse.publish()
