"""Tests of one file, and of a folder that shares a session's fixtures, run in one process."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.scheduling import TOGETHER, scope_of

ROOT = Path(__file__).parents[1]
TEST = """
import pytest

@pytest.mark.parametrize("n", range(8))
def test_it(n, worker_id):
    print("ran", "{name}", worker_id)
    assert worker_id != "master"
"""
CONFTEST = """
from tests.scheduling import scheduler

def pytest_xdist_make_scheduler(config, log):
    return scheduler(config, log)
"""


def test_folders_that_stay_together_are_there():
    assert [folder for folder in TOGETHER if not list((ROOT / folder).glob("test_*.py"))] == []


def test_a_file_is_a_scope_and_a_folder_that_stays_together_too():
    assert scope_of("tests/run/test_kept.py::test_a[x::y]") == "tests/run/test_kept.py"
    assert scope_of("tests/dbt/test_marts.py::TestA::test_b") == "tests/dbt/"


@pytest.mark.slow
def test_no_file_is_divided_between_workers(tmp_path):
    (tmp_path / "conftest.py").write_text(CONFTEST)
    for name in "abcd":
        (tmp_path / f"test_{name}.py").write_text(TEST.replace("{name}", name))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", str(tmp_path), "--rootdir", str(tmp_path)),
            *("-c", "/dev/null", "-n", "2", "--dist", "loadgroup", "-rP", "-q"),
            *("-p", "no:cacheprovider"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ran = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("ran ")]
    assert len(ran) == 32
    assert sorted({(name, worker) for name, worker in ran}) == sorted(dict(ran).items())
    assert {worker for _, worker in ran} == {"gw0", "gw1"}
