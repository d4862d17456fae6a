"""Events are amended and voided by newer versions; the old ones stay as they are."""

from datetime import UTC, date, datetime
from decimal import Decimal

import duckdb
import pytest

from meterhouse.errors import CorrectionFault
from meterhouse.run.amending import amend, void
from meterhouse.run.conflicts import resolve
from meterhouse.run.explain import explain
from meterhouse.run.quarantine import retry
from meterhouse.run.quarantined import show
from meterhouse.run.usage_behind import usage_behind
from tests.run.corrections import SEPTEMBER, asked, balanced, live
from tests.truth.events import Event, request
from tests.truth.harness import MONTHS

OCTOBER = "2025-10-12T12:00:00Z"


@pytest.fixture
def used(home):
    """Three events of Twin in September."""
    home.load([request(f"e{n}", "twin", SEPTEMBER, 100 * n) for n in (1, 2, 3)])
    return home


def versions(home, id):
    """Tokens, action and whether it replaces another, of each version in order."""
    return home.rows(
        "select p_tokens::int, action, replaces_seq is not null from facts.usage_events "
        "where event_id = ? order by batch_seq, row_no",
        [id],
    )


def test_an_amended_event_has_the_new_values_and_keeps_the_others_and_the_old_version(home):
    home.load([request("e", "twin", SEPTEMBER, 5, region="eu", cached=False)])
    before = home.rows("from facts.usage_events")
    done = amend(home.lake, asked("e", tokens="7"), "counted twice")
    assert (done.added, done.amended, done.voided, done.unchanged) == (0, 1, 0, 0)
    assert home.rows("from facts.usage_events where batch_seq < ?", [done.batch_seq]) == before
    (newest,) = home.rows(
        "select p_tokens, p_region, p_cached, occurred_at, customer_id, replaces_seq, replaces_row "
        "from facts.usage_events where batch_seq = ?",
        [done.batch_seq],
    )
    at = datetime(2025, 9, 12, 12, tzinfo=UTC)
    assert newest == (Decimal(7), "eu", False, at, "twin", done.batch_seq - 1, 1)
    assert home.rows(
        "select kind, subject_id, result, sentence from facts.commands order by batch_seq desc "
        "limit 1"
    ) == [("amend", "api/e", "done", "counted twice")]
    assert balanced(home)


def test_an_amendment_may_move_an_event_to_another_day(used):
    amend(used.lake, asked("e1", time="2025-10-20T01:00:00.1234567+02:00"), "wrong clock")
    (row,) = used.rows("select occurred_at, event_day from facts.usage_events where batch_seq = 3")
    assert row == (datetime(2025, 10, 19, 23, 0, 0, 123456, tzinfo=UTC), date(2025, 10, 19))
    # Amended again it is found on its new day.
    assert amend(used.lake, asked("e1", tokens="9"), "again").amended == 1
    assert live(used) == {"e1": 9, "e2": 200, "e3": 300}


def test_an_empty_value_takes_a_property_away(home):
    home.load([request("e", "twin", SEPTEMBER, 5, region="eu", cached=False)])
    done = amend(home.lake, asked("e", region=None), "unknown place")
    assert home.rows(
        "select p_region, json_keys(data) from facts.usage_events where batch_seq = ?",
        [done.batch_seq],
    ) == [(None, ["tokens", "cached"])]


def test_equal_values_and_a_second_void_change_nothing_and_commit_nothing(used):
    amend(used.lake, asked("e1", tokens="7"), "r")
    void(used.lake, asked("e2"), "r")
    head = used.lake.head().batch_seq
    assert amend(used.lake, asked("e1", tokens="7.0"), "r").unchanged == 1
    assert void(used.lake, asked("e2"), "r").unchanged == 1
    assert used.lake.head().batch_seq == head


def test_a_dry_correction_says_the_same_and_writes_nothing(used):
    before = used.count_facts()
    dry = amend(used.lake, asked("e1", tokens="7"), "r", is_dry=True)
    assert used.count_facts() == before
    done = amend(used.lake, asked("e1", tokens="7"), "r")
    assert (dry.batch_seq, dry.is_dry) == (None, True)
    assert dry.effects == done.effects
    assert [(row["property"], row["change"]) for row in done.effects.totals] == [
        (None, Decimal(0)),
        ("tokens", Decimal(-93)),
    ]


def test_a_void_leaves_the_event_on_record_and_nothing_of_it_in_force(used):
    done = void(used.lake, asked("e1", "e3"), "test traffic")
    assert (done.voided, done.batch_seq) == (2, 3)
    assert live(used) == {"e2": 200}
    assert versions(used, "e1") == [(100, None, False), (None, "void", True)]
    assert used.rows(
        "select distinct customer_id, event_type, event_day, data from facts.usage_events "
        "where action = 'void'"
    ) == [("twin", "request", date(2025, 9, 12), "{}")]
    assert balanced(used)


