"""A period leaves the house whole or not at all, once, and with what is issued and nothing else."""

import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from meterhouse.errors import ChecksFailed, Corrupt, UsageError
from meterhouse.exports.verify import differences
from meterhouse.run.close import close
from meterhouse.run.export_folder import replacing, settle
from meterhouse.run.exporting import FORMATS, export_period, last_month
from tests.exports.conftest import NAME, NOVEMBER, OCTOBER, contents, export
from tests.truth.events import request
from tests.truth.harness import MONTHS

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
NAMES = {
    *(
        f"{table}.{kind}"
        for table in ("invoices", "lines", "entries")
        for kind in ("csv", "parquet")
    ),
    *("export.xlsx", "ledger.beancount", "ledger.hledger", "manifest.json"),
}
SUMS = """
select currency, sum(net), sum(tax), sum(total), count(*) from facts.documents
where entity_id = ? and invoice_date >= ? and invoice_date < ? group by currency
"""
POSTED = """
select currency, sum(debit), sum(credit), count(*) from facts.journal_lines as lines
join facts.journal_entries as entries using (entry_id)
where entity_id = ? and posting_date >= ? and posting_date < ? group by currency
"""
CASES = [(entity, one) for entity in ("us", "jp", "kw") for one in (OCTOBER, NOVEMBER)]


def folder_of(home, entity, period):
    return home.path / "exports" / entity / f"{period[0]:%Y-%m}"


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def total(rows, name):
    return sum((Decimal(row[name]) for row in rows), Decimal(0))


@pytest.mark.parametrize(("entity", "period"), CASES)
def test_the_csv_files_add_up_to_the_facts(exported, entity, period):
    folder = folder_of(exported, entity, period)
    assert {path.name for path in folder.iterdir()} == NAMES
    invoices, lines, entries = (
        rows_of(folder / f"{name}.csv") for name in ("invoices", "lines", "entries")
    )
    ((currency, net, tax, gross, count),) = exported.rows(SUMS, [entity, *period])
    assert {row["currency"] for row in invoices} == {currency}
    assert [total(invoices, name) for name in ("net", "tax", "total")] == [net, tax, gross]
    assert (len(invoices), total(lines, "amount")) == (count, net)
    assert {row["number"] for row in lines} == {row["number"] for row in invoices}
    ((_, debit, credit, posted),) = exported.rows(POSTED, [entity, *period])
    assert [total(entries, name) for name in ("debit", "credit")] == [debit, credit]
    assert (len(entries), debit) == (posted, credit)


@pytest.mark.parametrize(("entity", "places"), [("us", 2), ("jp", 0), ("kw", 3)])
def test_amounts_in_csv_have_their_currencys_places(exported, entity, places):
    rows = rows_of(folder_of(exported, entity, NOVEMBER) / "invoices.csv")
    assert {len(row["total"].partition(".")[2]) for row in rows} == {places}


def test_a_name_that_begins_like_a_formula_is_text_in_csv(exported):
    rows = rows_of(folder_of(exported, "us", NOVEMBER) / "invoices.csv")
    assert [row["customer"] for row in rows if row["customer_id"] == "alpha"] == [f"'{NAME}"]


@pytest.mark.parametrize("table", ["invoices", "lines", "entries"])
def test_parquet_is_typed_and_holds_the_rows_of_the_csv(exported, table):
    folder = folder_of(exported, "kw", NOVEMBER)
    path = str(folder / f"{table}.parquet")
    with duckdb.connect() as db:
        types = dict(r[:2] for r in db.execute("describe from read_parquet(?)", [path]).fetchall())
        found = db.execute("select count(*) from read_parquet(?)", [path]).fetchone()
        packed = db.execute(
            "select distinct compression from parquet_metadata(?)", [path]
        ).fetchall()
    assert found == (len(rows_of(folder / f"{table}.csv")),)
    assert packed == [("ZSTD",)]
    amounts = {"invoices": "total", "lines": "amount", "entries": "debit_base"}
    assert types[amounts[table]] == "DECIMAL(38,4)"
    assert {kind for name, kind in types.items() if name.endswith("_id")} == {"VARCHAR"}
    assert "DOUBLE" not in types.values()


