import os
import shutil

import pytest

from tests.truth.events import usage
from tests.truth.harness import MONTHS, Home

SOAK_EXAMPLES = int(os.environ.get("METERHOUSE_SOAK_EXAMPLES", "60"))


@pytest.fixture(scope="session")
def book_home(tmp_path_factory):
    """A home with the book and no usage; copied, never billed."""
    return Home.make(tmp_path_factory.mktemp("truth") / "book")


@pytest.fixture(scope="session")
def in_one_run(book_home, tmp_path_factory):
    """All usage in one batch for each source, billed in one run; only read."""
    home = book_home.copy(tmp_path_factory.mktemp("truth") / "one")
    home.land(usage())
    home.issue(MONTHS[-1])
    return home


@pytest.fixture(scope="session")
def in_october(book_home, tmp_path_factory):
    """All usage loaded, billed through 1 November; copied, never changed."""
    home = book_home.copy(tmp_path_factory.mktemp("truth") / "october")
    home.land(usage())
    home.issue(MONTHS[1])
    return home


@pytest.fixture
def home(book_home, tmp_path):
    """The book alone, to be changed."""
    return book_home.copy(tmp_path / "home")


@pytest.fixture
def october(in_october, tmp_path):
    """What was billed through 1 November, to be changed."""
    return in_october.copy(tmp_path / "home")


@pytest.fixture(scope="session")
def another(book_home, tmp_path_factory):
    """Makes a home for one example of a law and removes the one before: they are 5 MB each."""
    folder = tmp_path_factory.mktemp("examples")

    def make():
        shutil.rmtree(folder / "home", ignore_errors=True)
        return book_home.copy(folder / "home")

    return make
