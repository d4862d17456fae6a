import shutil
from pathlib import Path

import pytest

from meterhouse.lake import Lake
from meterhouse.run.applying import apply_book
from meterhouse.settings import Settings

ROOT = Path(__file__).parents[2]
SETTINGS = """
sources:
  azure:
    format: csv
    id: row
    map:
      type: {value: llm_request}
      subject: {value: contoso}
      time: {column: TIMESTAMP, zone: UTC}
      data: {context_tokens: ContextTokens, generated_tokens: GeneratedTokens}
"""
USAGE = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:15:46.6805900,374000,44000
2023-12-16 18:15:50.9951690,396000,109000
2024-01-16 18:15:50.9951690,1000000,2000
"""


def make_home(folder, usage=USAGE):
    """A home with the example's book recorded and one file of usage landed."""
    folder.mkdir(parents=True)
    (folder / "meterhouse.yaml").write_text(SETTINGS)
    shutil.copytree(ROOT / "examples/azure/book", folder / "book")
    lake = Lake(Settings.load(folder))
    lake.create()
    apply_book(lake)
    landing = folder / "landing" / "azure"
    landing.mkdir(parents=True)
    (landing / "usage.csv").write_text(usage)
    return lake


@pytest.fixture
def documents():
    """What was issued: number and content, which does not name the run."""

    def read(lake):
        with lake.reading() as db:
            select = "select number, content from facts.documents order by number"
            return db.execute(select).fetchall()

    return read


@pytest.fixture
def new_home(tmp_path, monkeypatch):
    """Makes a home that Dagster's definitions work on; the clock stands still."""
    monkeypatch.setenv("METERHOUSE_NOW", "2024-02-03T12:00:00+00:00")

    def make(name="home", usage=USAGE):
        lake = make_home(tmp_path / name, usage)
        monkeypatch.setenv("METERHOUSE_HOME", str(tmp_path / name))
        return lake

    return make