def test_the_manifest_names_hash_rows_and_totals_of_each_file(exported):
    folder = folder_of(exported, "us", OCTOBER)
    text = (folder / "manifest.json").read_text()
    said = json.loads(text)
    assert text == json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert set(said["files"]) == NAMES - {"manifest.json"}
    for name, file in said["files"].items():
        body = (folder / name).read_bytes()
        assert (file["bytes"], file["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    ((currency, net, tax, gross, count),) = exported.rows(SUMS, ["us", *OCTOBER])
    invoices = said["files"]["export.xlsx"]["tables"]["invoices"]
    assert invoices["rows"] == count
    found = {name: Decimal(text) for name, text in invoices["totals"][currency].items()}
    assert found == {"net": net, "tax": tax, "total": gross}
    head = exported.lake.head()
    assert (said["batch_seq"], said["snapshot"]) == (head.batch_seq, head.snapshot)
    assert said["period"]["is_closed"] is True
    assert said["previous_manifest_sha256"] is None


def test_the_same_facts_give_the_same_bytes(exported, tmp_path):
    export(exported, OCTOBER, folder=tmp_path / "again")
    for entity in ("us", "jp", "kw"):
        again = contents(tmp_path / "again" / entity / "2025-10")
        assert again == contents(folder_of(exported, entity, OCTOBER))


def test_a_second_export_with_nothing_new_touches_nothing(october):
    first = export(october, OCTOBER)
    assert {one.status for one in first.values()} == {"written"}
    folder = Path(first["us"].path)
    seen = [(p.name, p.stat().st_ino, p.stat().st_mtime_ns) for p in sorted(folder.iterdir())]
    october.load([request("unrelated", "alpha", "2025-12-05T12:00:00Z", 1)])
    second = export(october, OCTOBER)
    assert {one.status for one in second.values()} == {"unchanged"}
    assert second["us"].batch_seq == first["us"].batch_seq
    again = [(p.name, p.stat().st_ino, p.stat().st_mtime_ns) for p in sorted(folder.iterdir())]
    assert again == seen


@pytest.mark.soak
def test_a_late_correction_is_in_the_month_of_its_invoice_and_not_in_the_old_one(october):
    """Usage of October that comes after its close is billed with November's, on 1 December."""
    before = contents(export(october, OCTOBER)["us"].path)
    october.load([request("late", "alpha", "2025-10-12T12:00:00Z", 9_000_000)])
    october.issue(MONTHS[2])
    close(october.lake, MONTHS[2])
    assert export(october, OCTOBER)["us"].status == "unchanged"
    assert contents(october.path / "exports/us/2025-10") == before
    folder = Path(export(october, (MONTHS[2], MONTHS[3]))["us"].path)
    late = [row for row in rows_of(folder / "lines.csv") if row["is_correction"] == "true"]
    assert [(row["service_start"], row["amount"]) for row in late] == [("2025-10-01", "22.50")]
    assert late[0]["original_number"] == "us-2025-000006"


def test_a_folder_that_is_replaced_names_the_manifest_it_replaced(october):
    first = Path(export(october, NOVEMBER)["jp"].path)
    old = hashlib.sha256((first / "manifest.json").read_bytes()).hexdigest()
    october.issue(MONTHS[2])
    assert export(october, NOVEMBER)["jp"].status == "replaced"
    said = json.loads((first / "manifest.json").read_text())
    assert said["previous_manifest_sha256"] == old
    assert sorted(path.name for path in first.parent.iterdir()) == ["2025-11"]


@pytest.mark.soak
def test_drafts_that_wait_are_counted_and_not_exported(october):
    october.record(october.changed("entity", "us", approval=None))
    done = october.issue(MONTHS[2])
    waiting = [one for one in done.drafts if one["invoice_date"] < NOVEMBER[1]]
    assert waiting
    folders = export(october, NOVEMBER)
    assert folders["us"].drafts_waiting == len([d for d in waiting if d["entity_id"] == "us"]) > 0
    assert folders["jp"].drafts_waiting == 0
    numbers = october.rows(
        "select number from facts.documents where entity_id = 'us' "
        "and invoice_date between '2025-11-01' and '2025-11-30' order by invoice_date, number"
    )
    assert [
        (row["number"],) for row in rows_of(Path(folders["us"].path) / "invoices.csv")
    ] == numbers


def test_a_dry_run_says_what_would_change_and_writes_nothing(october):
    folders = export(october, OCTOBER, dry_run=True)
    assert {one.status for one in folders.values()} == {"would change"}
    assert not (october.path / "exports").exists()


@pytest.mark.parametrize(
    "name", ["invoices.csv", "entries.parquet", "export.xlsx", "ledger.hledger"]
)
def test_a_tampered_file_is_found_and_the_next_export_mends_it(october, name):
    path = Path(export(october, OCTOBER, entity="us")["us"].path) / name
    good = path.read_bytes()
    path.write_bytes(good[:-9] + bytes([good[-9] ^ 1]) + good[-8:])
    (said,) = differences(path.parent)
    assert said.startswith(f"{name} has SHA-256")
    mended = export(october, OCTOBER, entity="us")["us"]
    assert (mended.status, mended.damaged) == ("replaced", (said,))
    assert path.read_bytes() == good


def test_missing_and_strange_files_are_differences(october):
    folder = Path(export(october, OCTOBER, entity="us")["us"].path)
    (folder / "lines.csv").rename(folder / "lines (copy).csv")
    assert differences(folder) == [
        "lines.csv is missing.",
        "lines (copy).csv is not in the manifest.",
    ]
    with pytest.raises(UsageError, match=r"no export wrote: lines \(copy\)\.csv\. Nothing"):
        export(october, OCTOBER, entity="us")
    assert (folder / "lines (copy).csv").is_file()
    (folder / "manifest.json").write_text("{")
    assert "no manifest.json that can be read" in differences(folder)[0]


def test_a_folder_of_somebody_else_is_never_replaced(exported, tmp_path):
    (tmp_path / "us/2025-10").mkdir(parents=True)
    (tmp_path / "us/2025-10/taxes.xlsx").write_text("mine")
    with pytest.raises(UsageError, match=r"no export wrote: taxes\.xlsx"):
        export(exported, OCTOBER, folder=tmp_path, entity="us")
    assert contents(tmp_path / "us/2025-10") == {"taxes.xlsx": b"mine"}


def test_totals_that_differ_from_the_manifest_are_found_even_if_hashes_agree(october):
    folder = Path(export(october, OCTOBER, entity="us")["us"].path)
    path = folder / "manifest.json"
    said = json.loads(path.read_text())
    for name in ("invoices.csv", "invoices.parquet", "export.xlsx"):
        said["files"][name]["tables"]["invoices"]["totals"]["USD"]["net"] = "1.00"
    path.write_text(json.dumps(said))
    found = [one.partition(",")[0] for one in differences(folder)]
    assert found == ["export.xlsx", "invoices.csv", "invoices.parquet"]


CHILD = """
import sys
from datetime import date
from pathlib import Path
from meterhouse.lake import Lake
from meterhouse.run.exporting import export_period
from meterhouse.settings import Settings
lake = Lake(Settings.load(Path(sys.argv[1])))
export_period(lake, first=date(2025, 10, 1), until=date(2025, 11, 1), entity="us")
"""
MOVING = """
import sys
from pathlib import Path
from meterhouse.run.export_folder import replacing
with replacing(Path(sys.argv[1]), exchanges=False) as made:
    (made / "new").write_text("new")
"""


def killed(code, argument, place):
    """Run the code in a child that is killed at the place."""
    environment = {**os.environ, "METERHOUSE_FAILPOINT": place, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code, str(argument)],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize("place", ["export.written", "export.verified", "export.swapped"])
def test_a_kill_leaves_the_old_export_or_the_new_one_whole(october, place):
    folder = Path(export(october, OCTOBER, entity="us", formats=["csv"])["us"].path)
    old = contents(folder)
    killed(CHILD, october.path, place)
    is_new = place == "export.swapped"
    assert (contents(folder) == old) is not is_new
    assert differences(folder) == []
    assert [p.name for p in folder.parent.iterdir() if p.name != "2025-10"] == [".2025-10.part"]
    assert export(october, OCTOBER, entity="us")["us"].status == (
        "unchanged" if is_new else "replaced"
    )
    assert {path.name for path in folder.iterdir()} == NAMES
    assert [path.name for path in folder.parent.iterdir()] == ["2025-10"]


def test_where_folders_cannot_be_exchanged_a_kill_loses_nothing_either(tmp_path):
    place = tmp_path / "2025-10"
    place.mkdir()
    (place / "old").write_text("old")
    killed(MOVING, place, "export.moved")
    assert not place.exists()
    settle(place)
    assert contents(place) == {"old": b"old"}
    with replacing(place, exchanges=False) as made:
        (made / "new").write_text("new")
    assert contents(place) == {"new": b"new"}
    assert [path.name for path in tmp_path.iterdir()] == ["2025-10"]


def test_an_export_that_fails_leaves_the_old_one(tmp_path):
    place = tmp_path / "2025-10"
    with replacing(place) as made:
        (made / "old").write_text("old")
    with pytest.raises(RuntimeError, match="full"), replacing(place) as made:  # noqa: PT012
        (made / "new").write_text("new")
        raise RuntimeError("full")
    assert contents(place) == {"old": b"old"}
    assert [path.name for path in tmp_path.iterdir()] == ["2025-10"]


@pytest.mark.parametrize("name", ["lake", "warehouse/x", "landing", "book", "landing/api"])
def test_an_export_never_goes_where_facts_and_inputs_are(exported, name, tmp_path):
    with pytest.raises(UsageError, match="keeps for itself"):
        export(exported, OCTOBER, folder=exported.path / name)
    (tmp_path / "link").symlink_to(exported.path / name.partition("/")[0])
    if (tmp_path / "link").exists():
        with pytest.raises(UsageError, match="keeps for itself"):
            export(exported, OCTOBER, folder=tmp_path / "link" / "deeper")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"entity": "uss"}, "Did you mean 'us'"),
        ({"formats": ["csv", "pdf"]}, "pdf is no format"),
        ({"formats": []}, "No format"),
        ({"until": date(2025, 10, 1)}, "ends at 2025-10-01 before it begins"),
    ],
)
def test_a_call_that_cannot_work_is_refused(exported, options, words):
    given = {"first": OCTOBER[0], "until": OCTOBER[1], "formats": FORMATS, **options}
    with pytest.raises(UsageError, match=words):
        export_period(exported.lake, **given)


