"""Great Expectations on two small frames: loads of usage and drafts; never on raw events.

The expectations are documents (`expectations/*.yaml` of the home, else the shipped ones). Results
are stored like those of checks, so a failed blocking one holds back issuing. Importing Great
Expectations costs 6-9 s and 260 MB: that is paid only for content that was not judged before.
"""

import logging
import warnings
from functools import cache
from pathlib import Path
from typing import Any, Literal

import duckdb
import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from meterhouse.canonical import canonical_json, sha256_text
from meterhouse.errors import UsageError
from meterhouse.installation import PACKAGE
from meterhouse.run.checks import store_results
from meterhouse.run.context import Run
from meterhouse.run.quarantine import OPEN
from meterhouse.settings import Settings, set_for_dbt

SHIPPED = PACKAGE.parent / "pipelines" / "expectations"
LOADS = f"""
with waiting as (select batch_seq, count(*) as open from ({OPEN}) group by batch_seq)
select
    batch_seq, source, received, accepted, duplicate, conflict, quarantined,
    coalesce(open, 0) as open, 100 * coalesce(open, 0) // greatest(received, 1) as open_percent
from facts.batches left join waiting using (batch_seq)
where kind = 'file'
    and batch_seq > (select coalesce(max(known_at), 0) from facts.documents)
order by batch_seq
"""
BATCHES = {
    "loads": LOADS,
    "drafts": "select * exclude (content) from billing.drafts order by draft_id",
}
NOTHING = {
    "loads": "no file was loaded since documents were last issued",
    "drafts": "the run made no drafts",
}
COLUMNS = ("check_name", "scope_kind", "scope_id", "is_blocking", "passed", "numbers", "sentence")
# Results of the newest run that judged the same content by the same expectations.
JUDGED = f"""
select {", ".join(COLUMNS)} from facts.check_results where numbers->>'$.input' = ?
qualify run_id = last_value(run_id) over (
    order by batch_seq, row_no rows between unbounded preceding and unbounded following
)
"""
Number = int | str | bool | None


class Expectation(BaseModel):
    """One expectation; `scope` is what its failure holds back. Numbers are whole, never floats."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str
    expect: str
    arguments: dict[str, Number | list[Number]] = {}
    scope: Literal["run", "entity", "customer", "contract"] = "run"
    blocking: bool
    claim: str
    remedy: str


class Suite(BaseModel):
    """The expectations on one frame."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    batch: Literal["loads", "drafts"]
    expectations: list[Expectation]


def run_expectations(run: Run, db: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """Judge loads and drafts and store the results as facts; one row per result."""
    suites = load_suites(run.lake.settings)
    results = [_judged(db, suite, db.sql(BATCHES[suite.batch]).pl()) for suite in suites]
    stamped = pl.concat(results).with_columns(
        run_id=pl.lit(run.run_id), through=pl.lit(run.through)
    )
    return store_results(run, stamped)


def load_suites(settings: Settings) -> list[Suite]:
    """The home's documents, if it has any, else the shipped ones."""
    own = settings.home / "expectations"
    return [_suite(path) for path in sorted((own if own.is_dir() else SHIPPED).glob("*.yaml"))]


def _suite(path: Path) -> Suite:
    try:
        return Suite.model_validate(YAML(typ="safe").load(path))
    except YAMLError as error:
        raise UsageError(f"{path} is not YAML: {error}. Nothing was checked.") from error
    except ValidationError as error:
        faults = "\n".join(
            f"  - {'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()
        )
        raise UsageError(f"{path} has faults; nothing was checked:\n{faults}") from error


def _judged(db: duckdb.DuckDBPyConnection, suite: Suite, frame: pl.DataFrame) -> pl.DataFrame:
    """Nothing to judge and content judged before cost no import."""
    if not frame.height:
        sentence = f"Holds: {NOTHING[suite.batch]}."
        return _frame(
            [(f"expectations_on_{suite.batch}", "run", "run", True, True, "{}", sentence)]
        )
    known = db.execute(JUDGED, [_digest(suite, frame)]).pl()
    return known if known.height else judge(suite, frame)


def _digest(suite: Suite, frame: pl.DataFrame) -> str:
    rows = frame.select(pl.struct(pl.all().cast(pl.String)).struct.json_encode()).to_series()
    return sha256_text(suite.model_dump_json() + "\n".join(rows))


def judge(suite: Suite, frame: pl.DataFrame) -> pl.DataFrame:
    """Validate a frame; one row per expectation that holds, per scope where it does not."""
    digest = _digest(suite, frame)
    rows = []
    with warnings.catch_warnings():  # Of its own dependencies; nothing we could do about.
        warnings.simplefilter("ignore", DeprecationWarning)
        for expectation in suite.expectations:
            rows.extend(_rows(expectation, _validated(expectation, frame), digest))
    return _frame(rows)


def _frame(rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")


def _rows(expectation: Expectation, result: Any, digest: str) -> list[tuple[Any, ...]]:
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
        (expectation.name, kind, scope_id, *common, _sentence(expectation, kind, scope_id, result))
        for kind, scope_id in _scopes(expectation, found)
    ]


def _scopes(expectation: Expectation, found: dict[str, Any]) -> list[tuple[str, str]]:
    """What a failure lies in; the whole run where the rows do not say."""
    column = f"{expectation.scope}_id"
    rows = found.get("unexpected_index_list") or []
    ids: set[Any] = {row.get(column) for row in rows if isinstance(row, dict)}
    if expectation.scope == "run" or not ids or not all(isinstance(one, str) for one in ids):
        return [("run", "run")]
    return [(expectation.scope, one) for one in sorted(ids)]


def _sentence(expectation: Expectation, kind: str, scope_id: str, result: Any) -> str:
    values = (result.result or {}).get("partial_unexpected_list") or []
    observed = (result.result or {}).get("observed_value")
    shown = ", ".join(str(value) for value in values[:3]) or str(observed)
    return (
        f"Check {expectation.name} failed for {kind} {scope_id}: it should hold that "
        f"{expectation.claim}, but {shown} was found. {expectation.remedy}"
    )


def _validated(expectation: Expectation, frame: pl.DataFrame) -> Any:
    from great_expectations.expectations.registry import get_expectation_impl

    batch = _batch_of().get_batch(batch_parameters={"dataframe": frame.to_pandas()})
    try:
        implementation: Any = get_expectation_impl(expectation.expect)
        wanted = implementation(**expectation.arguments)
    except Exception as error:  # Great Expectations raises what its pydantic raises.
        raise UsageError(
            f"Expectation {expectation.name!r} cannot be used: {error}. Nothing was checked."
        ) from error
    scope = f"{expectation.scope}_id"
    named = [scope] if scope in frame.columns else []
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
