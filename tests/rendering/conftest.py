import importlib.util
import json
import re
from pathlib import Path

import pypdfium2
import pytest

from meterhouse.rendering.presentation import Presentation
from meterhouse.rendering.printable import printable

ROOT = Path(__file__).parents[2]
GOLDEN = [
    json.loads(line) for line in (ROOT / "tests/golden/test_book.ndjson").read_text().splitlines()
]


def _samples():
    path = ROOT / "scripts/invoice_pictures.py"
    spec = importlib.util.spec_from_file_location("invoice_pictures", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {name: sample() for name, sample in module.SAMPLES.items()}


def _pages(data):
    """The text of each page, its lines as a person sees them."""
    with pypdfium2.PdfDocument(data) as document:
        texts = [page.get_textpage().get_text_range() for page in document]
    return [re.sub(r"[ \u00a0]+", " ", text).split("\r\n") for text in texts]


@pytest.fixture(scope="session")
def samples():
    """Content, look and payment of each document of the docs, by name."""
    return _samples()


@pytest.fixture(scope="session")
def pages():
    return _pages


@pytest.fixture(scope="session")
def golden():
    """The documents of the test book, each with a number."""
    return [
        {**one, "issue": {"number": f"book-2025-{place:04d}"}} for place, one in enumerate(GOLDEN)
    ]


@pytest.fixture
def sample(samples):
    """One document with some of its texts changed: `buyer__name` is the name of the buyer."""

    def make(name="plain", locale="en-US", draft_id=None, **texts):
        content = json.loads(json.dumps(samples[name][0]))
        for path, text in texts.items():
            *above, last = path.split("__")
            part = content
            for key in above:
                part = part[int(key) if key.isdigit() else key]
            part[last] = text
        return printable(content, Presentation(locale), draft_id=draft_id)

    return make
