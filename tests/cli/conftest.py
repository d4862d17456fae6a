import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from meterhouse.cli.main import cli

ROOT = Path(__file__).parents[2]

# What a book of its own begins with: who sells, and until when one pays.
SELLER = """\
kind: entity
id: us
legal_name: Meter Inc
address: {line1: 1 Pine Street, city: Albany, country: US}
base_currency: USD
zone: UTC
approval: automatic
---
kind: payment_terms
id: net30
description: Thirty days
net_days: 30
---
"""
# A second seller who approves by hand, one buyer with a tax decision and one without.
EXTRA = """\
kind: entity
id: acme-eu
legal_name: Acme EU GmbH
address: {line1: Hauptstr. 1, city: Berlin, postal_code: "10115", country: DE}
base_currency: EUR
zone: Europe/Berlin
---
kind: customer
id: nova
name: "Nova [bold]AG"
tax: {treatment: taxed, rate: "0.19", name: VAT}
---
kind: customer
id: undecided
name: Undecided SA
---
kind: contract
id: nova-2023
customer: nova
entity: acme-eu
currency: EUR
zone: Europe/Berlin
start: 2023-12-01
payment_terms: net30
items: [{id: seat, description: Seat, timing: advance, price: {model: flat, amount: "1234.5"}}]
---
kind: contract
id: undecided-2023
customer: undecided
entity: acme-eu
currency: EUR
zone: Europe/Berlin
start: 2023-12-01
payment_terms: net30
items: [{id: seat, description: Seat, timing: advance, price: {model: flat, amount: "10"}}]
"""

CSV = """\
TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:15:46.6805900,374,44
2023-11-16 18:15:50.9951690,396,109
2023-11-17 00:00:00.0000000,many,1
2023-11-30 23:59:59.9999990,1000000,2000000
"""


@dataclass
class Home:
    """A home and the command line on it."""

    folder: Path

    def call(self, *arguments, **options):
        """The finished command: exit_code, stdout and stderr."""
        given = ["--home", str(self.folder), *map(str, arguments)]
        return CliRunner().invoke(cli, given, prog_name="meterhouse", **options)

    def json(self, *arguments, code=0):
        """What the command prints as JSON."""
        done = self.call(*arguments, "--json")
        assert done.exit_code == code, (done.stdout, done.stderr)
        found = json.loads(done.stdout)
        assert found["meterhouse"] == 1
        return found


@pytest.fixture
def begun(tmp_path):
    """A home made from the example, with nothing recorded."""
    home = Home(tmp_path / "home")
    assert home.call("init", "--example", "azure").exit_code == 0
    return home


@pytest.fixture(scope="module")
def billed(tmp_path_factory):
    """A home that went the whole way once: applied, loaded, run."""
    home = Home(tmp_path_factory.mktemp("cli") / "home")
    assert home.call("init", "--example", "azure").exit_code == 0
    (home.folder / "book" / "extra.yaml").write_text(EXTRA)
    settings = home.folder / "meterhouse.yaml"
    settings.write_text(re.sub(r"(?m)^sources:", "sources:\n  api: {}", settings.read_text()))
    usage = home.folder / "usage.csv"
    usage.write_text(CSV)
    home.applied = home.json("apply", "--yes")
    home.loaded = home.call("ingest", usage, "--source", "azure")
    home.ran = home.call("run", "--through", "2023-12-01")
    return home
