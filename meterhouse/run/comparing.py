"""The recorded book against a proposed one: the steps of a run on scratch, once for each.

Nothing is recorded and the warehouse is not touched: the steps work on a copy of it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import NamedTuple

import duckdb
import polars as pl

from meterhouse.canonical import canonical_json
from meterhouse.catalog.plan import Change, changes_to_record
from meterhouse.errors import UsageError
from meterhouse.lake import Lake
from meterhouse.run import steps
from meterhouse.run.applying import property_columns_of
from meterhouse.run.book import flatten
from meterhouse.run.context import Run
from meterhouse.run.kept import forget
from meterhouse.run.proposed import SCHEMA
from meterhouse.run.scratch import scratch_run

Tell = Callable[[str], None]
KEY = ("customer_id", "contract_id", "item_id", "component", "dimensions", "window_id", "currency")
DAYS = ("window_start_on", "window_end_on")
# As if the documents were recorded after all that the run knows.
WITH_PROPOSED = """
create or replace view facts.book_versions as
select kind, doc_id, valid_from, content, batch_seq, row_no
from lake.facts.book_versions where batch_seq <= {known_at}
union all
select kind, doc_id, valid_from, content, {known_at} + 1, row_no from ops.proposed_versions
"""
LINES = """
select customer_id, contract_id, item_id, component, dimensions, window_id, currency,
    window_start_on, window_end_on, quantity, amount
from billing.desired_lines
"""


class Books(NamedTuple):
    """A scratch run that stands at one of the two books, and a function that turns to the other."""

    run: Run
    turn: Callable[[], None]


@contextmanager
def two_books(
    lake: Lake, changes: Sequence[Change], through: date, tell: Tell = lambda _: None
) -> Iterator[Books]:
    """A scratch run rated under the recorded book; `turn` rates it under the proposed one.

    Raises UsageError where the proposed book cannot be rated before it is recorded.
    """
    new = changes_to_record(list(changes))
    _refuse_new_columns(lake, new)
    head = lake.head()
    with scratch_run(lake, through, head.batch_seq, copy=True) as run:
        tell("Rating under the recorded book")
        _rate(run)

        def turn() -> None:
            tell("Rating under the proposed book")
            with run.warehouse.connect(run.pin, run.known_at) as db:
                _propose(run, db, new)
            _rate(run)

        yield Books(run, turn)


def desired(run: Run) -> pl.DataFrame:
    """One row per desired line: KEY, the days of its window, quantity and amount."""
    with run.warehouse.connect(run.pin, run.known_at) as db:
        return db.sql(LINES).pl()


def failures(run: Run) -> list[str]:
    """A sentence for each contract that could not be rated."""
    with run.warehouse.connect(run.pin, run.known_at) as db:
        rows = db.execute("select sentence from ops.failures order by contract_id").fetchall()
    return [row[0] for row in rows]


def beside(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """Lines of both books in one row: `quantity_old`, `amount_old`, …, `amount_difference`.

    What one book does not charge is 0.
    """
    values = ("quantity", "amount")
    halves = [
        frame.group_by(*KEY, *DAYS).agg(
            pl.col(name).sum().alias(f"{name}_{end}") for name in values
        )
        for frame, end in ((old, "old"), (new, "new"))
    ]
    joined = halves[0].join(
        halves[1], on=[*KEY, *DAYS], how="full", coalesce=True, nulls_equal=True
    )
    zero = [pl.col(f"{name}_{end}").fill_null(0) for name in values for end in ("old", "new")]
    difference = pl.col("amount_new") - pl.col("amount_old")
    return joined.with_columns(zero).with_columns(amount_difference=difference).sort(*KEY, *DAYS)


def _rate(run: Run) -> None:
    with run.warehouse.connect(run.pin, run.known_at) as db:
        _, fold_from = steps.cut(run, db)
    steps.fold(run, fold_from)
    with run.warehouse.connect(run.pin, run.known_at) as db:
        steps.rate(run, db)


def _propose(run: Run, db: duckdb.DuckDBPyConnection, new: Sequence[Change]) -> None:
    rows = [(c.kind, c.id, c.valid_from, canonical_json(c.content)) for c in new]
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row").with_row_index("row_no")
    run.warehouse.replace(db, "ops.proposed_versions", frame.cast({"row_no": pl.Int64}))
    # Windows that stand were cut from the recorded book.
    forget(db)
    db.execute(WITH_PROPOSED.format(known_at=int(run.known_at)))
    flatten(db)


def _refuse_new_columns(lake: Lake, new: list[Change]) -> None:
    """A property has its column only once it is recorded, and meters may read it."""
    with lake.reading() as db:
        known = lake.columns(db, "usage_events")
    missing = sorted(set(property_columns_of(new)) - set(known))
    if missing:
        names = ", ".join(name.removeprefix("p_") for name in missing)
        raise UsageError(
            f"The folder adds properties that no event has been read for: {names}. What it would "
            "cost cannot be said before they are recorded. Nothing was compared. Record the event "
            "types alone first, or leave the money out with `plan --no-money`."
        )
