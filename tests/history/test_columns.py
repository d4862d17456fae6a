"""The documents say what the files of a history hold, and the example can be read."""

import re
from pathlib import Path

import pytest

from meterhouse.history.columns import KINDS
from meterhouse.history.reading import typed
from meterhouse.run.history_reading import find_files, read_table

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs" / "history.md").read_text()
EXAMPLE = ROOT / "examples" / "history" / "history"


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_page_names_all_columns_of_a_file_and_whether_they_are_required(kind):
    section = DOCS.split(f"### {kind.name}\n")[1].split("\n### ")[0].split("\n## ")[0]
    told = re.findall(r"(?m)^\| `(\w+)` \| (yes)? ?\|", section)
    assert told == [(column.name, "yes" if column.is_required else "") for column in kind.columns]


def test_every_file_of_the_example_is_read_without_a_fault_and_each_kind_has_one():
    paths = find_files(EXAMPLE)
    assert {path.stem for path in paths} == set(KINDS)
    for path in paths:
        table, forms = read_table(path)
        rows, faults = typed(table)
        assert forms.height == faults.height == 0
        assert rows.height == table.rows.height > 0


def test_parquet_gives_the_rows_that_csv_gives(tmp_path):
    for path in find_files(EXAMPLE):
        table, _ = read_table(path)
        rows, _ = typed(table)
        names = [column.name for column in KINDS[path.stem].columns]
        rows.select(names).write_parquet(tmp_path / f"{path.stem}.parquet")
        again, faults = typed(read_table(tmp_path / f"{path.stem}.parquet")[0])
        assert faults.height == 0
        assert again.select(names).equals(rows.select(names))
