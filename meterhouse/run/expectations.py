"""Great Expectations on small frames: loads and days of usage, and drafts; never on raw events.

The expectations are documents (suites.py), the frames come from profiles.py. Results are stored
like those of checks, so a failed blocking one holds back issuing. Importing Great Expectations
costs 6-9 s and 260 MB: that is paid only for content that was not judged before.
"""

import logging
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import duckdb
import polars as pl

from meterhouse.canonical import canonical_json, sha256_text
from meterhouse.errors import UsageError
from meterhouse.nearest import did_you_mean
from meterhouse.run.checks import store_results
from meterhouse.run.context import Run
from meterhouse.run.profiles import NOTHING, frames, meters_of
from meterhouse.run.suites import Expectation, Suite, SuiteFile, load_suites
from meterhouse.settings import set_for_dbt

COLUMNS = ("check_name", "scope_kind", "scope_id", "is_blocking", "passed", "numbers", "sentence")
# What names a row in a sentence, where the frame has it.
NAMES = ("source", "name", "event_day", "draft_id")
Meters = Mapping[str, Sequence[str]]
# Results of the newest run that judged the same content by the same expectations.
JUDGED = f"""
select {", ".join(COLUMNS)} from facts.check_results where numbers->>'$.input' = ?
qualify run_id = last_value(run_id) over (
    order by batch_seq, row_no rows between unbounded preceding and unbounded following
)
"""


