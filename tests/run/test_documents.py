"""Documents of a home as files, and the usage behind their lines."""

import csv
import hashlib
import io
import json
from decimal import Decimal
from pathlib import Path

import polars as pl
import pypdfium2
import pytest

from meterhouse.csv_text import csv_bytes
from meterhouse.errors import UsageError
from meterhouse.rendering.presentation import Payment
from meterhouse.run.documents import Draft, file_name, render, render_drafts
from meterhouse.run.usage_behind import COLUMNS, in_csv, usage_behind
from tests.truth.events import request
from tests.truth.harness import GREAT_EXPECTATIONS, MONTHS

pytestmark = [pytest.mark.slow, GREAT_EXPECTATIONS]
SEPTEMBER = "2025-09-12T12:00:00Z"


def text_of(path):
    with pypdfium2.PdfDocument(path) as document:
        return "\n".join(page.get_textpage().get_text_range() for page in document)


def files(folder):
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.*")}


def sums(frame):
    return dict(frame.group_by("line_no").agg(pl.col("quantity").sum()).rows())


def stated(tokens, key="s-1", **properties):
    return request(key, "twin", SEPTEMBER, tokens, "restated", **properties)


def test_every_document_is_a_file_with_its_number_and_total(in_october, tmp_path):
    found = render(in_october.lake, None, "pdf", tmp_path)
    documents = in_october.documents()
    assert found.failed == []
    assert [one.number for one in found.written] == [d["issue"]["number"] for d in documents]
    for one, document in zip(found.written, documents, strict=True):
        path = Path(one.path)
        year = document["dates"]["invoice_date"][:4]
        assert path == tmp_path / document["seller"]["id"] / year / f"{one.number}.pdf"
        assert one.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert one.bytes == path.stat().st_size
        assert one.number in text_of(path)
    assert len(files(tmp_path)) == len(documents)


def test_documents_with_all_that_the_norm_asks_for_are_einvoices(october, tmp_path):
    vat = [{"type": "eu_vat", "value": "DE136695976"}]
    address = {"line1": "1 Main St", "city": "Town", "country": "DE"}
    parties = [key for key in october.book if key[0] in ("entity", "customer")]
    october.record(*(october.changed(*key, tax_ids=vat, address=address) for key in parties))
    before = len(october.documents())
    october.issue(MONTHS[2])
    issued = [one for one in october.documents()[before:] if one["currency"] != "KWD"]
    later = [one["issue"]["number"] for one in issued]
    assert later
    for form in ("ubl", "cii", "factur-x"):
        found = render(october.lake, later, form, tmp_path / form)
        assert found.failed == []
        assert [one.number for one in found.written] == later
        data = Path(found.written[0].path).read_bytes()
        assert (b"urn:cen.eu:en16931:2017" in data) or data.startswith(b"%PDF")


def test_rendered_again_nothing_changes_and_a_payment_is_shown(in_october, tmp_path):
    first = render(in_october.lake, ["us-2025-000001"], "pdf", tmp_path)
    assert render(in_october.lake, ["us-2025-000001"], "pdf", tmp_path) == first
    (content,) = [d for d in in_october.documents() if d["issue"]["number"] == "us-2025-000001"]
    total = Decimal(content["total"])
    paid = Payment(Decimal(1), total - 1, Payment.at_issue(content).as_of)
    again = render(in_october.lake, ["us-2025-000001"], "pdf", tmp_path, {"us-2025-000001": paid})
    assert again.written[0].path == first.written[0].path
    assert f"{total - 1:,.2f}" in text_of(again.written[0].path)


@pytest.mark.soak
def test_the_look_is_the_one_the_documents_run_knew(october, tmp_path):
    assert render(october.lake, ["JP2025-0001"], "html", tmp_path / "before").failed == []
    branding = {"footer": "Registered in Tokyo", "accent": "#123456"}
    october.record(
        october.changed("entity", "jp", branding=branding, locale="ja-JP"),
        october.changed("customer", "berlin", locale="de-DE"),
    )
    again = render(october.lake, ["JP2025-0001"], "html", tmp_path / "after").written[0]
    assert (
        Path(again.path).read_bytes() == (tmp_path / "before/jp/2025/JP2025-0001.html").read_bytes()
    )
    october.issue(MONTHS[2])
    numbers = {d["issue"]["number"]: d["buyer"]["id"] for d in october.documents()}
    newest = max(n for n in numbers if n.startswith("JP2025"))
    german = max(n for n, buyer in numbers.items() if buyer == "berlin")
    render(october.lake, [newest, german], "html", tmp_path / "new")
    page = (tmp_path / f"new/jp/2025/{newest}.html").read_text()
    assert "Registered in Tokyo" in page
    assert "#123456" in page
    assert "請求書" in page
    assert "Rechnung an" in (tmp_path / f"new/us/2025/{german}.html").read_text()


