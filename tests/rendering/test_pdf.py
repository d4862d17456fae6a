"""A PDF holds the values of its document, line by line, whatever the texts in it are."""

import base64
import hashlib
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from meterhouse.rendering.html import html
from meterhouse.rendering.pdf import Unprintable, pdf, pictures
from meterhouse.rendering.presentation import Logo, Presentation
from meterhouse.rendering.printable import printable

ROOT = Path(__file__).parents[2]
HOSTILE = [
    '#panic("no")',
    "*bold* _it_ `raw` $x^2$",
    "= Title",
    "- one",
    "@ref <label> \\ // /* no */",
    '#{sys.inputs} #image("/etc/passwd")',
    '"quoted" it\'s -- --- ... ~',
    "https://example.com",
    "<b>&amp;</b>",
]


def plain(text):
    """A decimal as an English reader writes it, from its text alone."""
    whole, _, fraction = format(Decimal(text), "f").partition(".")
    fraction = fraction.rstrip("0")
    return f"{int(whole):,}" + (f".{fraction}" if fraction else "")


def amount(text):
    """An amount with the decimals that its text has."""
    whole, point, fraction = text.partition(".")
    sign = "-" if whole.startswith("-") else ""
    return f"{sign}{int(whole.lstrip('-')):,}{point}{fraction}"


def test_the_text_of_a_pdf_is_the_tables_values_line_by_line(golden, pages):
    for content in golden:
        (text,) = pages(pdf(printable(content, Presentation("en-US"))))
        assert f"Number {content['issue']['number']}" in text
        for line in content["lines"]:
            at = text.index(f"{line['line_no']} {line['description']}")
            row = next(
                one for one in text[at + 1 :] if one.startswith(plain(line["quantity"]) + " ")
            )
            assert row.endswith(f" {amount(line['amount'])}")
            if line["meter"]:
                assert row.startswith(f"{plain(line['quantity'])} {line['meter']['unit']} ")
            for step in (one for one in line["steps"] if one["step"] == "tier"):
                assert any(f" {plain(step['quantity'])} " in one for one in text[at:])
        currency = content["currency"]
        assert f"Net {currency} {amount(content['net'])}" in text
        assert f"Total {currency} {amount(content['total'])}" in text
        assert any(one.endswith(f" {currency} {amount(content['tax_total'])}") for one in text)
        assert f"Amount due {currency} {amount(content['total'])}" in text
        for tax_id in content["seller"]["tax_ids"]:
            assert any(tax_id["value"] in one for one in text)


def test_a_pdf_has_the_particulars_of_a_tax_invoice(samples, pages):
    content, look, payment = samples["plain"]
    (text,) = pages(pdf(printable(content, look, payment), look.logo))
    wanted = {
        *("Lin Harbor Inc.", "New York, NY 10004", "EIN 12-3456789", "Northwind Research LLC"),
        *("Albany, NY 12207", "EIN 98-7654321", "Date October 1, 2026"),
        *("Due date October 31, 2026", "Purchase order PO-4007", "Paid USD 500.00"),
        *("Service period Sep 1 – Oct 31, 2026", "1,708.975 GB-hour 0.00021 0.36"),
        *("Sales tax 8.875% on USD 1,056.97 USD 93.81", "Amount due USD 650.78"),
        *("As of October 12, 2026", "over 1,000,000 1,412,906 0.000125 + 25.00 201.61325"),
    }
    assert wanted - set(text) == set()


def test_four_hundred_lines_break_over_pages_that_each_have_the_head_and_a_count(samples, pages):
    content = samples["plain"][0]
    line = content["lines"][2]
    lines = [{**line, "line_no": no, "description": f"Line {no} ends"} for no in range(1, 401)]
    texts = pages(pdf(printable({**content, "lines": lines}, Presentation("en-US"))))
    assert len(texts) > 20
    head = "No. Description Quantity Unit Unit price Amount (USD)"
    found = [one for text in texts for one in text if one.endswith(" ends")]
    assert found == [f"{no} Line {no} ends" for no in range(1, 401)]
    for number, text in enumerate(texts, 1):
        assert any(one.endswith(f"Page {number} of {len(texts)}") for one in text)
        has_lines = any(one.endswith(" ends") for one in text)
        assert (head in text) or not has_lines
        assert number == 1 or any("lin-2026-000042" in one for one in text)


