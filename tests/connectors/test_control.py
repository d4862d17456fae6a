"""Control files: what they state, which of them counts, and that they are no usage."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from connectors.control import read_control
from connectors.files import FilesSource
from connectors.limits import Limits
from connectors.origin import Origin
from connectors.protocols import Statement, StatesTotals
from meterhouse.errors import SourceRejected, SourceUnavailable, UsageError

FIRST, LAST = date(2026, 1, 1), date(2026, 1, 31)


def source(folder: Path) -> FilesSource:
    return FilesSource("test", folder, control="control-*.csv")


def stated(folder: Path) -> list[Statement]:
    return list(source(folder).stated(FIRST, LAST))


def test_a_source_of_files_states_totals(tmp_path: Path) -> None:
    assert isinstance(source(tmp_path), StatesTotals)
    assert stated(tmp_path) == []


def test_sums_are_exact_and_may_be_absent(tmp_path: Path) -> None:
    (tmp_path / "control-1.csv").write_text(
        "\ufeffday, count ,sum\r\n2026-01-02,3,-12345678901234567890.000000000001\r\n\r\n"
    )
    (tmp_path / "control-2.csv").write_text("day,count\n2026-01-01,0\n")
    assert stated(tmp_path) == [
        Statement(date(2026, 1, 1), 0, None),
        Statement(date(2026, 1, 2), 3, Decimal("-12345678901234567890.000000000001")),
    ]


def test_the_last_file_by_name_that_states_a_day_counts(tmp_path: Path) -> None:
    (tmp_path / "control-2.csv").write_text("day,count\n2026-01-02,5\n")
    (tmp_path / "control-1.csv").write_text("day,count\n2026-01-02,4\n2026-01-03,7\n")
    assert [(one.day.day, one.events) for one in stated(tmp_path)] == [(2, 5), (3, 7)]


def test_days_outside_those_asked_for_are_left_out(tmp_path: Path) -> None:
    days = ("2025-12-31", "2026-01-01", "2026-01-31", "2026-02-01")
    (tmp_path / "control-1.csv").write_text("day,count\n" + "".join(f"{day},1\n" for day in days))
    assert [one.day for one in stated(tmp_path)] == [FIRST, LAST]


def test_control_files_are_no_usage(tmp_path: Path) -> None:
    (tmp_path / "control-1.csv").write_text("day,count\n")
    (tmp_path / "usage.csv").write_text("id\n1\n")
    assert [file.name for file in source(tmp_path).pending()] == ["usage.csv"]
    assert len(list(FilesSource("test", tmp_path).pending())) == 2


def test_a_control_file_still_being_written_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "control-1.csv.part").write_text("day,co")
    assert list(FilesSource("test", tmp_path, control="control-*").stated(FIRST, LAST)) == []


def test_all_faults_of_all_control_files_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "control-1.csv").write_text(
        "day,count,sum\n2026-01-32,-1,1e3\n2026-01-02,1\n"
        "2026-01-03,1,2\n2026-01-03,1,2\n2026-01-04,1.5,0.0000000000001\n"
    )
    (tmp_path / "control-2.csv").write_text("date;count\n")
    with pytest.raises(SourceRejected) as caught:
        stated(tmp_path)
    sentence = str(caught.value)
    for fault in (
        "line 2: day '2026-01-32' is not a date like 2026-01-31",
        "line 2: count '-1' is not a whole number",
        "line 2: sum '1e3' is not plain digits with at most 12 decimals",
        "line 3 has 2 values, not 3",
        "line 5 states 2026-01-03 again",
        "line 6: count '1.5' is not a whole number",
        "line 6: sum '0.0000000000001' is not plain digits",
        "'control-2.csv' is a control file with the header 'date;count'; its first line must be",
    ):
        assert fault in sentence


def test_an_empty_control_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"")
    with pytest.raises(SourceRejected, match="header '\\(none\\)'"):
        read_control(Origin("test", "a.csv"), tmp_path / "a.csv", Limits())


def test_a_control_file_that_is_gone_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="cannot be read"):
        read_control(Origin("test", "a.csv"), tmp_path / "a.csv", Limits())


def test_a_source_without_a_pattern_of_control_files_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"set completeness\.control"):
        list(FilesSource("test", tmp_path).stated(FIRST, LAST))
