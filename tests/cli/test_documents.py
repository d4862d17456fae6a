"""Documents from the command line: PDF, HTML and the usage behind them."""

import csv
import io
from decimal import Decimal
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cli")]
NUMBER = "acme-ai-2023-000001"


def test_a_document_is_written_as_pdf_and_as_html(billed, tmp_path):
    done = billed.json("invoices", "pdf", NUMBER, "--to", tmp_path)
    (one,) = done["documents"]
    assert done["failed"] == []
    assert Path(one["path"]) == tmp_path / "acme-ai" / "2023" / f"{NUMBER}.pdf"
    assert Path(one["path"]).read_bytes().startswith(b"%PDF-")
    told = billed.call("invoices", "html", NUMBER)
    assert told.exit_code == 0
    path = Path(told.stdout.strip())
    assert path == billed.folder / "documents" / "acme-ai" / "2023" / f"{NUMBER}.html"
    assert NUMBER in path.read_text()


def test_a_document_that_is_no_einvoice_is_told_all_that_it_lacks(billed, tmp_path):
    for command in (("xml",), ("xml", "--syntax", "cii"), ("pdf", "--factur-x")):
        done = billed.call("invoices", *command, NUMBER, "--to", tmp_path)
        assert done.exit_code == 1
        assert f"Document {NUMBER} is no e-invoice: " in done.stderr
        assert "has no `address` with a `country`" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_all_and_a_draft_by_its_id(billed, tmp_path):
    every = billed.json("invoices", "pdf", "--all", "--to", tmp_path)
    assert [one["number"] for one in every["documents"]] == [NUMBER]
    drafts = billed.json("invoices", "list", "--state", "blocked", "--state", "waiting")["invoices"]
    ids = [one["id"] for one in drafts]
    made = billed.json("invoices", "html", ids[0], ids[1][:8], "--to", tmp_path)
    pages = [Path(one["path"]).read_text() for one in made["documents"]]
    assert len(pages) == 2
    assert all('<div class="draft">Draft</div>' in page for page in pages)
    assert any("not decided" in page for page in pages)
    assert any("Nova [bold]AG" in page for page in pages)


def test_a_name_that_is_not_known_is_answered_with_the_nearest(billed, tmp_path):
    done = billed.call("invoices", "pdf", "acme-ai-2023-00001", "nonsense", "--to", tmp_path)
    assert done.exit_code == 2
    assert f"did you mean '{NUMBER}'?" in done.stderr.lower()
    assert "'nonsense' names no issued document" in done.stderr
    assert "Nothing was written." in done.stderr
    assert list(tmp_path.iterdir()) == []
    assert billed.call("invoices", "pdf").exit_code == 2
    assert billed.call("invoices", "pdf", NUMBER, "--all").exit_code == 2


def test_usage_is_csv_that_adds_up_to_each_line(billed, tmp_path):
    document = billed.call("invoices", "show", NUMBER, "--json").stdout
    done = billed.call("invoices", "usage", NUMBER)
    assert done.exit_code == 0
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    summed = billed.json("invoices", "usage", NUMBER)
    for line in summed["lines"]:
        own = [row for row in rows if row["line_no"] == str(line["line_no"])]
        assert len(own) == line["events"]
        assert sum(Decimal(row["quantity"]) for row in own) == Decimal(line["quantity"])
        assert f'"line_no":{line["line_no"]}' in document
    assert len(rows) == len(summed["events"]) > 0
    target = tmp_path / "usage.csv"
    written = billed.json("invoices", "usage", NUMBER, "--line", rows[0]["line_no"], "--to", target)
    assert written["path"] == str(target)
    assert target.read_text().count("\n") == written["events_written"] + 1


def test_usage_of_a_draft_or_an_unknown_line_is_refused(billed):
    (draft, *_) = billed.json("invoices", "list", "--state", "waiting")["invoices"]
    done = billed.call("invoices", "usage", draft["id"])
    assert done.exit_code == 2
    assert "is a draft" in done.stderr
    assert "has no line 99" in billed.call("invoices", "usage", NUMBER, "--line", 99).stderr
