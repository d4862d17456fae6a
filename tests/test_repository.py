"""Rules that hold for the whole repository and that no type checker sees.

A line that breaks a rule of exactness for a good reason says so in a comment on it or just above
it: `exact: <reason>`.
"""

import ast
import os
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
CORE_SUBJECTS = (
    "catalog",
    "comparison",
    "contracts",
    "entitlements",
    "invoicing",
    "ledger",
    "metering",
    "pricing",
    "receivables",
    "rendering",
)
# Modules of meterhouse/ that may wait for seconds or speak to an engine; all others are core.
EDGES = {"dedupe", "duck", "failpoints", "lake", "locks", "settings", "warehouse"}
CODE = ("meterhouse", "connectors", "assets", "pipelines", "benchmarks", "scripts")
REASON = re.compile(r"(#|--)\s*exact: \S")


def core_files():
    folders = [
        path for name in CORE_SUBJECTS for path in (ROOT / "meterhouse" / name).rglob("*.py")
    ]
    leaves = (ROOT / "meterhouse").glob("*.py")
    return [*folders, *(path for path in leaves if path.stem not in EDGES)]


def code_files():
    return [path for folder in CODE for path in (ROOT / folder).rglob("*.py")]


def sql_files(folder="dbt_project"):
    built = {"target", "logs", "dbt_packages"}
    return [path for path in (ROOT / folder).rglob("*.sql") if not built & set(path.parts)]


@cache
def parsed(path):
    return ast.parse(path.read_text(), str(path))


def has_reason(lines, number):
    """Whether line `number` (from 1) or the one above carries an `exact:` comment."""
    return any(REASON.search(line) for line in lines[max(number - 2, 0) : number])


def unexcused(path, numbers):
    lines = path.read_text().splitlines()
    bad = sorted({number for number in numbers if not has_reason(lines, number)})
    return [f"{path.relative_to(ROOT)}:{number} {lines[number - 1].strip()}" for number in bad]


# Money: no floats, no divisions without a reason


def is_text(node):
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def python_floats(tree):
    """Lines with a float, a column of floats, a mean or a division (not `path / "text"`)."""
    float_types = {"Float64", "Float32", "float64", "float32"}
    annotations = {
        id(name)
        for node in ast.walk(tree)
        for part in (getattr(node, "annotation", None), getattr(node, "returns", None))
        if part is not None
        for name in ast.walk(part)
    }
    likeness = {  # how alike two words must be for a hint: a number, but never money
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == "cutoff"
    }
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="float")) | ast.Call(func=ast.Attribute(attr="mean")):
                yield node.lineno
            case ast.Attribute(attr=name) | ast.Name(id=name) if name in float_types:
                yield node.lineno
            case ast.Name(id="float") if id(node) in annotations:
                yield node.lineno
            case ast.Constant(value=float()) if id(node) not in likeness:
                yield node.lineno
            case ast.BinOp(op=ast.Div()) if not (is_text(node.left) or is_text(node.right)):
                yield node.lineno
            case ast.AugAssign(op=ast.Div()):
                yield node.lineno


def test_the_core_has_no_float_and_no_unexplained_division():
    found = [hit for path in core_files() for hit in unexcused(path, python_floats(parsed(path)))]
    assert found == []


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("x = float(y)", 1),
        ("x = 0.5", 1),
        ("x: float = y", 1),
        ("def f(a: list[float]) -> float: ...", 2),
        ("pl.col('a').cast(pl.Float64)", 1),
        ("a / b", 1),
        ("a /= b", 1),
        ("home / 'book'", 0),
        ("isinstance(x, float)", 0),
        ("'1/2'", 0),
        ("get_close_matches(a, b, cutoff=0.6)", 0),
    ],
)
def test_the_scanner_of_python_sees_floats(source, count):
    assert len(list(python_floats(ast.parse(source)))) == count


BLANKED = re.compile(
    r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL
)
SQL_FLOAT = re.compile(
    r"\b(float[48]?|double|real|avg|mean|median|fdiv|quantile_cont|stddev\w*|var_\w+)\b|(?<!/)/(?!/)"
    r"|\d\.?e[+-]?\d",
    re.IGNORECASE,
)
SQL_CLOCK = re.compile(
    r"\b(timezone|now|today|get_current_timestamp|random|uuid)\s*\(|\bat\s+time\s+zone\b"
    r"|\b(current_(timestamp|date|time)|localtime(stamp)?)\b",
    re.IGNORECASE,
)


def sql_hits(text, pattern):
    """Lines where the pattern stands in SQL proper: templates, comments and texts do not count."""
    plain = BLANKED.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), text)
    return [plain.count("\n", 0, found.start()) + 1 for found in pattern.finditer(plain)]


@pytest.mark.parametrize("pattern", [SQL_FLOAT, SQL_CLOCK], ids=["float", "clock"])
def test_dbt_models_have_no_float_and_no_clock(pattern):
    found = [
        hit for path in sql_files() for hit in unexcused(path, sql_hits(path.read_text(), pattern))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("text", "pattern", "lines"),
    [
        ("select 1,\n  a::double", SQL_FLOAT, [2]),
        ("select avg(a), a / b", SQL_FLOAT, [1, 1]),
        ("select '/' -- a / b\n, {{ a / b }} /* avg */", SQL_FLOAT, []),
        ("select a // b", SQL_FLOAT, []),
        ("select 1e3", SQL_FLOAT, [1]),
        ("select timezone('UTC', t)\n, t at  time zone 'UTC'\n, now()", SQL_CLOCK, [1, 2, 3]),
        ("select current_date, now_on, timezone", SQL_CLOCK, [1]),
        ("-- never now()", SQL_CLOCK, []),
    ],
)
def test_the_scanner_of_sql_sees_floats_and_clocks(text, pattern, lines):
    assert sql_hits(text, pattern) == lines


