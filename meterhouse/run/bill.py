"""One whole run: from what has landed to issued documents, entries and published tables."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from meterhouse.errors import UsageError
from meterhouse.failpoints import failpoint
from meterhouse.lake import Lake, Pin
from meterhouse.run import steps, tax_asking
from meterhouse.run.completeness import record_statements
from meterhouse.run.context import Run
from meterhouse.run.finished import forget_finish, record_finish, unchanged_since
from meterhouse.run.ingest import Loaded, ingest
from meterhouse.run.issuing import Issued
from meterhouse.run.kept import forget
from meterhouse.run.origin import refuse_other_lake, remove_other_code
from meterhouse.run.pinning import pin_run, verify_facts
from meterhouse.run.publishing import publish
from meterhouse.run.quarantine import retry
from meterhouse.run.scratch import scratch_run
from meterhouse.run.second_rating import summary
from meterhouse.warehouse import Warehouse

Tell = Callable[[str], None]


@dataclass
class Billed:
    """What a run did."""

    run_id: str
    through: date
    known_at: int
    is_dry: bool
    why_dry: str = ""
    loaded: list[Loaded] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    failed_checks: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    issued: Issued | None = None
    totals: list[dict[str, str]] = field(default_factory=list)
    is_published: bool = False
    second_rating: dict[str, Any] = field(default_factory=dict)  # See second_rating.summary.
    is_unchanged: bool = False  # Nothing had changed, so that no step was run.


def bill(
    lake: Lake,
    through: date,
    *,
    known_at: int | None = None,
    dry_run: bool = False,
    full: bool = False,
    tell: Tell = lambda _: None,
) -> Billed:
    """Run every step under the run lock; safe to repeat after any interruption.

    Where nothing has changed since the last finished run, its result is given again and no step
    is run, unless `full`.
    """
    is_plain = not dry_run and known_at is None
    with lake.run_lock.held():
        refuse_other_lake(lake)
        loaded = admit(lake, tell) if is_plain else []
        if is_plain and not full and (last := unchanged_since(lake, through)) is not None:
            return _repeated(through, loaded, last)
        with begin(lake, through, known_at, dry_run, full=full) as (run, why_dry):
            result = Billed(run.run_id, through, run.known_at, run.is_dry, why_dry, loaded)
            prepare(run, result, tell)
            if not run.is_dry:
                finish(run, result, tell)
    return result


def admit(lake: Lake, tell: Tell = lambda _: None) -> list[Loaded]:
    """Let in what has landed, what quarantine can release and what sources state of their days."""
    tell("Loading files that landed")
    loaded = [*ingest(lake), *retry(lake)]
    record_statements(lake)
    return loaded


@contextmanager
def begin(
    lake: Lake, through: date, known_at: int | None, dry_run: bool, *, full: bool = False
) -> Iterator[tuple[Run, str]]:
    """Pin the facts; a dry run works on a scratch warehouse that is removed afterwards."""
    refuse_other_lake(lake)
    pin = lake.head()
    seq = pin.batch_seq if known_at is None else known_at
    if not 0 <= seq <= pin.batch_seq:
        raise UsageError(
            f"Batch {seq} is not known: the last one is {pin.batch_seq}. Nothing was run."
        )
    why_dry = _why_dry(lake, through, seq, pin, dry_run)
    with ExitStack() as stack:
        if why_dry:
            # A copy saves the fold, and is right only where the run knows all that it holds.
            knows_all = seq == pin.batch_seq
            run = stack.enter_context(scratch_run(lake, through, seq, copy=knows_all))
        else:
            run = Run(Warehouse(lake), through, pin, seq, is_dry=False)
            remove_other_code(run.warehouse)
        with run.warehouse.connect(run.pin, seq) as db:
            verify_facts(run, db)
            forget_finish(db)
            if full:
                forget(db)
            pin_run(run, db)
        failpoint("run.pinned")
        yield run, why_dry


def prepare(run: Run, result: Billed, tell: Tell = lambda _: None) -> None:
    """Everything up to checked drafts and the manifest: only derived tables change."""
    counts = result.counts
    with run.warehouse.connect(run.pin, run.known_at) as db:
        tell("Cutting charge windows")
        counts["charge_windows"], fold_from = steps.cut(run, db)
    tell("Folding usage")
    steps.fold(run, fold_from)
    with run.warehouse.connect(run.pin, run.known_at) as db:
        tell("Rating")
        counts["desired_lines"], counts["rated_windows"] = steps.rate(run, db)
        steps.shadow(run, db)
        tell("Drafting")
        counts["drafts"], counts["draft_lines"] = steps.draft(run, db)
        tell("Checking")
        checks = steps.check(run, db)
        result.second_rating = summary(run, db)
        result.totals = steps.totals(db)
    failed = checks.filter(~checks["passed"])
    counts["checks"] = checks.height
    result.failed_checks = failed.filter(failed["is_blocking"])["sentence"].to_list()
    result.warnings = failed.filter(~failed["is_blocking"])["sentence"].to_list()


def finish(run: Run, result: Billed, tell: Tell = lambda _: None) -> None:
    """Issue what may be issued, then build the marts at a new pin and publish."""
    tell("Issuing")
    result.issued = steps.issue_drafts(run)
    tell("Building marts")
    steps.refresh(run)
    tell("Publishing")
    result.is_published = publish(run.warehouse)
    summary = {
        "counts": result.counts,
        "failed_checks": result.failed_checks,
        "held": [list(pair) for pair in result.issued.held],
        "second_rating": result.second_rating,
        "warnings": result.warnings,
    }
    with run.warehouse.connect(run.lake.head()) as db:
        if tax_asking.is_waiting(db):
            return  # Nothing need change for the next run to get more.
        record_finish(run, db, result.issued.batch_seq, {**summary, **steps.left(db)})


def _repeated(through: date, loaded: list[Loaded], last: dict[str, Any]) -> Billed:
    held = tuple((draft, why) for draft, why in last["held"])
    return Billed(
        last["run_id"],
        through,
        last["known_at"],
        is_dry=False,
        loaded=loaded,
        counts={**last["counts"], **last["left"]},
        failed_checks=last["failed_checks"],
        warnings=last["warnings"],
        issued=Issued(None, (), held),
        totals=last["totals"],
        second_rating=last.get("second_rating", {}),
        is_unchanged=True,
    )


def _why_dry(lake: Lake, through: date, seq: int, pin: Pin, dry_run: bool) -> str:
    if dry_run:
        return "a dry run was asked for"
    if seq < pin.batch_seq:
        return f"it knows only up to batch {seq} of {pin.batch_seq}"
    with lake.reading() as db:
        last = db.execute("select max(through) from facts.documents").fetchone()
    if last and last[0] is not None and through < last[0]:
        return f"documents were issued through {last[0]}, later than {through}"
    return ""
