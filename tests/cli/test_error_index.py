"""Every error that can be shown has a section in the index, with its exit code and its remedy."""

import importlib
import pkgutil
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from meterhouse.cli import faults
from meterhouse.cli.main import cli
from meterhouse.cli.progress import Stopped
from meterhouse.errors import Busy, MeterhouseError

INDEX = (Path(__file__).parents[2] / "docs" / "errors.md").read_text()
PACKAGES = ("meterhouse", "connectors")


def sections():
    """Heading to text of every error in the index."""
    parts = re.split(r"(?m)^### (\w+)\n", INDEX)
    return {
        name: text.split("\n## ")[0] for name, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def subclasses(kind):
    found = {kind}
    for one in kind.__subclasses__():
        found |= subclasses(one)
    return found


@pytest.fixture(scope="module")
def errors():
    """Every deliberate error of the product, in whatever module it is defined."""
    for package in PACKAGES:
        root = importlib.import_module(package)
        for module in pkgutil.walk_packages(root.__path__, f"{package}."):
            importlib.import_module(module.name)
    return {one.__name__: one for one in subclasses(MeterhouseError) if is_ours(one)}


def is_ours(kind):
    return kind.__module__.split(".")[0] in PACKAGES


@pytest.mark.slow
def test_every_deliberate_error_is_in_the_index_with_its_exit_code(errors):
    index = sections()
    assert errors.keys() >= {"Busy", "DbtFailed", "FileRejected", "Unanswered"}
    missing = [
        name
        for name, kind in errors.items()
        if f"Exit code {kind.exit_code}." not in index.get(name, "")
    ]
    assert missing == [], "write a section `### NAME` for each in docs/errors.md"


def test_every_section_of_the_index_says_what_to_do():
    assert [name for name, text in sections().items() if "Remedy:" not in text] == []


@pytest.mark.slow
def test_the_index_describes_no_error_that_is_not_there(errors):
    surroundings = {"Call", "Engine", "Memory", "System", "Stopped", "Bug"}
    assert set(sections()) - surroundings == set(errors)


@pytest.mark.parametrize(
    "error",
    [
        Busy("run", 1, "process 1"),
        click.UsageError("x"),
        click.Abort(),
        Stopped("Stopped."),
        KeyboardInterrupt(),
        OSError(28, "No space left on device"),
        ValueError("odd"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_fault_names_a_section_that_is_there(error):
    fault = faults.fault_of(error)
    (name,) = [name for name in sections() if name.lower() == fault.anchor]
    assert f"Exit code {fault.exit_code}." in sections()[name]


def test_faults_of_the_engine_name_their_sections():
    import duckdb

    locked = faults.fault_of(duckdb.IOException("IO Error: Could not set lock on file"))
    full = faults.fault_of(duckdb.OutOfMemoryException("x"))
    assert (locked.docs, full.docs) == ("errors.md#engine", "errors.md#memory")


def test_an_error_ends_with_its_place_in_the_index(tmp_path):
    done = CliRunner().invoke(cli, ["--home", str(tmp_path), "plan"])
    assert done.stderr.splitlines()[-1] == "docs: errors.md#usageerror"