def test_a_voided_event_delivered_again_stays_void_and_an_amendment_brings_it_back(used):
    void(used.lake, asked("e1"), "r")
    (again,) = used.load(
        [request("e1", "twin", SEPTEMBER, 100), request("n", "twin", SEPTEMBER, 1)]
    )
    assert (again.accepted, again.duplicate, again.conflict) == (1, 1, 0)
    assert live(used) == {"e2": 200, "e3": 300, "n": 1}
    (other,) = used.load([request("e1", "twin", SEPTEMBER, 55)])
    assert (other.accepted, other.conflict) == (0, 1)
    assert amend(used.lake, asked("e1", tokens="100"), "was right").amended == 1
    assert live(used) == {"e1": 100, "e2": 200, "e3": 300, "n": 1}
    assert [row[1] for row in versions(used, "e1")] == [None, "void", None]


def test_a_conflict_taken_after_an_amendment_replaces_the_amended_version(used):
    used.load([request("e1", "twin", SEPTEMBER, 111)])
    used.load([request("e1", "twin", SEPTEMBER, 122)])
    references = used.rows("select batch_seq, row_no from facts.conflicts order by all")
    amend(used.lake, asked("e1", tokens="7"), "r")
    for reference in references:
        resolve(used.lake, [reference], "took_new", "newer")
    assert live(used)["e1"] == 122


def test_two_contents_of_one_file_taken_are_one_event(home):
    home.load([request("e", "twin", SEPTEMBER, 1), request("e", "twin", SEPTEMBER, 2)])
    [reference] = home.rows("select batch_seq, row_no from facts.conflicts")
    resolve(home.lake, [reference], "took_new", "newer")
    assert live(home) == {"e": 2}


def test_all_faults_of_a_correction_are_told_at_once_and_nothing_is_changed(used):
    before = used.count_facts()
    rows = asked("e1", "nix", "e2", "e2", tokens="many", tokns="1")
    with pytest.raises(CorrectionFault) as told:
        amend(used.lake, rows, "r")
    text = str(told.value)
    assert "row 2: event nix of source api is not known." in text
    assert "row 4: event e2 of source api is named twice." in text
    assert "has no property 'tokns'; did you mean 'tokens'?\n" in text
    assert "Property tokens is many, not a plain decimal number" in text
    with pytest.raises(CorrectionFault, match="is given nothing new"):
        amend(used.lake, asked("e1"), "r")
    with pytest.raises(CorrectionFault, match="is not known"):
        void(used.lake, asked("e1", "nix"), "r")
    with pytest.raises(CorrectionFault, match="is not a date and time with an offset"):
        amend(used.lake, asked("e1", time="yesterday"), "r")
    assert used.count_facts() == before


def test_events_of_two_sources_under_one_id_are_corrected_apart(home):
    home.load([request("e", "twin", SEPTEMBER, 1), request("e", "twin", SEPTEMBER, 2, "restated")])
    void(home.lake, asked("e", source="restated"), "r")
    assert live(home) == {"e": 1}


@pytest.mark.slow
def test_corrections_of_a_billed_month_name_its_document_and_are_billed_as_the_difference(home):
    home.load([request(f"e{n}", "twin", SEPTEMBER, 100_000) for n in (1, 2, 3)])
    home.load([request("o", "twin", OCTOBER, 10_000)])
    home.issue(MONTHS[1])
    numbers = {
        one["number"]
        for one in _dicts(home, "select number, window_start_on as day from facts.billed_lines "
                          "where contract_id = 'twin-tokens' and month(window_start_on) = 9")
    }  # fmt: skip
    done = void(home.lake, asked("e1"), "r")
    [window] = [one for one in done.effects.windows if one["contract_id"] == "twin-tokens"]
    assert window["window_start_on"] == date(2025, 9, 1)
    assert set(window["documents"]) == numbers
    amend(home.lake, asked("e2", tokens="40000"), "r")
    after = home.issue(MONTHS[1])
    assert (after.failed, after.held) == (set(), {})
    (credit,) = [one for one in home.documents() if one["kind"] == "credit_note"]
    [line] = credit["lines"]
    assert (line["amount"], line["service"]["start"]) == ("-16.00", "2025-09-01")
    _same_on_every_way(home, credit["issue"]["number"])
    assert _fates(home) == {"read": 3, "superseded": 1, "voided": 2}
    amend(home.lake, asked("e1", tokens="100000"), "back")
    assert home.issue(MONTHS[1]).failed == set()
    assert home.sums()["twin-tokens", "tokens", date(2025, 9, 1), date(2025, 10, 1)] == 24


