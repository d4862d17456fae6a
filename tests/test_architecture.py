"""Imports point inward, and the environment is read in one place."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("meterhouse", "connectors", "assets", "pipelines")

HTTP = {
    "flask",
    "fastapi",
    "starlette",
    "uvicorn",
    "requests",
    "httpx",
    "urllib3",
    "http",
    "socket",
}
ENGINES = {"duckdb", "dbt", "dagster", "dagster_dbt", "boto3", "botocore", "great_expectations"}
EDGE_NAMES = (
    "lake lake_heads lake_planning lake_tables lake_views warehouse dedupe duck exact run "
    "cli web demo"
)
EDGES = {f"meterhouse.{name}" for name in EDGE_NAMES.split()}
ORCHESTRATION = {"dagster", "dagster_dbt", "assets", "pipelines"}
ENTRANCES = {"meterhouse.cli", "meterhouse.web"}
SUBJECTS = {
    f"meterhouse.{folder.name}"
    for folder in (ROOT / "meterhouse").iterdir()
    if (folder / "__init__.py").exists()
}

STORE = ORCHESTRATION | ENTRANCES | HTTP | {"dbt", "connectors", "meterhouse.run"}

# What a room may not import. A module belongs to the longest name that fits, so all of meterhouse
# that is not named is core.
MAY_NOT_IMPORT = {
    "meterhouse": ENGINES | HTTP | EDGES | {"connectors", "assets", "pipelines"},
    # It proves the first rater, so it shares no subject with it.
    "meterhouse.second_rater": ENGINES
    | HTTP
    | EDGES
    | SUBJECTS
    | {"connectors", "assets", "pipelines"},
    "meterhouse.lake": STORE,
    "meterhouse.lake_heads": STORE,
    "meterhouse.lake_planning": STORE,
    "meterhouse.lake_tables": STORE,
    "meterhouse.lake_views": STORE,
    "meterhouse.warehouse": STORE,
    "meterhouse.dedupe": STORE,
    "meterhouse.duck": STORE,
    "meterhouse.exact": STORE,
    "meterhouse.settings": ENGINES | HTTP | EDGES | {"connectors", "assets", "pipelines"},
    "meterhouse.run": ORCHESTRATION | ENTRANCES | HTTP,
    # The demo writes a home and takes it through the steps of a run, as a person would.
    "meterhouse.demo": ORCHESTRATION | ENTRANCES | HTTP | {"dbt", "connectors"},
    "meterhouse.cli": {"pipelines", "assets", "dagster", "dagster_dbt", "meterhouse.web"},
    "meterhouse.web": ORCHESTRATION | {"meterhouse.cli", "duckdb", "dbt"},
    # A connector knows the leaf modules (errors, canonical, money, …) and no subject.
    "connectors": ORCHESTRATION
    | EDGES
    | SUBJECTS
    | {"dbt", "great_expectations", "meterhouse.settings"},
    "assets": ENTRANCES | {"pipelines"},
    "pipelines": ENTRANCES,
}
READS_THE_ENVIRONMENT = {"meterhouse.settings", "meterhouse.failpoints"}


def module_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def files(package):
    return [path for path in (ROOT / package).rglob("*.py") if "_dbt_project" not in path.parts]


@cache
def parsed(path):
    return ast.parse(path.read_text(), str(path))


def imported(tree, package):
    """Every dotted name that the tree may import; `from a import b` gives `a` and `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*(parents if node.level else []), *filter(None, [node.module])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def within(name, room):
    return name == room or name.startswith(room + ".")


def room_of(module):
    return max((room for room in MAY_NOT_IMPORT if within(module, room)), key=len)


def forbidden(module, tree, package):
    return {
        name
        for name in imported(tree, package)
        for room in MAY_NOT_IMPORT[room_of(module)]
        if within(name, room) and not within(module, room)
    }


def package_of(path):
    return ".".join(path.relative_to(ROOT).parent.parts)


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_inward(package):
    found = {
        module_of(path): names
        for path in files(package)
        if (names := forbidden(module_of(path), parsed(path), package_of(path)))
    }
    assert found == {}


def test_nothing_but_pipelines_and_tests_imports_pipelines():
    others = [path for package in PACKAGES if package != "pipelines" for path in files(package)]
    importers = [
        module_of(path)
        for path in others
        if any(within(name, "pipelines") for name in imported(parsed(path), package_of(path)))
    ]
    assert importers == []


@pytest.mark.parametrize(
    ("module", "source", "package", "names"),
    [
        (
            "meterhouse.pricing.flat",
            "import duckdb.typing",
            "meterhouse.pricing",
            {"duckdb.typing"},
        ),
        (
            "meterhouse.pricing.flat",
            "from .. import lake",
            "meterhouse.pricing",
            {"meterhouse.lake"},
        ),
        ("meterhouse.money", "from meterhouse import run", "meterhouse", {"meterhouse.run"}),
        ("meterhouse.run.bill", "from meterhouse import lake", "meterhouse.run", set()),
        ("meterhouse.run.bill", "def f():\n    import dagster", "meterhouse.run", {"dagster"}),
        ("meterhouse.run.bill", "from .load import load", "meterhouse.run", set()),
        ("meterhouse.money", "import runner, dbtx", "meterhouse", set()),
        ("connectors.s3", "from meterhouse.errors import UsageError", "connectors", set()),
    ],
)
def test_the_scanner_sees_what_it_should(module, source, package, names):
    assert forbidden(module, ast.parse(source), package) == names


def reads_environment(tree):
    words = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in words:
            yield node.lineno
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            yield from (node.lineno for alias in node.names if alias.name in words)


def test_the_environment_is_read_in_one_place():
    readers = {
        f"{path.relative_to(ROOT)}:{line}"
        for package in PACKAGES
        for path in files(package)
        if module_of(path) not in READS_THE_ENVIRONMENT
        for line in reads_environment(parsed(path))
    }
    assert readers == set()


def test_the_scanner_sees_every_way_to_the_environment():
    source = "import os\nfrom os import environ as e, path\nos.getenv('A')\nos.environ['A'] = 'b'"
    assert sorted(reads_environment(ast.parse(source))) == [2, 3, 4]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_folder_of_code_is_a_regular_package(package):
    folders = {path.parent for path in files(package)}
    assert [str(f.relative_to(ROOT)) for f in folders if not (f / "__init__.py").exists()] == []