@pytest.mark.soak
def test_a_logo_that_is_missing_fails_that_seller_and_no_other(october, tmp_path):
    october.record(october.changed("entity", "us", branding={"logo": "images/logo.svg"}))
    october.issue(MONTHS[2])
    found = render(october.lake, None, "html", tmp_path)
    new = [d for d in october.documents() if d["issue"]["through"] == MONTHS[2].isoformat()]
    american = [d for d in new if d["seller"]["id"] == "us"]
    assert 0 < len(found.failed) == len(american)
    assert "'images/logo.svg' is not in the book's folder" in found.failed[0]
    assert len(found.written) == len(october.documents()) - len(american)
    logo = october.path / "book" / "images" / "logo.svg"
    logo.parent.mkdir()
    logo.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    assert render(october.lake, None, "pdf", tmp_path).failed == []


def test_an_unknown_number_writes_nothing(in_october, tmp_path):
    with pytest.raises(UsageError, match="No document has the number nope"):
        render(in_october.lake, ["JP2025-0001", "nope"], "pdf", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_draft_is_written_under_its_id_and_marked(in_october, tmp_path):
    (content,) = in_october.rows("select content from facts.documents limit 1")[0]
    inner = {k: v for k, v in json.loads(content).items() if k not in {"issue", "format"}}
    draft = Draft("0123456789abcdef", json.dumps(inner))
    (one,) = render_drafts(in_october.lake, [draft], "pdf", tmp_path).written
    assert Path(one.path).parent.name == "draft"
    assert Path(one.path).name == "01234567.pdf"
    assert "DRAFT" in text_of(one.path)


@pytest.mark.parametrize(
    "number", ["A/1", "../../etc/passwd", ".hidden", "請求 1", "x" * 999, "a\\b"]
)
def test_any_number_is_one_safe_name(number):
    row = {"number": number, "document_id": "d", "entity_id": "us", "year": 2025}
    path = file_name(row, "pdf")
    assert path.parent == Path("us/2025")
    assert len(path.name) < 200
    assert not path.name.startswith(".")
    assert path != file_name({**row, "number": number + "_"}, "pdf")


def test_usage_adds_up_to_every_line_of_every_document(in_october):
    checked = 0
    for document in in_october.documents():
        found = usage_behind(in_october.lake, document["issue"]["number"])
        assert found.columns[: len(COLUMNS)] == list(COLUMNS)
        total = sums(found)
        for line in document["lines"]:
            if line["meter"]:
                assert total.get(line["line_no"], 0) == Decimal(line["quantity"])
                checked += bool(total.get(line["line_no"]))
            else:
                assert line["line_no"] not in total
        assert found.select("line_no", "source", "event_id").is_duplicated().sum() == 0
    assert checked > 5


@pytest.mark.soak
def test_usage_of_corrections_is_what_each_document_knew(october):
    for tokens, through in ((100_000, MONTHS[1]), (40_000, MONTHS[1]), (70_000, MONTHS[2])):
        october.load([stated(tokens)])
        assert october.issue(through).issued.numbers
    october.load([stated(1), request("late", "twin", SEPTEMBER, 5)])
    corrected = 0
    for document in october.documents():
        total = sums(usage_behind(october.lake, document["issue"]["number"]))
        for line in document["lines"]:
            if line["determinant"]:
                assert total.get(line["line_no"], 0) == Decimal(line["quantity"])
                corrected += line["correction"] is not None
    assert corrected >= 3


def test_one_line_alone_and_the_csv_of_it(in_october):
    document = next(
        d for d in in_october.documents() if any(Decimal(x["quantity"]) > 9 for x in d["lines"])
    )
    line = next(x for x in document["lines"] if Decimal(x["quantity"]) > 9)
    number = document["issue"]["number"]
    found = usage_behind(in_october.lake, number, line["line_no"])
    assert set(found["line_no"]) == {line["line_no"]}
    rows = list(csv.DictReader(io.StringIO(csv_bytes(in_csv(found)).decode())))
    assert sum(Decimal(row["quantity"]) for row in rows) == Decimal(line["quantity"])
    assert all(row["occurred_at"].endswith("Z") for row in rows)
    with pytest.raises(UsageError, match=f"no line 999; it has 1 to {len(document['lines'])}"):
        usage_behind(in_october.lake, number, 999)
    with pytest.raises(UsageError, match="No document has the number 'nope'"):
        usage_behind(in_october.lake, "nope")