def _same_on_every_way(home, number):
    """The events behind the corrected line are those in force, however they are read."""
    behind = usage_behind(home.lake, number)
    assert dict(behind.select("event_id", "quantity").rows()) == {
        "e2": Decimal(40_000),
        "e3": Decimal(100_000),
    }
    [line] = explain(home.lake, number)["lines"]
    assert sum(Decimal(day["quantity"]) for day in line["days"]) == Decimal(140_000)
    assert sum(day["events"] for day in line["days"]) == 2


def _fates(home):
    with duckdb.connect(str(home.lake.settings.warehouse), read_only=True) as db:
        rows = db.execute("select fate, sum(event_count) from usage.fates group by fate").fetchall()
    return {fate: int(count) for fate, count in rows if count}


def _dicts(home, query):
    with home.lake.reading() as db:
        return db.sql(query).pl().to_dicts()


def acting(id, action=None, subject="twin", tokens=None, time=SEPTEMBER, **other):
    """A record that amends or voids."""
    return Acting("acting", id, "request", subject, time, (("tokens", tokens),), action)


class Acting(Event):
    """A record of a source that says what it does to a known event."""

    def __new__(cls, *fields):
        made = super().__new__(cls, *fields[:-1])
        made.action = fields[-1]
        return made

    @property
    def line(self):
        """The record with its action; a void brings no more than its id."""
        if self.action == "void":
            return f'{{"id": "{self.id}", "do": "Void"}}'
        record = super().line
        return record if self.action is None else record[:-1] + f', "do": "{self.action}"}}'


@pytest.fixture
def acts(home):
    """A home with a source whose records may amend and void."""
    settings = home.path / "meterhouse.yaml"
    text = settings.read_text()
    own = "  acting:\n    format: ndjson\n    map: {action: {column: do}}\n"
    settings.write_text(text.replace("sources:\n", "sources:\n" + own))
    return home


def test_a_source_amends_and_voids_its_own_events_whatever_on_conflict_says(acts):
    acts.load([acting("a", tokens=1), acting("b", tokens=2), acting("c", tokens=3)])
    (done,) = acts.load([acting("a", "amend", tokens=10), acting("b", "void")])
    assert (done.accepted, done.quarantined, done.conflict) == (2, 0, 0)
    assert live(acts) == {"a": 10, "c": 3}
    assert balanced(acts)


def test_records_of_one_file_act_in_their_order(acts):
    (done,) = acts.load(
        [
            acting("a", tokens=1),
            acting("a", "amend", tokens=2),
            acting("a", "void"),
            acting("b", "amend", tokens=5),  # Not known yet.
            acting("b", tokens=4),
            acting("b", "amend", tokens=4),  # Nothing new.
            acting("a", "amend", tokens=1),
        ]
    )
    assert (done.accepted, done.duplicate, done.quarantined) == (5, 1, 1)
    assert live(acts) == {"a": 1, "b": 4}
    assert [row[1] for row in versions(acts, "a")] == [None, None, "void", None]
    retry(acts.lake)
    assert live(acts) == {"a": 1, "b": 5}
    assert balanced(acts)


def test_an_action_on_an_unknown_event_waits_until_the_event_comes(acts):
    (done,) = acts.load([acting("a", "amend", tokens=7), acting("b", "void"), acting("c", "drop")])
    assert (done.accepted, done.quarantined) == (0, 3)
    reasons = acts.rows("select event_id, reason from facts.rejected_events order by 1")
    assert reasons == [("a", "unknown_id"), ("b", "unknown_id"), ("c", "unknown_action")]
    shown = show(acts.lake, "2-1")
    assert (
        shown["faults_now"]
        == shown["faults"]
        == ["Event a is not known, so that there is nothing to amend yet."]
    )
    assert retry(acts.lake) == []
    acts.load([acting("a", tokens=1), acting("b", tokens=2)])
    [released] = retry(acts.lake)
    assert (released.released, released.accepted) == (2, 2)
    assert live(acts) == {"a": 7}
    assert balanced(acts)
    assert acts.rows("select count(*) from facts.rejected_events where status = 'released'") == [
        (2,)
    ]


def test_a_delivery_that_overlaps_an_earlier_one_acts_once(acts):
    first = [acting("a", tokens=1), acting("a", "amend", tokens=2), acting("a", "amend", tokens=3)]
    acts.load(first)
    void(acts.lake, asked("a", source="acting"), "r")
    amend(acts.lake, asked("a", source="acting", tokens="9"), "r")
    (again,) = acts.load([*first, acting("z", tokens=1)])
    assert (again.accepted, again.duplicate) == (1, 3)
    assert live(acts) == {"a": 9, "z": 1}