def run_expectations(run: Run, db: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """Judge loads, days and drafts and store the results as facts; one row per result."""
    files = load_suites(run.lake.settings)
    made = frames(db, files)
    meters = meters_of(db)
    results = [_judged(db, file, _of_sources(file.suite, made), meters) for file in files]
    stamped = pl.concat([_frame([]), *results]).with_columns(
        run_id=pl.lit(run.run_id), through=pl.lit(run.through)
    )
    return store_results(run, stamped)


def _of_sources(suite: Suite, made: dict[str, pl.DataFrame]) -> pl.DataFrame:
    frame = made[suite.batch]
    return frame if suite.named is None else frame.filter(pl.col("source").is_in(suite.named))


def _judged(
    db: duckdb.DuckDBPyConnection, file: SuiteFile, frame: pl.DataFrame, meters: Meters
) -> pl.DataFrame:
    """Nothing to judge and content judged before cost no import."""
    if not frame.height:
        sentence = f"Holds: {NOTHING[file.suite.batch]}."
        return _frame([(f"expectations_on_{file.name}", "run", "run", True, True, "{}", sentence)])
    known = db.execute(JUDGED, [_digest(file.suite, frame, meters)]).pl()
    return known if known.height else judge(file.suite, frame, meters)


def _digest(suite: Suite, frame: pl.DataFrame, meters: Meters) -> str:
    rows = frame.select(pl.struct(pl.all().cast(pl.String)).struct.json_encode()).to_series()
    is_held = any(one.scope == "meter" for one in suite.expectations)
    held = {source: list(names) for source, names in meters.items()} if is_held else {}
    return sha256_text(suite.model_dump_json() + canonical_json(held) + "\n".join(rows))


def judge(suite: Suite, frame: pl.DataFrame, meters: Meters | None = None) -> pl.DataFrame:
    """Validate a frame; one row per expectation that holds, per scope where it does not.

    `meters` says which meters read what a source delivers, for expectations of scope meter.
    """
    digest = _digest(suite, frame, meters or {})
    rows = []
    with warnings.catch_warnings():  # Of its own dependencies; nothing we could do about.
        warnings.simplefilter("ignore", DeprecationWarning)
        for expectation in suite.expectations:
            result = _validated(expectation, frame)
            rows.extend(_rows(expectation, result, digest, frame, meters or {}))
    return _frame(rows)


def check_suite(suite: Suite) -> list[str]:
    """What Great Expectations has against a suite, without any data; empty if nothing."""
    faults = []
    for expectation in suite.expectations:
        try:
            _wanted(expectation)
        except UsageError as error:
            faults.append(str(error))
    return faults


def _frame(rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    kinds = {
        name: pl.Boolean if name in ("is_blocking", "passed") else pl.String for name in COLUMNS
    }
    return pl.DataFrame(rows, schema=kinds, orient="row")


def _rows(
    expectation: Expectation, result: Any, digest: str, frame: pl.DataFrame, meters: Meters
) -> list[tuple[Any, ...]]:
    found = result.result or {}
    counts = {
        "checked": found.get("element_count"),
        "unexpected": found.get("unexpected_count"),
        "input": digest,
    }
    common = (expectation.blocking, bool(result.success), canonical_json(counts))
    if result.success:
        return [(expectation.name, "run", "run", *common, f"Holds: {expectation.claim}.")]
    return [
        (expectation.name, kind, scope_id, *common, _sentence(expectation, kind, scope_id, found))
        for kind, scope_id in _scopes(expectation, _named_rows(found), frame, meters)
    ]


def _named_rows(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows that failed, by the columns that name them; none where a whole column failed."""
    rows = found.get("unexpected_index_list") or []
    return [row for row in rows if isinstance(row, dict)]


def _scopes(
    expectation: Expectation, rows: list[dict[str, Any]], frame: pl.DataFrame, meters: Meters
) -> list[tuple[str, str]]:
    """What a failure lies in; the whole run where the rows do not say."""
    ids: set[Any]
    if expectation.scope == "meter":
        sources = [row.get("source") for row in rows] or frame["source"].to_list()
        ids = {meter for one in sources for meter in (meters.get(str(one)) or (None,))}
    else:
        ids = {row.get(f"{expectation.scope}_id") for row in rows}
    known = sorted(one for one in ids if isinstance(one, str))
    if expectation.scope == "run" or not ids or len(known) != len(ids):
        return [("run", "run")]
    return [(expectation.scope, one) for one in known]


def _sentence(expectation: Expectation, kind: str, scope_id: str, found: dict[str, Any]) -> str:
    values = found.get("partial_unexpected_list") or []
    labels = [
        " ".join(str(row[name]) for name in NAMES if row.get(name) is not None)
        for row in _named_rows(found)
    ]
    shown = [
        f"{_plain(value)}{f' in {label}' if label else ''}"
        for value, label in zip(values[:3], [*labels, "", "", ""], strict=False)
    ]
    observed = ", ".join(shown) or _plain(found.get("observed_value"))
    return (
        f"Check {expectation.name} failed for {kind} {scope_id}: it should hold that "
        f"{expectation.claim}, but {observed} was found. {expectation.remedy}"
    )


def _plain(value: Any) -> str:
    """A whole number without the point that pandas gives it in a column with nulls."""
    return str(value).removesuffix(".0")


def _wanted(expectation: Expectation) -> Any:
    from great_expectations.expectations.registry import (
        get_expectation_impl,
        list_registered_expectation_implementations,
    )

    known = list_registered_expectation_implementations()
    refused = f"Expectation {expectation.name!r} cannot be used:"
    if expectation.expect not in known:
        hint = did_you_mean(expectation.expect, known) or "."
        raise UsageError(
            f"{refused} {expectation.expect!r} is not in the gallery{hint} Nothing was checked."
        )
    try:
        implementation: Any = get_expectation_impl(expectation.expect)
        return implementation(**expectation.arguments)
    except Exception as error:  # Great Expectations raises what its pydantic raises.
        why = " ".join(str(error).split())
        raise UsageError(f"{refused} {why}. Nothing was checked.") from error


def _validated(expectation: Expectation, frame: pl.DataFrame) -> Any:
    batch = _batch_of().get_batch(batch_parameters={"dataframe": frame.to_pandas()})
    wanted = _wanted(expectation)
    named = [one for one in (f"{expectation.scope}_id", *NAMES) if one in frame.columns]
    result = batch.validate(
        wanted, result_format={"result_format": "COMPLETE", "unexpected_index_column_names": named}
    )
    if not result.success and (result.exception_info or {}).get("raised_exception"):
        why = result.exception_info.get("exception_message")
        raise UsageError(f"Expectation {expectation.name!r} cannot be used: {why}.")
    return result


@cache
def _batch_of() -> Any:
    """A definition of batches that are whole frames, in a context that leaves no files."""
    set_for_dbt({"GX_ANALYTICS_ENABLED": "false"})
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    # Its notes on its own folders belong to nobody who runs a bill; importing it sets its levels.
    for name in [n for n in logging.root.manager.loggerDict if n.startswith("great_expectations")]:
        logging.getLogger(name).setLevel(logging.WARNING)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("frames").add_dataframe_asset("frame")
    return asset.add_batch_definition_whole_dataframe("whole")
