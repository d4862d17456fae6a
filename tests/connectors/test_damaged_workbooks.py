"""Workbooks that are none, are damaged, or would fill the memory: refused before they are read."""

import io
import zipfile
from pathlib import Path

import pytest
from xlsxwriter.workbook import Workbook as Written

from connectors.limits import Limits
from meterhouse.errors import SourceRejected
from tests.connectors.conformance import ROWS
from tests.connectors.test_spreadsheet import read, refused, repacked, save, written

NOT_WORKBOOKS = {
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600: "is protected by a password or an old .xls",
    b"id,time\n1,2\n": "is no .xlsx workbook or is cut off",
    b"PK\x03\x04" + b"\0" * 100: "is no .xlsx workbook or is cut off",
}


@pytest.mark.parametrize("content", NOT_WORKBOOKS)
def test_what_is_no_workbook_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.xlsx").write_bytes(content)
    with pytest.raises(SourceRejected, match=NOT_WORKBOOKS[content]):
        read(tmp_path / "a.xlsx")


def test_a_workbook_cut_off_or_with_a_flipped_bit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    save(path, ROWS * 50)
    good = path.read_bytes()
    path.write_bytes(good[: len(good) // 2])
    with pytest.raises(SourceRejected, match="cut off"):
        read(path)
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        at = archive.getinfo("xl/worksheets/sheet1.xml").header_offset + 60
    path.write_bytes(good[:at] + bytes([good[at] ^ 0x10]) + good[at + 1 :])
    with pytest.raises(SourceRejected, match=r"is a damaged workbook \(part 'xl/worksheets"):
        read(path)


def test_a_zip_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    save(path, ROWS)
    repacked(path, lambda _, content: content, **{"xl/zeros.bin": bytes(20_000_000)})
    with pytest.raises(SourceRejected, match="unpacks to more than 100 times"):
        read(path)
    with pytest.raises(SourceRejected, match="more than the 1000 that a workbook may have"):
        read(path, limits=Limits(max_workbook_bytes=1000))


def test_a_part_longer_than_it_says_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    save(path, ROWS)
    repacked(path, lambda _, content: content, **{"xl/zeros.bin": bytes(1_000_003)})
    said = (1_000_003).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(said, (3).to_bytes(4, "little")))
    with pytest.raises(SourceRejected, match=r"part 'xl/zeros\.bin' is longer than it says"):
        read(path)


def test_a_part_with_a_path_out_of_the_workbook_or_a_doubled_name_is_refused(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.xlsx"
    save(path, ROWS)
    repacked(path, lambda _, content: content, **{"xl/../../evil.xml": b"x"})
    with pytest.raises(SourceRejected, match="a path that leaves the workbook"):
        read(path)
    save(path, ROWS)
    repacked(path, lambda _, content: content, **{"XL/workbook.xml": b"x"})
    with pytest.raises(SourceRejected, match="two parts have one name"):
        read(path)


def test_a_sheet_with_one_cell_at_its_far_end_is_refused_before_it_is_spread_out(
    tmp_path: Path,
) -> None:
    message = refused(tmp_path, lambda sheet: sheet.cell(1_048_576, 16_384, "far"))
    assert "spreads over 17179869184 cells" in message
    assert "delete what stands far outside the table" in message


def test_one_long_text_shared_by_many_cells_is_refused(tmp_path: Path) -> None:
    long = "x" * 30_000

    def fill(book: Written) -> None:
        book.add_worksheet().write_column(0, 0, ["a", *[long] * 2_000])

    with pytest.raises(SourceRejected, match="with 60000001 characters of text"):
        read(written(tmp_path, fill), limits=Limits(max_workbook_bytes=50_000_000))


def test_a_document_type_in_the_xml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    save(path, ROWS)
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'

    def change(name: str, content: bytes) -> bytes:
        if not name.endswith("sheet1.xml"):
            return content
        head, mark, rest = content.partition(b"<worksheet")
        return head + bomb + mark + rest

    repacked(path, change)
    with pytest.raises(SourceRejected, match="declares a document type"):
        read(path)
