"""What was issued can be proved: made again, also of an earlier release; bytes are kept."""

import tarfile
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from meterhouse.lake import Lake
from meterhouse.run.documents import render
from meterhouse.run.sampled import draw, look_at_sample
from meterhouse.run.verifying import verify
from meterhouse.settings import Settings
from tests.truth.harness import GREAT_EXPECTATIONS, Home

pytestmark = [pytest.mark.slow, GREAT_EXPECTATIONS]
# A home that the release of that day made: three runs, late usage, 28 documents.
EARLIER = Path(__file__).parents[1] / "truth" / "releases" / "2026-11-23.tar.xz"


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    home = tmp_path_factory.mktemp("earlier")
    with tarfile.open(EARLIER) as archive:
        archive.extractall(home, filter="data")
    return Lake(Settings.load(home))


def test_documents_of_an_earlier_release_are_made_again_to_the_byte(earlier):
    assert [look.status for look in verify(earlier)] == ["ok"] * 7
    look = look_at_sample(earlier, Decimal(1), "1")
    assert (look.status, look.seen) == ("ok", "28 documents made again at both levels")


def test_a_sample_is_a_share_rounded_up_and_its_seed_draws_it_again(earlier):
    drawn = draw(earlier, Decimal("0.1"), "1")
    assert len(drawn) == 3
    assert draw(earlier, Decimal("0.1"), "1") == drawn != draw(earlier, Decimal("0.1"), "2")
    assert len(draw(earlier, Decimal("0.001"), "1")) == 1
    assert len(draw(earlier, Decimal(1), "x")) == 28


def test_a_document_that_comes_out_otherwise_is_named_with_its_first_difference(october):
    changed = october.rows("select number, content from facts.documents order by number")[0]
    number, content = changed
    row = october.rows("select * from facts.documents where number = ?", [number])[0]
    names = [name for (name, *_) in october.rows("describe facts.documents")]
    altered = content.replace('"country":"', '"country":"X', 1)
    assert altered != content
    values = {name: str(value) for name, value in zip(names, row, strict=True)} | {
        "content": altered, "number": "X-1", "document_id": row[0]
    }  # fmt: skip
    kept = {k: v for k, v in values.items() if k not in ("batch_seq", "row_no", "row_hash")}
    october.plant(documents=[{k: v for k, v in kept.items() if v != "None"}])
    look = look_at_sample(october.lake, Decimal(1), "1")
    assert look.status == "fail"
    assert any("X-1 made again differs at $." in fault.sentence for fault in look.faults)


@pytest.fixture
def released(tmp_path):
    """The home of the earlier release, of which no file was made yet."""
    with tarfile.open(EARLIER) as archive:
        archive.extractall(tmp_path / "home", filter="data")
    return Home(tmp_path / "home")


def test_what_was_made_of_a_document_once_is_kept_and_given_again(released, tmp_path):
    first = render(released.lake, None, "pdf", tmp_path / "a")
    count = len(first.written)
    kept = released.rows("select form, count(*), sum(bytes) from facts.renderings group by form")
    assert kept == [("pdf", count, sum(one.bytes for one in first.written))]
    again = render(released.lake, None, "pdf", tmp_path / "b")
    assert [one.sha256 for one in again.written] == [one.sha256 for one in first.written]
    assert released.rows("select count(*) from facts.renderings") == [(count,)]


def test_what_a_later_release_makes_otherwise_does_not_replace_what_was_handed_out(
    released, tmp_path
):
    number, document_id = released.rows(
        "select number, document_id from facts.documents order by number limit 1"
    )[0]
    old = b"%PDF as an earlier release made it"
    frame = pl.DataFrame({"document_id": [document_id], "form": ["pdf"], "data": [old]})
    with released.lake.session() as session:

        def write(commit):
            commit.db.register("frame_in", frame.to_arrow())
            commit.append("renderings", "from frame_in")

        released.lake.commit(session, write, takes_number=False)
    found = render(released.lake, [number], "pdf", tmp_path / "a")
    assert Path(found.written[0].path).read_bytes() == old
    anew = render(released.lake, [number], "pdf", tmp_path / "b", anew=True)
    assert anew.differing == [number]
    assert Path(anew.written[0].path).read_bytes() != old
    assert released.rows("select data from facts.renderings") == [(old,)]