# Facts: only appended

FACTS_CHANGED = re.compile(
    r"\b(delete\s+from|update|truncate(\s+table)?|drop\s+table(\s+if\s+exists)?|merge\s+into)\s+(\w+\.)?facts\."
    r"|expire_snapshots",
    re.IGNORECASE,
)
# In the lake's modules a table's name is often a variable: only the counters may be updated.
LAKE_CHANGED = re.compile(
    r"^\s*(delete\s+from|truncate)\b|^\s*update\s+(?!(\w+\.)?control\.counters\b)", re.I
)


def docstrings(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                yield id(first.value)


def texts(tree):
    """Every string but docstrings, with its line; an f-string has `{}` for what is put in."""
    skipped = set(docstrings(tree))
    skipped |= {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in node.values
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = (p.value if isinstance(p, ast.Constant) else "{}" for p in node.values)
            yield node.lineno, "".join(map(str, parts))
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in skipped
        ):
            yield node.lineno, node.value


def test_no_sql_changes_or_removes_a_fact():
    in_code = [
        f"{path.relative_to(ROOT)}:{line} {text.strip()[:80]}"
        for path in code_files()
        for line, text in texts(parsed(path))
        if FACTS_CHANGED.search(text)
        or (path.relative_to(ROOT).parts[1].startswith("lake") and LAKE_CHANGED.search(text))
    ]
    in_models = [
        str(p.relative_to(ROOT)) for p in sql_files() if sql_hits(p.read_text(), FACTS_CHANGED)
    ]
    assert in_code + in_models == []


@pytest.mark.parametrize(
    ("text", "is_change"),
    [
        ("DELETE FROM lake.facts.documents where true", True),
        ("update facts.documents set x = 1", True),
        ("call ducklake_expire_snapshots('lake')", True),
        ("insert into facts.documents select * from d", False),
        ("delete from billing.drafts", False),
        ("select last_update from facts.documents", False),
    ],
)
def test_the_scanner_sees_changes_of_facts(text, is_change):
    assert bool(FACTS_CHANGED.search(text)) is is_change


def test_the_scanner_reads_the_text_of_an_f_string():
    tree = ast.parse('"""delete from facts.a"""\nf"delete from {lake}.facts.{table}"')
    assert list(texts(tree)) == [(2, "delete from {}.facts.{}")]
    assert LAKE_CHANGED.search("update {} set x = 1")
    assert not LAKE_CHANGED.search("update lake.control.counters set x = 1")


# The lock


def locked():
    """Every requirement of the lock as one line of text, hashes and all."""
    return (ROOT / "requirements/dev.txt").read_text().replace("\\\n", " ").splitlines()


def test_the_lock_has_hashes_and_no_addresses():
    assert [line for line in locked() if "--hash=sha256:" not in line] == []
    assert not re.search(r"://|--(extra-)?index|--find-links|@ ", "\n".join(locked()))


def test_the_lock_holds_what_pyproject_asks_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    versions = dict(re.match(r"([\w.-]+)==([^\s;]+)", line).groups() for line in locked())
    for requirement in map(Requirement, asked):
        version = versions[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), str(requirement)


# What a reader and a robot expect to find


@pytest.mark.parametrize("name", [".ci/run", "scripts/setup.sh", "scripts/lock.sh"])
def test_scripts_can_be_executed(name):
    assert os.access(ROOT / name, os.X_OK)


@pytest.mark.parametrize(
    "name", ["README.md", "CHANGELOG.md", "DECISIONS.md", "CONTRIBUTING.md", "LICENSE"]
)
def test_the_documents_of_the_repository_are_there(name):
    assert (ROOT / name).stat().st_size > 100


def test_every_subject_of_the_core_says_what_it_owns():
    words = ("owns", "does not own", "invariants", "words")
    missing = [
        f"{name}/README.md: {word}"
        for name in CORE_SUBJECTS
        if (folder := ROOT / "meterhouse" / name).is_dir()
        for word in words
        if not (folder / "README.md").exists()
        or word not in (folder / "README.md").read_text().lower()
    ]
    assert missing == []


CHECKING = ("raises", "assert", "check", "expect", "verify", "warns")


def asserts(function):
    return any(
        isinstance(node, ast.Assert)
        or (
            isinstance(node, ast.Call)
            and any(word in ast.unparse(node.func).lower() for word in CHECKING)
        )
        for node in ast.walk(function)
    )


def test_every_test_asserts_something():
    empty = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not asserts(node)
    ]
    assert empty == []


def test_every_make_target_that_uses_the_environment_sets_it_up():
    rules = re.findall(
        r"^([a-z]+):(.*)\n((?:\t.*\n?)*)", (ROOT / "Makefile").read_text(), re.MULTILINE
    )
    needy = [
        name for name, needs, recipe in rules if "$(PYTHON)" in recipe or "$(VENV)/bin" in recipe
    ]
    assert {"demo", "test", "check", "bench", "ui", "soak"} <= set(needy)
    assert [n for n, needs, _ in rules if n in needy and "$(STAMP)" not in needs] == []
