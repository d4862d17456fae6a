"""The HTML page says what the PDF says, escapes every text and needs nothing from elsewhere."""

import re
from html.parser import HTMLParser

import pytest

from meterhouse.rendering.html import html
from meterhouse.rendering.pdf import pdf
from meterhouse.rendering.presentation import Presentation
from meterhouse.rendering.printable import printable

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='x",
    "</style><b>",
    "{{ 7*7 }} {% raw %}",
    "javascript:alert(1)",
]
TEXTS = ("buyer__name", "seller__legal_name", "purchase_order", "lines__0__description")


class Reader(HTMLParser):
    """Tags, attributes and texts of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.texts = [], [], []
        self.feed(page.decode())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        if data.strip():
            self.texts.append(data.strip())


@pytest.mark.parametrize("text", HOSTILE)
def test_every_text_is_escaped(sample, text):
    before = Reader(html(sample()))
    page = Reader(html(sample(**dict.fromkeys(TEXTS, text))))
    assert page.tags == before.tags
    assert [name for name, _ in page.attributes] == [name for name, _ in before.attributes]
    assert sum(text in one for one in page.texts) >= len(TEXTS)


def test_a_page_needs_nothing_from_elsewhere_and_runs_nothing(samples):
    for content, look, payment in samples.values():
        page = html(printable(content, look, payment), look.logo)
        reader = Reader(page)
        assert {"script", "link", "iframe", "object", "embed", "form", "a"} & set(
            reader.tags
        ) == set()
        names = {name for name, _ in reader.attributes}
        assert [name for name in names if name.startswith("on")] == []
        sources = [v for name, v in reader.attributes if name in {"src", "href", "action"}]
        assert all(source.startswith("data:image/") for source in sources)
        style = re.search(r"<style>(.*)</style>", page.decode(), re.DOTALL)[1]
        assert not re.search(r"url\(|@import|//", style)


def test_html_and_pdf_show_the_same_texts(golden, pages):
    for content in golden:
        document = printable(content, Presentation("en-US"))
        shown = " ".join(line for page in pages(pdf(document)) for line in page)
        texts = [text.replace("\u00a0", " ") for text in Reader(html(document)).texts]
        at = texts.index(document.seller.name)
        styles = [text for text in texts[at:] if text not in shown]
        assert styles == []


def test_a_page_says_its_language_and_direction(samples):
    for name, language, direction in [("arabic", "ar-KW", "rtl"), ("japanese", "ja-JP", "ltr")]:
        content, look, payment = samples[name]
        attributes = dict(Reader(html(printable(content, look, payment))).attributes)
        assert (attributes["lang"], attributes["dir"]) != ("", "")
        assert f'lang="{language}" dir="{direction}"' in html(printable(content, look)).decode()


def test_a_draft_is_marked_as_one(sample):
    assert '<div class="draft">Draft</div>' in html(sample(draft_id="0123456789ab")).decode()