@pytest.mark.parametrize(
    "name",
    [
        "مؤسسة النور للتجارة",
        "شركة لين للخدمات ذ.م.م",
        "佐藤商店",
        "リン・ハーバー株式会社",
        "Zażółć gęślą jaźń Sp. z o.o.",
        "Ελληνική ΑΕ",
        "Ромашка ООО",
        "서울 주식회사",
        "Ağaoğlu Şti.",
    ],
)
@pytest.mark.parametrize("locale", ["en-US", "ar", "ja-JP", "pl-PL"])
def test_names_are_printed_with_every_character(sample, pages, name, locale):
    text = "".join(
        line for page in pages(pdf(sample(locale=locale, buyer__name=name))) for line in page
    )
    assert set(name.replace(" ", "")) - set(text) == set()
    assert not set(text) & {"\ufffd", "\ufffe", "\x00"}


def test_a_character_that_no_font_has_is_refused_by_name(sample):
    with pytest.raises(Unprintable) as caught:
        pdf(sample(buyer__name="Bangkok ก Ltd"))
    assert "Invoice lin-2026-000042 was not printed" in str(caught.value)
    assert "'ก' (U+0E01)" in str(caught.value)


@pytest.mark.parametrize("text", HOSTILE)
def test_markup_in_a_text_is_text(sample, pages, text):
    document = sample(
        buyer__name=text, purchase_order=text, lines__0__description=text, seller__legal_name=text
    )
    (shown,) = pages(pdf(document))
    joined = " ".join(shown)
    assert joined.count(text) >= 4 or "".join(joined.split()).count("".join(text.split())) >= 4


def test_a_word_longer_than_its_column_stays_on_the_page(sample, pages):
    word = "x" * 400
    (text,) = pages(pdf(sample(lines__0__description=word)))
    assert sum(line.count("x") for line in text) >= 400
    assert max(line.count("x") for line in text) < 120


def test_a_logo_is_a_picture_in_both_forms_and_a_broken_one_is_told(samples):
    content, look, _ = samples["plain"]
    document = printable(content, look)
    (png, *_) = pictures(document, ppi=20)
    for logo in (look.logo, Logo("png", png)):
        with_logo, without = pdf(document, logo), pdf(document)
        assert with_logo != without
        encoded = base64.b64encode(logo.data)
        assert encoded in html(document, logo)
    with pytest.raises(Unprintable, match="Invoice lin-2026-000042 was not printed"):
        pdf(document, Logo("svg", b"<svg"))


def test_a_draft_is_marked_as_one(sample, pages):
    (text,) = pages(pdf(sample(draft_id="0123456789abcdef")))
    assert text.count("DRAFT") == 2
    assert "Number 01234567" in text


def test_a_pdf_is_archivable_accessible_and_dated_with_its_invoice(sample):
    data = pdf(sample())
    assert b"<pdfaid:part>3</pdfaid:part>" in data
    assert b"<pdfuaid:part>1</pdfuaid:part>" in data
    assert b"2026-10-01T00:00:00" in data


PROGRAM = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
from scripts.invoice_pictures import SAMPLES
from meterhouse.rendering.html import html
from meterhouse.rendering.pdf import pdf
from meterhouse.rendering.printable import printable
for content, look, payment in (sample() for sample in SAMPLES.values()):
    page = printable(content, look, payment)
    for data in (pdf(page, look.logo), html(page, look.logo)):
        print(hashlib.sha256(data).hexdigest())
"""


@pytest.mark.slow
def test_two_processes_in_other_places_make_the_same_bytes(tmp_path, samples):
    outputs = []
    for place, zone, language in [("a", "Asia/Tokyo", "C"), ("b", "America/Lima", "de_DE.UTF-8")]:
        home = tmp_path / place
        home.mkdir()
        env = {**os.environ, "TZ": zone, "HOME": str(home), "LANG": language, "PYTHONHASHSEED": "7"}
        command = [sys.executable, "-c", PROGRAM, str(ROOT)]
        done = subprocess.run(command, cwd=home, env=env, capture_output=True, check=True)
        outputs.append(done.stdout.split())
    content, look, payment = samples["plain"]
    here = hashlib.sha256(pdf(printable(content, look, payment), look.logo)).hexdigest().encode()
    assert outputs[0] == outputs[1]
    assert outputs[0][0] == here
    assert len(set(outputs[0])) == 2 * len(samples)


def test_the_pictures_of_the_docs_are_there_and_small():
    for name in ("plain", "credit-note", "arabic", "japanese", "french", "reverse-charge"):
        path = ROOT / f"docs/images/invoice-{name}.png"
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.stat().st_size < 150_000
        assert path.name in (ROOT / "docs/documents.md").read_text()
