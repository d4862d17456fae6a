"""The instance's settings in dagster.yaml and the workspace are ones that Dagster takes."""

import shutil
import tomllib
from pathlib import Path

import yaml
from dagster import DagsterInstance
from dagster._core.run_coordinator.queued_run_coordinator import QueuedRunCoordinator

ROOT = Path(__file__).parents[1]


def test_one_run_at_a_time_is_queued_monitored_and_retried(tmp_path):
    shutil.copy(ROOT / "dagster.yaml", tmp_path)
    with DagsterInstance.from_config(str(tmp_path)) as instance:
        concurrency = instance.get_concurrency_config()
        assert isinstance(instance.run_coordinator, QueuedRunCoordinator)
        assert concurrency.run_queue_config.max_concurrent_runs == 1
        assert concurrency.pool_config.default_pool_limit == 1
        assert instance.run_monitoring_enabled
        assert instance.run_retries_enabled
        assert instance.run_retries_max_retries == 2
        assert not instance.telemetry_enabled


def test_workspace_and_pyproject_name_the_same_definitions():
    workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text())
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    module = workspace["load_from"][0]["python_module"]["module_name"]
    assert module == "pipelines.definitions"
    assert tool["dagster"]["module_name"] == module
    assert tool["dg"]["project"]["code_location_target_module"] == module
