"""A run started over the web server's GraphQL API issues the invoice.

The instance is ours but for the queue: a queued run would need the daemon as well, and the queue
is Dagster's own.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow
LAUNCH = """
mutation ($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}
"""
STATUS = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"


def ask(url, query, **variables):
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(
        f"{url}/graphql", body, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["data"]


def wait_for(look, seconds, what):
    """The first answer of `look` that is not None."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found is not None:
            return found
        time.sleep(0.5)
    raise AssertionError(f"{what} took longer than {seconds} s")


@pytest.fixture
def server(new_home, tmp_path):
    """The address of a web server on a home; its process group ends with the test."""
    lake = new_home()
    instance = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    del instance["concurrency"]["runs"]
    instance["run_coordinator"] = {
        "module": "dagster.core.run_coordinator",
        "class": "DefaultRunCoordinator",
    }
    folder = tmp_path / "dagster"
    folder.mkdir()
    (folder / "dagster.yaml").write_text(yaml.safe_dump(instance))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "dagster_webserver", "-m", "pipelines.definitions"]
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            cwd=ROOT,
            env=os.environ | {"DAGSTER_HOME": str(folder)},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: version(url), 120, "the start of the web server")
        yield lake, url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(20)


def version(url):
    try:
        return ask(url, "{ version }")["version"]
    except (urllib.error.URLError, ConnectionError):
        return None


@pytest.mark.soak
def test_a_run_started_over_the_api_issues_the_invoice(server, documents):
    lake, url = server
    job = {
        "repositoryLocationName": "pipelines.definitions",
        "repositoryName": "__repository__",
        "pipelineName": "bill",
    }
    tags = [{"key": "dagster/partition", "value": "2023-12-01"}]
    params = {"selector": job, "mode": "default", "executionMetadata": {"tags": tags}}
    launched = ask(url, LAUNCH, params=params)["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    run_id = launched["run"]["runId"]

    def ended():
        status = ask(url, STATUS, id=run_id)["runOrError"]["status"]
        return status if status in ("SUCCESS", "FAILURE", "CANCELED") else None

    assert wait_for(ended, 180, "the run") == "SUCCESS"
    assert [number for number, _ in documents(lake)] == ["acme-ai-2023-000001"]
