"""Files that are given to a source."""

import pytest

from meterhouse.errors import UsageError
from meterhouse.lake import Lake
from meterhouse.run.ingest import land
from meterhouse.settings import Settings


def test_files_for_a_source_that_is_not_one_of_files_are_refused(tmp_path):
    (tmp_path / "meterhouse.yaml").write_text(
        "sources: {api: {connector: http, http: {url: 'https://api.example.com/usage'}}}\n"
    )
    (tmp_path / "usage.csv").write_text("id\n1\n")
    lake = Lake(Settings.load(tmp_path))
    lake.create()
    with pytest.raises(UsageError, match="read by connector 'http' and has no landing folder"):
        land(lake, "api", [tmp_path / "usage.csv"])
    assert not (tmp_path / "landing").exists()
