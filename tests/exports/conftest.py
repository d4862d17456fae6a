"""Homes that were billed and closed, and what was exported of them."""

from datetime import date
from pathlib import Path

import pytest

from meterhouse.run.close import close
from meterhouse.run.exporting import export_period
from tests.truth.events import usage
from tests.truth.harness import MONTHS, Home, read_book

OCTOBER = (date(2025, 10, 1), date(2025, 11, 1))
NOVEMBER = (date(2025, 11, 1), date(2025, 12, 1))
# What a formula, a comment, a string and a tag of some format begin or end with.
NAME = '=1+1; "Alpha" \\ a|b, Ltd'
BALANCES = """
select account, currency, sum(debit - credit) from facts.journal_lines as lines
join facts.journal_entries as entries using (entry_id)
where entries.entity_id = ? and posting_date < ? group by all
"""


def export(home, period, **options):
    """Export a period of a home; the folders by entity."""
    done = export_period(home.lake, first=period[0], until=period[1], **options)
    return {one.entity: one for one in done.folders}


def contents(folder):
    """The bytes of each file in a folder, by name."""
    return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def balances(home, entity, before):
    """What each account stands at, by account and currency, straight from the facts."""
    return {(a, c): amount for a, c, amount in home.rows(BALANCES, [entity, before])}


@pytest.fixture(scope="session")
def closed_october(tmp_path_factory):
    """All usage loaded, billed through 1 November, closed before it; copied, never changed."""
    alpha = read_book()["customer", "alpha", None] | {"name": NAME}
    home = Home.make(tmp_path_factory.mktemp("exports") / "october", alpha)
    home.land(usage())
    home.issue(MONTHS[1])
    close(home.lake, MONTHS[1])
    return home


@pytest.fixture(scope="session")
def exported(closed_october, tmp_path_factory):
    """Two months exported after the second was billed and closed; only read."""
    home = closed_october.copy(tmp_path_factory.mktemp("exports") / "november")
    home.issue(MONTHS[2])
    close(home.lake, MONTHS[2])
    for period in (OCTOBER, NOVEMBER):
        export(home, period)
    return home


@pytest.fixture
def october(closed_october, tmp_path):
    """The home as it was after the close of October, to be changed."""
    return closed_october.copy(tmp_path / "home")
