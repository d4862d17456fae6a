"""What is printed is what was booked, in the writing of the reader."""

import re
import string
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhouse.errors import UsageError
from meterhouse.money import PLACES
from meterhouse.rendering.formats import formats
from meterhouse.rendering.html import html
from meterhouse.rendering.labels import labels, languages
from meterhouse.rendering.presentation import Payment, Presentation, presentation, read_logo
from meterhouse.rendering.printable import printable

LOCALES = ["en-US", "de-DE", "de-CH", "fr-FR", "pl-PL", "ja-JP", "ar-KW", "en-IN"]


def read(text, form):
    """The number that a reader of the locale sees."""
    point = form.locale.number_symbols["latn"]["decimal"]
    kept = "".join(c for c in text if c.isdigit() or c in {point, "-"})
    return Decimal(kept.replace(point, "."))


@pytest.mark.parametrize("locale", LOCALES)
def test_every_amount_of_a_document_is_printed_to_the_last_digit(golden, locale):
    form = formats(locale, languages())
    for content in golden:
        page = printable(content, Presentation(locale))
        places = PLACES[content["currency"]]
        for line, shown in zip(content["lines"], page.lines, strict=True):
            assert read(shown.amount, form) == Decimal(line["amount"])
            assert read(shown.quantity, form) == Decimal(line["quantity"])
            assert -read(shown.amount, form).as_tuple().exponent == places
            tiers = [step for step in line["steps"] if step["step"] == "tier"]
            printed = [read(tier.amount, form) for tier in shown.tiers]
            assert printed == [Decimal(tier["amount"]) for tier in tiers]
        assert read(page.total[1], form) == Decimal(content["total"])
        assert [read(amount, form) for _, amount in page.sums] == [
            Decimal(content["net"]),
            *(Decimal(tax["amount"]) for tax in content["tax"]),
        ]


@pytest.mark.parametrize("locale", LOCALES)
@given(st.decimals(-(10**20), 10**20, places=12, allow_nan=False))
def test_any_number_is_written_without_loss(locale, value):
    form = formats(locale, languages())
    assert read(form.number(value), form) == value
    assert not re.search(r"[\u200e\u200f\u202f]", form.number(value))


@pytest.mark.parametrize(
    ("locale", "money", "percent", "period"),
    [
        ("en-US", "USD 1,234.50", "8.875%", "Sep 20 – Oct 14, 2025"),
        ("de-DE", "1.234,50 USD", "8,875 %", "20. Sept. – 14. Okt. 2025"),
        ("fr-FR", "1 234,50 USD", "8,875 %", "20 sept. – 14 oct. 2025"),
        ("pl-PL", "1234,50 USD", "8,875%", "20 wrz–14 paź 2025"),
        ("ja-JP", "USD 1,234.50", "8.875%", "2025年9月20日～10月14日"),
        ("ar", "1,234.50 USD", "8.875%", "20 سبتمبر – 14 أكتوبر 2025"),
    ],
)
def test_each_locale_has_its_own_writing_and_a_period_ends_with_its_last_day(
    golden, locale, money, percent, period
):
    form = formats(locale, languages())
    page = printable(golden[0], Presentation(locale))
    plain = str.maketrans("\u00a0", " ")
    assert form.money("1234.50", "USD").translate(plain).replace("1 234,50 USD", money) == money
    assert form.percent("0.08875").translate(plain).replace(" %", "%") == percent.replace(" %", "%")
    assert page.lines[0].period.replace(" – ", "–") == period.replace(" – ", "–")
    assert golden[0]["lines"][0]["service"]["end"] == "2025-10-15"


def test_a_window_of_one_day_is_that_day(sample):
    page = sample(lines__0__service={"start": "2026-09-30", "end": "2026-10-01", "zone": "UTC"})
    assert page.lines[0].period == "September 30, 2026"


def test_every_language_has_every_label_with_its_places():
    def places(text):
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    english = labels("en")
    assert languages() == {"ar", "de", "en", "fr", "ja", "pl"}
    for language in languages():
        own = labels(language)
        assert own.keys() == english.keys()
        assert {k: places(v) for k, v in own.items()} == {k: places(v) for k, v in english.items()}


def test_a_language_without_labels_is_english_in_words_and_numbers(golden):
    page = printable(golden[0], Presentation("th-TH"))
    assert (page.language, page.title, page.is_rtl) == ("en", "Invoice", False)
    assert page.lines[0].quantity == "10,007"
    assert printable(golden[0], Presentation("xx-nonsense")) == page


