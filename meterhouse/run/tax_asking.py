"""Asking tax engines about drafts: each question once, a few at a time, and the answers kept."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import duckdb
import polars as pl

from connectors.avatax import AvaTax
from meterhouse.errors import MeterhouseError, SourceUnavailable, UsageError
from meterhouse.invoicing.tax_engine import ANSWERS, TaxEngine
from meterhouse.lake import Commit
from meterhouse.run.context import Run
from meterhouse.settings import FILE, Settings

TABLE = "billing.tax_questions"
WAITING = f"select 1 from {TABLE} where fault is not null limit 1"
_ROW = ("question_sha256", "question")


def engine_of(settings: Settings, name: str) -> TaxEngine:
    """The engine that entities call by this name; UsageError where the settings have none."""
    if name not in settings.file.tax_engines:
        known = ", ".join(sorted(settings.file.tax_engines)) or "none"
        raise UsageError(f"tax engine {name!r} is not in {FILE} (known: {known})")
    place = settings.file.tax_engines[name]
    account, key = (settings.secret(one) for one in (place.account_variable, place.key_variable))
    return AvaTax(name, place, account, key)


def ask(run: Run, questions: pl.DataFrame) -> pl.DataFrame | None:
    """Ask what has no answer, record the answers, and return them with the faults (ANSWERS).

    None where nothing had to be asked. A dry run asks nobody.
    """
    due = questions.filter(pl.col("fault").is_not_null()).unique("question_sha256").sort(_ROW[0])
    if run.is_dry or due.is_empty():
        return None
    known = _known(run, due)
    open_ = due.join(known, on="question_sha256", how="anti")
    parts = [_asked(run.lake.settings, part) for part in open_.partition_by("engine")]
    found = pl.concat([known, *parts])
    new = pl.concat([known.clear(), *parts]).drop_nulls("answer").drop("fault")
    new = new.join(due.drop("fault"), on="question_sha256")
    if new.height:
        _record(run, new.sort("question_sha256"))
    return found


def _known(run: Run, due: pl.DataFrame) -> pl.DataFrame:
    """Answers recorded since the run was pinned, by a step of it that is repeated (ANSWERS)."""
    with run.lake.session() as session:
        found = session.execute(
            "select question_sha256, answer, null::varchar as fault from lake.facts.tax_answers "
            "where list_contains(?, question_sha256)",
            [due["question_sha256"].to_list()],
        ).pl()
    return found.select(pl.col(name).cast(kind) for name, kind in ANSWERS.items())


def is_waiting(db: duckdb.DuckDBPyConnection) -> bool:
    """Whether a draft of the last run has no answer, so that another run may get it."""
    return db.execute(WAITING).fetchone() is not None


def _asked(settings: Settings, due: pl.DataFrame) -> pl.DataFrame:
    """The answers of one engine to its questions; ANSWERS."""
    name = str(due["engine"][0])
    rows = list(due.select(_ROW).iter_rows())
    try:
        engine_of(settings, name)
        workers = min(settings.file.tax_engines[name].parallel, len(rows))
    except MeterhouseError as error:
        told = [(sha, None, _sentence(error)) for sha, _ in rows]
        return pl.DataFrame(told, schema=dict(ANSWERS), orient="row")
    down: dict[str, str] = {}
    lock = threading.Lock()

    def share(number: int) -> list[tuple[str, str | None, str | None]]:
        # Connections are not shared between threads.
        return list(_answers(engine_of(settings, name), rows[number::workers], down, lock))

    with ThreadPoolExecutor(max_workers=workers) as pool:
        shares = [row for part in pool.map(share, range(workers)) for row in part]
    return pl.DataFrame(shares, schema=dict(ANSWERS), orient="row")


def _answers(
    engine: TaxEngine, rows: Sequence[tuple[str, str]], down: dict[str, str], lock: threading.Lock
) -> Iterator[tuple[str, str | None, str | None]]:
    """Each question with its answer or its fault; once the engine is down nobody asks on."""
    for sha, question in rows:
        why = down.get("why")
        if why is not None:
            yield sha, None, why
            continue
        try:
            yield sha, engine.ask(question), None
        except SourceUnavailable as error:
            with lock:
                down.setdefault("why", _sentence(error))
            yield sha, None, _sentence(error)
        except MeterhouseError as error:
            yield sha, None, _sentence(error)


def _sentence(error: MeterhouseError) -> str:
    return getattr(error, "reason", str(error))


def _record(run: Run, new: pl.DataFrame) -> None:
    def write(commit: Commit) -> None:
        commit.db.register("frame_in", new.to_arrow())
        commit.append(
            "tax_answers",
            "select question_sha256, engine, question, answer, ?::timestamptz as asked_at "
            "from frame_in",
            [run.lake.settings.now()],
        )
        commit.db.unregister("frame_in")

    with run.lake.session() as session:
        run.lake.commit(session, write, takes_number=False)
