"""dbt's models and tests as assets and asset checks, run inside this process.

The definitions come from dagster-dbt, the work is done by `meterhouse.run.dbt`: one parsed
manifest, no child process. The import from `dagster_dbt.core` is internal to dagster-dbt,
which is pinned exactly; tests/pipelines/test_bill_job.py covers it.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings
from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage

from meterhouse.errors import UsageError
from meterhouse.installation import dbt_project_dir
from meterhouse.run.context import versions
from meterhouse.run.dbt import DbtFailed, NodeResult, parsed
from meterhouse.run.own_models import models_hash
from meterhouse.settings import HomeFile, Settings

RESULTS = {"LogModelResult", "LogSeedResult", "LogTestResult"}
GROUPS = {"staging": "usage", "usage": "usage", "meters": "usage"}
Hear = Callable[[Any], None]
Metadata = dict[str, Any]


class Translator(DagsterDbtTranslator):
    """Names an asset like its table: schema, then name."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """Plans of the fold are made by the run and belong to it."""
        schema = dbt_resource_props["schema"]
        if dbt_resource_props["resource_type"] == "source" and schema == "ops":
            return dg.AssetKey(["ops", "run"])
        return dg.AssetKey([schema, dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """The subject: staging and usage are one."""
        return GROUPS.get(dbt_resource_props["schema"], "marts")

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        """Money is the finance team's, usage the billing team's."""
        return ["team:billing" if dbt_resource_props["schema"] in GROUPS else "team:finance"]

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """The model's own description, without its SQL."""
        return dbt_resource_props.get("description") or f"Model {dbt_resource_props['name']}."


TRANSLATOR = Translator(
    # Several sources of ops are one asset.
    settings=DagsterDbtTranslatorSettings(enable_duplicate_source_asset_keys=True)
)


def load_manifest() -> dict[str, Any]:
    """The parsed project; kept in the home under its hash, so that most starts parse nothing."""
    try:
        settings = Settings.load()
    except UsageError:  # No home: the definitions load all the same.
        with tempfile.TemporaryDirectory() as folder:
            return _parsed(Settings(Path(folder), HomeFile()))
    kept = settings.temporary / "dbt" / f"definitions-{_project_hash(settings)}.json"
    if not kept.is_file():
        _keep(kept, _parsed(settings))
    manifest: dict[str, Any] = json.loads(kept.read_text())
    return manifest


def _keep(kept: Path, manifest: dict[str, Any]) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    for old in kept.parent.glob("definitions-*.json"):
        old.unlink(missing_ok=True)
    temporary = kept.with_name(f".{kept.name}.{os.getpid()}.part")
    temporary.write_text(json.dumps(manifest))
    temporary.replace(kept)


def _parsed(settings: Settings) -> dict[str, Any]:
    manifest = json.loads(json.dumps(parsed(settings).writable_manifest().to_dict()))
    for node in manifest["nodes"].values():
        _give_place(node)
    return dict(manifest)


def _give_place(node: dict[str, Any]) -> None:
    """A claim over several models is shown on the first: Dagster wants one asset per check."""
    models = [name for name in node["depends_on"].get("nodes", ()) if name.startswith("model.")]
    if node["resource_type"] == "test" and not node.get("attached_node") and models:
        node["config"].setdefault("meta", {})["dagster"] = {
            "ref": {"name": sorted(models)[0].rsplit(".", 1)[-1]}
        }


def _project_hash(settings: Settings) -> str:
    project = dbt_project_dir(settings.dbt_project)
    own = models_hash(settings.models)
    digest = hashlib.sha256(json.dumps([str(project), own, versions()]).encode())
    for path in sorted(path for path in project.rglob("*") if path.is_file()):
        digest.update(path.relative_to(project).as_posix().encode() + b"\0" + path.read_bytes())
    digest.update(Path(__file__).read_bytes())
    return digest.hexdigest()[:16]


MANIFEST = load_manifest()


def reported(
    context: dg.AssetExecutionContext,
    build: Callable[[Hear], list[NodeResult]],
    describe: Callable[[Iterable[dg.AssetKey]], Mapping[dg.AssetKey, Metadata]],
) -> Iterator[Any]:
    """Call `build`, then yield its results as Dagster's events, also those before a failure.

    `describe` gives the metadata of the selected assets after the build. An asset that was not
    built, because nothing had changed, is reported as unchanged.
    """
    events: list[dict[str, Any]] = []
    failure: DbtFailed | None = None
    try:
        build(partial(_keep_result, events))
    except DbtFailed as error:
        failure = error
    missing = set(context.selected_asset_keys)
    shown = describe(missing) if failure is None else {}
    for event in (event for raw in events for event in _converted(context, raw)):
        if isinstance(event, dg.AssetCheckResult):
            yield event
        elif isinstance(event, dg.Output):
            key = context.asset_key_for_output(event.output_name)
            missing.discard(key)
            yield _output(key, {**event.metadata, **shown.get(key, {})})
    if failure is not None:
        raise dg.Failure(str(failure), allow_retries=False) from failure
    if not events:
        yield from _unchanged_checks(context)
    for key in _in_order(context, missing):
        yield _output(key, {"status": "unchanged", **shown.get(key, {})})


def _unchanged_checks(context: dg.AssetExecutionContext) -> Iterator[dg.AssetCheckResult]:
    """Tables that stand as they were built passed their tests then, or they would not stand."""
    for key in sorted(context.selected_asset_check_keys):
        yield dg.AssetCheckResult(
            passed=True,
            asset_key=key.asset_key,
            check_name=key.name,
            metadata={"status": "unchanged"},
        )


def _keep_result(events: list[dict[str, Any]], event: Any) -> None:
    from google.protobuf.json_format import MessageToDict

    if event.info.name in RESULTS:
        events.append(MessageToDict(event, preserving_proto_field_name=True))


def _output(key: dg.AssetKey, metadata: Metadata) -> dg.Output[None]:
    return dg.Output(None, key.to_python_identifier(), metadata=metadata)


def _in_order(
    context: dg.AssetExecutionContext, keys: Iterable[dg.AssetKey]
) -> Iterable[dg.AssetKey]:
    """Dagster wants what comes first in the graph first."""
    wanted = set(keys)
    deps = context.assets_def.asset_deps
    return TopologicalSorter({key: sorted(deps[key] & wanted) for key in wanted}).static_order()


def _converted(context: dg.AssetExecutionContext, raw: dict[str, Any]) -> Iterator[Any]:
    """What was selected of one result of dbt: an output, or a check's result."""
    message = DbtCoreCliEventMessage(raw_event=raw, event_history_metadata={})
    wanted = context.op_execution_context.selected_output_names
    for event in message.to_default_asset_events(
        manifest=MANIFEST, dagster_dbt_translator=TRANSLATOR, context=context
    ):
        if not isinstance(event, dg.Output) or event.output_name in wanted:
            yield event
