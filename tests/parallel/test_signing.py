"""A sign-off of a recorded comparison, what it opens, and the criteria of the pilot."""

import json
from datetime import date

import pytest
import yaml
from click.testing import CliRunner

from meterhouse.cli.main import cli
from meterhouse.errors import Rejected, UsageError
from meterhouse.parallel.mapping import mapping_of
from meterhouse.run.parallel_compare import compare_month, record_comparison
from meterhouse.run.parallel_import import import_legacy
from meterhouse.run.parallel_map import record_maps
from meterhouse.run.parallel_signing import sign_off
from meterhouse.run.pilot import record_result
from tests.parallel.legacy_book import MAPPING, home_of, old_rows, write
from tests.truth.harness import GREAT_EXPECTATIONS

pytestmark = [pytest.mark.slow, GREAT_EXPECTATIONS]
MONTH = "2025-10"
CRITERIA = [
    {"kind": "criterion", "id": name, "criterion": f"About {name}", "owner": "Finance", **told}
    for name, told in {
        "explained": {"measure": "unexplained_amount", "target": "0"},
        "months": {"measure": "months_signed_off", "target": "1"},
        "read": {"measure": "documents_kept_out", "target": "0"},
        "support": {"measure": "by_hand"},
    }.items()
]


def compared(home):
    """Compare the month and keep the result."""
    record_comparison(home.lake, compare_month(home.lake, MONTH))


def report(home):
    """The exit code of the pilot's report, and result and whether it is met by criterion."""
    words = ["--home", str(home.path), "pilot", "report", "--json"]
    done = CliRunner().invoke(cli, words, prog_name="meterhouse")
    rows = json.loads(done.stdout)["criteria"]
    return done.exit_code, {one["id"]: (one["result"], one["met"]) for one in rows}


def test_a_month_is_signed_off_when_all_of_it_is_explained_and_opens_the_gate(tmp_path):
    home = home_of(tmp_path / "home", ["clean", "other"])
    home.record(*CRITERIA)
    home.issue(date(2025, 10, 12))
    old = old_rows(home)
    for row in old["other"]:
        if row["product"] == "seat":
            row["product"] = "Widget"
    write(tmp_path / "old.csv", [*old["clean"], *old["other"]])
    import_legacy(home.lake, tmp_path / "old.csv", mapping_of(yaml.safe_load(MAPPING), "map.yaml"))
    with pytest.raises(Rejected, match="No comparison of 2025-10 and cohort all is recorded"):
        sign_off(home.lake, MONTH, "all", "agreed")
    compared(home)
    with pytest.raises(
        Rejected, match=r"Of customer other, .* are unexplained.\nNothing was signed"
    ):
        sign_off(home.lake, MONTH, "all", "agreed")
    record_maps(home.lake, {"products": {"Widget": "seat"}})
    with pytest.raises(Rejected, match="is not any more what was recorded"):
        sign_off(home.lake, MONTH, "all", "agreed")
    code, found = report(home)
    assert (code, found["months"], found["support"]) == (4, ("0", "no"), ("", "open"))
    assert found["explained"][1] == "no"
    compared(home)
    assert sign_off(home.lake, MONTH, "all", "agreed") > 0
    with pytest.raises(Rejected, match="signed off this comparison of 2025-10 before"):
        sign_off(home.lake, MONTH, "all", "agreed")
    with pytest.raises(UsageError, match="'months' is counted"):
        record_result(home.lake, "months", "two", is_met=True)
    record_result(home.lake, "support", "12 of 12 lines", is_met=True)
    assert report(home) == (
        0,
        {
            "explained": ("0", "yes"),
            "months": ("1", "yes"),
            "read": ("0", "yes"),
            "support": ("12 of 12 lines", "yes"),
        },
    )
    (entity,) = {slot[1] for slot in home.book if slot[0] == "entity"}
    home.record(home.changed("entity", entity, go_live_months=2))
    held = dict(home.issue(date(2025, 11, 12)).issued.held)
    assert len(held) == 2
    assert all("1 of 2 months of the parallel run are signed off" in why for why in held.values())
    home.record(home.changed("entity", entity, go_live_months=1))
    assert len(home.issue(date(2025, 11, 12)).issued.numbers) == 2
