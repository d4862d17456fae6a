"""What can be said of a line whose meter is a model: which model it is, and what it gave."""

import hashlib
import json
from typing import Any

import duckdb

from meterhouse.catalog.fields import plain
from meterhouse.errors import MeterhouseError
from meterhouse.lake import Lake
from meterhouse.run.context import code_hash
from meterhouse.run.reading import Reading


def sql_measure(
    lake: Lake,
    db: duckdb.DuckDBPyConnection,
    reading: Reading,
    line: dict[str, Any],
    run_id: str,
) -> dict[str, Any]:
    """`measure` and no `days`: the recorded quantity, the model and the SHA-256 of its SQL as dbt
    compiles it now, and whether all code is what it was in the document's run."""
    model = reading.meter_of(line["meter_id"], line["meter_version"])["model"]
    digest, fault = _compiled(lake, model)
    is_same = _code_then(db, run_id) == code_hash(lake.settings.models)
    says = (
        f"Model {model} reads tables and not single events, so the quantity is shown as it was "
        "recorded. "
    )
    says += (
        "The code is the one that the document's run had."
        if is_same
        else "The code is not the one that the document's run had, so the model may be another."
    )
    measure = {
        "aggregation": "sql",
        "model": model,
        "compiled_sha256": digest,
        "is_same_code": is_same,
        "quantity": None,
        "recorded": {"quantity": plain(line["quantity"]), "event_count": line["event_count"]},
        "agrees": None,
        "says": [says, *([fault] if fault else [])],
    }
    return {"measure": measure, "days": []}


def _compiled(lake: Lake, model: str) -> tuple[str | None, str | None]:
    """The hash of the compiled SQL, or the sentence that says why there is none."""
    from meterhouse.run import dbt
    from meterhouse.run.meter_models import meter_models

    try:
        node = meter_models(dbt.compiled(lake.settings, [model])).get(model)
    except MeterhouseError as error:
        return None, f"It could not be compiled: {error}"
    if node is None or not node.compiled_code:
        return None, "There is no such model in the home any more."
    return hashlib.sha256(str(node.compiled_code).encode()).hexdigest(), None


def _code_then(db: duckdb.DuckDBPyConnection, run_id: str) -> str | None:
    row = db.execute(
        "select content from lake.facts.manifests where run_id = ? "
        "order by batch_seq desc, row_no desc limit 1",
        [run_id],
    ).fetchone()
    return None if row is None else json.loads(row[0])["code_sha256"]