def test_a_credit_note_names_its_original_and_says_what_the_buyer_gets(samples):
    content, look, _ = samples["credit-note"]
    page = printable(content, look)
    assert page.title == "Rechnungskorrektur"
    assert ("Korrigiert", "LH-2026-0117") in page.particulars
    assert page.lines[0].notes == (
        "Korrigiert LH-2026-0117 vom 1. September 2026: 291,68 statt 376,28",
    )
    assert page.total == ("Gesamtbetrag", "-100,67\u00a0EUR")
    assert page.dues == (("Zu Ihren Gunsten", "100,67\u00a0EUR"),)
    assert "Fällig am" not in dict(page.particulars)
    settled = printable(content, look, Payment(Decimal(0), Decimal(0), page_day()))
    assert settled.dues == (("Zu zahlen", "0,00\u00a0EUR"),)


def page_day():
    return Payment.at_issue({"total": "1", "dates": {"invoice_date": "2026-10-01"}}).as_of


def test_at_issue_nothing_is_paid_and_all_is_due(sample):
    assert sample().dues == (("Amount due", "USD\u00a01,150.78"),)
    assert sample().as_of == "As of October 1, 2026"


def test_a_draft_without_a_tax_decision_shows_no_total(sample):
    page = sample(draft_id="0123456789abcdef", total=None, tax=[], tax_total=None, buyer=None)
    assert (page.number, page.draft) == ("01234567", "Draft")
    assert page.total == ("Total", "not decided")
    assert (page.dues, page.as_of, page.buyer.name) == ((), None, "–")


@pytest.mark.parametrize(
    ("treatment", "words"),
    [
        ("exempt", "Exempt from tax on USD 1,056.97"),
        ("reverse_charge", "Reverse charge on USD 1,056.97"),
        ("out_of_scope", "Outside the scope of tax on USD 1,056.97"),
    ],
)
def test_a_line_of_tax_says_why_none_is_charged(sample, treatment, words):
    tax = {"treatment": treatment, "rate": None, "name": None, "reason": "Article 196"}
    page = sample(tax=[{**tax, "amount": "0.00", "base": "1056.97"}])
    assert page.sums[1] == (words.replace("USD ", "USD\u00a0"), "USD\u00a00.00")
    assert page.notes[0] == "Article 196"


def test_a_period_that_is_not_whole_says_how_many_days_are_charged(golden):
    (cut,) = [
        line
        for content in golden
        for line in printable(content, Presentation()).lines
        if line.notes and "of 30 days" in line.notes[0]
    ]
    assert cut.notes == ("19 of 30 days",)
    assert (cut.quantity, cut.unit_price, cut.amount) == ("3", "100.00", "190.00")


def test_an_iban_is_printed_in_fours_and_an_address_as_its_country_writes_it(samples):
    content, look, _ = samples["credit-note"]
    page = printable(content, look)
    assert dict(page.bank)["IBAN"] == "DE89 3704 0044 0532 0130 00"
    assert page.seller.lines == ("Chausseestraße 8", "10115 Berlin", "Deutschland")
    american = printable(*samples["plain"][:2])
    assert american.buyer.lines[:3] == ("1 Market Street", "Suite 400", "Albany, NY 12207")
    assert american.paper == "us-letter"


def test_the_look_comes_from_the_book_and_a_logo_is_a_picture_below_it(tmp_path):
    (tmp_path / "logo.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    branding = '{"accent":"#112233","email":"a@b.example","logo":"logo.svg","phone":null}'
    look = presentation(branding, "pl-PL", tmp_path)
    assert (look.accent, look.contact, look.locale) == ("#112233", ("a@b.example",), "pl-PL")
    assert look.logo.kind == "svg"
    assert presentation(None, None) == Presentation()
    (tmp_path / "no.png").write_bytes(b"GIF89a")
    for name, words in [("absent.svg", "is not in"), ("no.png", "no PNG"), ("../x.svg", "not in")]:
        with pytest.raises(UsageError, match=words):
            read_logo(tmp_path, name)
    with pytest.raises(UsageError, match="no colour"):
        Presentation(accent="red;}")


def test_a_line_told_apart_by_dimensions_names_them_under_its_description(sample):
    values = {"user_id": "<7>", "region": "eu", "live": True, "tier": None}
    made = sample(lines__0__dimensions=values)
    assert made.lines[0].dimensions == "live: true, region: eu, tier: –, user id: <7>"
    page = html(made).decode()
    assert "<small>live: true, region: eu, tier: –, user id: &lt;7&gt;</small>" in page


def test_a_line_without_dimensions_has_no_line_for_them(sample):
    assert sample().lines[0].dimensions == ""
