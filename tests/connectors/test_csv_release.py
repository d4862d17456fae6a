"""When a CSV file is read, or given up, no thread of Arrow holds anything of ours.

A thread that lets go later needs the interpreter for it; where that has ended, the process aborts.
"""

import gc
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from connectors.delimited import _Lent, _Piece
from connectors.files import FilesSource
from meterhouse.errors import SourceRejected

ROWS = 200_000


def held() -> list[object]:
    gc.collect()
    return [each for each in gc.get_objects() if isinstance(each, _Lent | _Piece)]


def reading(folder: Path, text: bytes) -> Iterator[pa.RecordBatch]:
    (folder / "usage.csv").write_bytes(text)
    source = FilesSource("folder", folder)
    [file] = source.pending()
    return source.read(file)


def test_nothing_is_held_behind_the_last_batch(tmp_path: Path) -> None:
    batches = list(reading(tmp_path, b"a,b\n" + b"1,2\n" * ROWS))
    assert sum(batch.num_rows for batch in batches) == ROWS
    assert held() == []


def test_nothing_is_held_of_a_read_that_was_given_up(tmp_path: Path) -> None:
    batches = reading(tmp_path, b"a,b\n" + b"1,2\n" * 10 * ROWS)
    next(batches)
    assert held() != []
    batches.close()  # type: ignore[attr-defined]
    assert held() == []


@pytest.mark.parametrize(
    "fault", [b"1\n", b'1,"2\n', b"1,\xff\n", b"1," + b"x" * 20_000_000], ids=lambda f: f[:5]
)
def test_nothing_is_held_of_a_read_that_failed(tmp_path: Path, fault: bytes) -> None:
    with pytest.raises(SourceRejected) as caught:
        list(reading(tmp_path, b"a,b\n" + b"1,2\n" * ROWS + fault))
    assert caught.value.__traceback__ is not None
    assert held() == []
