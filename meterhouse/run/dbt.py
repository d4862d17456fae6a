"""dbt inside this process: one parsed manifest, no child process, no re-parse between calls."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from meterhouse.duck import threads_of
from meterhouse.errors import MeterhouseError
from meterhouse.installation import dbt_project_dir
from meterhouse.run.context import Run
from meterhouse.run.meter_models import link
from meterhouse.run.own_models import joined, models_hash, refuse_shadows
from meterhouse.settings import Settings, set_for_dbt

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

# dbt keeps global state: never two invocations at once.
_lock = threading.Lock()
# What the profile reads while parsing: constant, or every run would parse the project again.
NEUTRAL = {
    # dbt writes the file's stem into every node, so all warehouses are called warehouse.duckdb.
    "METERHOUSE_WAREHOUSE": "warehouse.duckdb",
    "METERHOUSE_LAKE": ":memory:",
    "METERHOUSE_LAKE_DATA": "",
    "METERHOUSE_LAKE_SNAPSHOT": "0",
    "METERHOUSE_LEFT_OUT": "",
    "METERHOUSE_FOLD_FROM": "0",
    "METERHOUSE_MEMORY_LIMIT": "1GB",
    "METERHOUSE_THREADS": "1",
    "METERHOUSE_TEMPORARY": ".tmp",
}
# No files of results but for the pages, and no list of the relations of schemas that are not built.
BUILD_FLAGS = ("--no-write-json", "--cache-selected-only")


class DbtFailed(MeterhouseError):
    """A model or a test of the dbt project that did not succeed."""

    exit_code = 3

    def __init__(self, failures: Sequence[str]) -> None:
        self.failures = tuple(failures)
        listed = "\n".join(f"  - {failure}" for failure in failures)
        super().__init__(
            f"dbt stopped; it changed derived tables only, never a fact:\n{listed}\n"
            "Correct the cause and run again; the warehouse may be deleted at any time."
        )


class NodeResult(NamedTuple):
    """What became of one model or test."""

    unique_id: str
    status: str
    message: str
    failures: int
    seconds: str


def build(
    run: Run,
    select: Sequence[str],
    *,
    fold_from: int = 0,
    tell: Callable[[Any], None] | None = None,
) -> list[NodeResult]:
    """`dbt build` of the selected models and their tests on the run's warehouse."""
    kinds = ("--exclude-resource-type", "unit_test")
    arguments = ["build", *BUILD_FLAGS, *kinds, "--select", *select]
    return _on_warehouse(run, arguments, fold_from, tell)


def unit_tests(run: Run) -> list[NodeResult]:
    """Every unit test of the project; what they mock must have been built in the warehouse."""
    return _on_warehouse(run, ["test", "--select", "test_type:unit"], 0, None)


def document(run: Run) -> Path:
    """`dbt docs generate` on the run's warehouse; returns the one file that holds every page."""
    _on_warehouse(run, ["docs", "generate", "--static"], 0, None)
    return run.lake.settings.temporary / "dbt" / "static_index.html"


def _on_warehouse(
    run: Run, arguments: list[str], fold_from: int, tell: Callable[[Any], None] | None
) -> list[NodeResult]:
    settings = run.lake.settings
    with _lock:
        manifest = _manifest_of(settings)
        set_for_dbt(
            {
                **run.lake.attach_options(run.pin),
                "METERHOUSE_WAREHOUSE": str(run.warehouse.path),
                "METERHOUSE_FOLD_FROM": str(fold_from),
                "METERHOUSE_MEMORY_LIMIT": settings.file.memory_limit,
                "METERHOUSE_THREADS": str(threads_of(settings)),
                "METERHOUSE_TEMPORARY": str(settings.temporary),
                "METERHOUSE_MODELS": _folder(settings.models),
            }
        )
        result = _invoke(_project(settings), settings.temporary / "dbt", arguments, manifest, tell)
    results = [_node(node) for node in getattr(result.result, "results", [])]
    if not result.success:
        bad = [f"{n.unique_id}: {n.message}" for n in results if n.status in ("error", "fail")]
        raise DbtFailed(bad or [str(result.exception)])
    return results