def test_facts_that_do_not_add_up_do_not_leave_the_house(october):
    october.plant(
        journal_entries=[
            {
                "entry_id": "e",
                "entity_id": "us",
                "posting_date": "2025-10-05",
                "currency": "USD",
                "base_currency": "USD",
            }
        ],
        journal_lines=[
            {
                "entry_id": "e",
                "line_no": "1",
                "account": "revenue",
                "debit": "1",
                "credit": "0",
                "debit_base": "1",
                "credit_base": "0",
            }
        ],
    )
    with pytest.raises(ChecksFailed, match="Entry e does not balance"):
        export(october, OCTOBER)
    assert not (october.path / "exports").exists()


def test_facts_whose_file_was_damaged_do_not_leave_the_house(october):
    path = next((october.path / "lake/data/facts/journal_lines").rglob("*.parquet"))
    body = path.read_bytes()
    path.write_bytes(body[:100] + bytes([body[100] ^ 1]) + body[101:])
    with pytest.raises(Corrupt, match="SHA-256"):
        export(october, OCTOBER)


def test_a_span_that_is_no_month_is_named_by_its_days(exported, tmp_path):
    span = (date(2025, 10, 1), date(2025, 10, 16))
    folders = export(exported, span, folder=tmp_path, formats=["csv"], entity="us")
    assert folders["us"].path == str(tmp_path / "us" / "2025-10-01_2025-10-16")
    assert set(folders["us"].files) == {"invoices.csv", "lines.csv", "entries.csv"}


@pytest.mark.parametrize(
    ("zone", "first"), [("Asia/Tokyo", date(2025, 11, 1)), ("America/New_York", date(2025, 10, 1))]
)
def test_the_last_full_month_is_the_one_of_the_zone(zone, first):
    now = datetime(2025, 11, 30, 20, tzinfo=UTC)
    assert last_month(now, zone)[0] == first
