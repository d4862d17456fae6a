"""The recorded book against a proposed one: the steps of a run on a copy of the warehouse.

Nothing is recorded and the warehouse is not touched. What stands for both books is made once: see
reusing.py.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date
from typing import NamedTuple

import duckdb
import polars as pl

from meterhouse.canonical import canonical_json
from meterhouse.catalog.plan import Change, changes_to_record
from meterhouse.errors import UsageError
from meterhouse.lake import Lake
from meterhouse.lake_views import views
from meterhouse.run import steps
from meterhouse.run.applying import property_columns_of
from meterhouse.run.book import flatten
from meterhouse.run.context import Run
from meterhouse.run.finished import unchanged_since
from meterhouse.run.kept import forget
from meterhouse.run.proposed import SCHEMA
from meterhouse.run.rating import make_due, rate_due
from meterhouse.run.reusing import (
    OF_CONTRACTS,
    complete_lines,
    give_back,
    is_folded,
    list_touched,
    remember,
)
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
STOOD = "ops.stood_lines"  # What the recorded book made, after the turn.
LINES = """
select customer_id, contract_id, item_id, component, dimensions, window_id, currency,
    window_start_on, window_end_on, quantity, amount
from {table} where {of}
"""


class Books(NamedTuple):
    """A scratch run that stands at one of the two books, and a function that turns to the other.

    After the turn ops.touched has the contracts whose lines may differ, ops.stood_lines and
    ops.stood_failures what the recorded book made of all.
    """

    run: Run
    turn: Callable[[], None]


@contextmanager
def two_books(
    lake: Lake, changes: Sequence[Change], through: date, tell: Tell = lambda _: None
) -> Iterator[Books]:
    """A scratch run rated under the recorded book; `turn` rates it under the proposed one.

    What a finished run left in the warehouse stands for the recorded book where nothing has changed
    since; of the proposed one only contracts are rated for which it makes a difference.
    Takes the run lock, and gives it back once usage is folded: until then the warehouse is copied
    and dbt works in the home's one folder for it; afterwards only the copy and the pinned facts are
    read, so that a run need not wait.
    Raises UsageError where the proposed book cannot be rated before it is recorded.
    """
    new = changes_to_record(list(changes))
    _refuse_new_columns(lake, new)
    with ExitStack() as locked, ExitStack() as scratch:
        locked.enter_context(lake.run_lock.held())
        # The head first: what lands after it makes the last run's result count as changed.
        known_at = lake.head().batch_seq
        stands = unchanged_since(lake, through) is not None
        run = scratch.enter_context(scratch_run(lake, through, known_at, copy=True))
        if stands:
            tell("Taking what the last run rated under the recorded book")
        else:
            tell("Rating under the recorded book")
            _rate(run, tell)

        def turn() -> None:
            tell("Cutting charge windows under the proposed book")
            with run.warehouse.connect(run.pin, run.known_at) as db:
                make_due(run, db)
                remember(db)
                _propose(run, db, new)
            _fold_again(run, tell)
            locked.close()
            _rate_again(run, new, tell)

        yield Books(run, turn)


def desired(run: Run, table: str = "billing.desired_lines", of: str = "true") -> pl.DataFrame:
    """One row per desired line: KEY, the days of its window, quantity and amount.

    `of` is SQL over a line, where only some are wanted.
    """
    with run.warehouse.connect(run.pin, run.known_at) as db:
        return db.sql(LINES.format(table=table, of=of)).pl()


def failures(run: Run) -> list[str]:
    """A sentence for each contract that could not be rated under one of the books."""
    with run.warehouse.connect(run.pin, run.known_at) as db:
        rows = db.execute(
            "select sentence from (from ops.failures union from ops.stood_failures) order by "
            "contract_id, sentence"
        ).fetchall()
    return [row[0] for row in rows]


def recorded(run: Run, db: duckdb.DuckDBPyConnection) -> None:
    """Flatten the recorded book again, after the turn: what stands in ops.stood_* was of it."""
    views(db, run.known_at)
    flatten(db)


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


def _rate(run: Run, tell: Tell) -> None:
    with run.warehouse.connect(run.pin, run.known_at) as db:
        _, fold_from = steps.cut(run, db)
        folded = is_folded(db, fold_from)
    _fold(run, fold_from, tell, is_needed=not folded)
    with run.warehouse.connect(run.pin, run.known_at) as db:
        rate_due(run, db)


def _fold_again(run: Run, tell: Tell) -> None:
    with run.warehouse.connect(run.pin, run.known_at) as db:
        _, fold_from = steps.cut(run, db)
        others = give_back(db)
        folded = is_folded(db, fold_from)
    tell(f"{others:,} windows are measured under the proposed book alone")
    _fold(run, fold_from, tell, is_needed=not folded)


def _rate_again(run: Run, new: Sequence[Change], tell: Tell) -> None:
    with run.warehouse.connect(run.pin, run.known_at) as db:
        make_due(run, db)
        touched = list_touched(db, all_of_them=any(one.kind not in OF_CONTRACTS for one in new))
        tell(f"Rating {touched:,} contracts under the proposed book")
        rate_due(run, db, "windows.contract_id in (select contract_id from ops.touched)")
        complete_lines(run, db)


def _fold(run: Run, fold_from: int, tell: Tell, *, is_needed: bool) -> None:
    if is_needed:
        tell("Folding usage")
        steps.fold(run, fold_from)


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
