"""In a small lake queries are planned less: as they are written, with the same rows."""

import pytest

from meterhouse import lake_planning
from meterhouse.lake_planning import LEFT_OUT, left_out
from tests.lake.writing import add_events, note

JOIN = """
select notes.message_id, count(*) as events
from facts.outbox as notes, facts.usage_events as events, facts.batches as batches
where events.batch_seq = batches.batch_seq and notes.batch_seq > events.batch_seq
group by all order by all
"""


def planned(db):
    (row,) = db.execute("select current_setting('disabled_optimizers')").fetchall()
    return row[0]


@pytest.fixture
def told(lake):
    add_events(lake, 0, 10)
    add_events(lake, 10, 13)
    for name in "ab":
        note(lake, name)
    return lake


def test_a_small_lake_is_planned_less_and_a_large_one_whole(told, monkeypatch):
    with told.reading() as db:
        assert set(planned(db).split(",")) == set(LEFT_OUT.split(","))
        few = db.execute(JOIN).fetchall()
    monkeypatch.setattr(lake_planning, "LOOK", lake_planning.LOOK.replace("5000", "12"))
    with told.reading() as db:
        assert planned(db) == ""
        assert db.execute(JOIN).fetchall() == few


@pytest.mark.parametrize(("most", "known"), [(100, LEFT_OUT), (12, "")])
def test_rows_of_all_tables_count(told, monkeypatch, most, known):
    monkeypatch.setattr(lake_planning, "LOOK", lake_planning.LOOK.replace("5000", str(most)))
    with told.session() as db:
        assert left_out(db) == known


def test_dbt_is_told_the_same(told, monkeypatch):
    assert told.attach_options(told.head())["METERHOUSE_LEFT_OUT"] == LEFT_OUT
    monkeypatch.setattr(lake_planning, "LOOK", lake_planning.LOOK.replace("5000", "12"))
    assert told.attach_options(told.head())["METERHOUSE_LEFT_OUT"] == ""


def test_a_lake_without_rows_is_small(lake):
    with lake.session() as db:
        assert left_out(db) == LEFT_OUT