def parsed(settings: Settings) -> "Manifest":
    """The manifest of the project."""
    with _lock:
        return _manifest_of(settings)


def compiled(settings: Settings, names: Sequence[str]) -> "Manifest":
    """The manifest with the SQL of the named models in it; no database is opened or asked."""
    with _lock:
        manifest = _manifest_of(settings)
        set_for_dbt({**NEUTRAL, "METERHOUSE_MODELS": _folder(settings.models)})
        arguments = ["compile", "--no-introspect", "--no-populate-cache", "--select", *names]
        result = _invoke(_project(settings), settings.temporary / "dbt", arguments, manifest, None)
    if not result.success:
        raise DbtFailed([str(result.exception)])
    return manifest


def _manifest_of(settings: Settings) -> "Manifest":
    return _parse(_project(settings), settings.models, settings.temporary / "dbt")


def _folder(own: Path | None) -> str:
    """What models_file puts before a name; a macro of ours has no slash, which divides."""
    return f"{own or 'no_models'}/"


def _project(settings: Settings) -> Path:
    """Our project, or one of the home that joins it with the models of its own."""
    ours = dbt_project_dir(settings.dbt_project)
    if settings.models is None:
        return ours
    refuse_shadows(ours, settings.models)
    return joined(ours, settings.models, settings.temporary / "dbt" / "project")


# By project and folder of own models: what the folder held, and the manifest of both.
_manifests: dict[tuple[Path, Path | None], tuple[str, "Manifest"]] = {}


def _parse(project: Path, own: Path | None, target: Path) -> "Manifest":
    """The project parsed once per process and state of the own models.

    Homes without models of their own share it, because nothing of a home is in it.
    """
    held = models_hash(own)
    known = _manifests.get((project, own))
    if known is not None and known[0] == held:
        return known[1]
    set_for_dbt({**NEUTRAL, "METERHOUSE_MODELS": _folder(own)})
    result = _invoke(project, target, ["parse"], None, None)
    if not result.success:
        raise DbtFailed([str(result.exception)])
    link(result.result)
    _manifests[project, own] = held, result.result
    manifest: Manifest = result.result
    return manifest


def _invoke(
    project: Path,
    target: Path,
    arguments: list[str],
    manifest: "Manifest | None",
    tell: Callable[[Any], None] | None,
) -> Any:
    from dbt.cli.main import dbtRunner  # 3 s of imports: only runs that need dbt pay for it.

    target.mkdir(parents=True, exist_ok=True)
    paths = {
        "--project-dir": project,
        "--profiles-dir": project,
        "--target-path": target,
        "--log-path": target,
    }
    flags = [part for name, path in paths.items() for part in (name, str(path))]
    callbacks = [] if tell is None else [tell]
    runner = dbtRunner(manifest=manifest, callbacks=callbacks)
    try:
        with _quiet():
            return runner.invoke(
                [*arguments, *flags, "--quiet", "--no-use-colors", "--log-level-file", "none"]
            )
    finally:
        _release()


def _release() -> None:
    """Close the warehouse file, which dbt would hold until the process ends."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    manager: Any = DuckDBConnectionManager  # dbt-duckdb has no types here.
    if manager._ENV is not None:
        manager._ENV.close()
        manager.close_all_connections()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """dbt changes the working folder's logs and prints to stdout, which belongs to `--json`."""
    with Path(os.devnull).open("w") as sink, contextlib.redirect_stdout(sink):
        yield


def _node(node: Any) -> NodeResult:
    return NodeResult(
        node.node.unique_id,
        str(node.status),
        str(node.message or ""),
        int(node.failures or 0),
        f"{node.execution_time:.2f}",
    )
