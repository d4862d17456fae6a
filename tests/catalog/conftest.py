import shutil
import textwrap
from pathlib import Path

import pytest

from meterhouse.catalog.loading import load_folder
from meterhouse.errors import BookFault

EXAMPLE = Path(__file__).parents[2] / "examples" / "azure" / "book"


@pytest.fixture
def book(tmp_path):
    """A copy of the example book; called with texts, it adds files, loads and returns all."""
    folder = tmp_path / "book"
    shutil.copytree(EXAMPLE, folder)

    def load(**files):
        for name, text in files.items():
            (folder / f"{name}.yaml").write_text(textwrap.dedent(text))
        return load_folder(folder)

    return load


@pytest.fixture
def load(tmp_path):
    """Loads one file `a.yaml` with the given text or bytes."""

    def one(text):
        content = text if isinstance(text, bytes) else textwrap.dedent(text).encode()
        (tmp_path / "a.yaml").write_bytes(content)
        return load_folder(tmp_path)

    return one


@pytest.fixture
def faults(load):
    """All faults of one file `a.yaml` with the given text or bytes."""

    def refused(text):
        with pytest.raises(BookFault) as caught:
            load(text)
        return list(caught.value.faults)

    return refused
