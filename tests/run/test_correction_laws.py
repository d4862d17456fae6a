"""Whatever is delivered, amended, voided and replaced in whatever order: the newest version counts,
once, in the lake and in the determinants; only windows that were touched change."""

from datetime import date

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meterhouse.run.amending import amend, void
from meterhouse.run.replacing import replace_day
from tests.run.corrections import asked, balanced, live
from tests.truth.events import request
from tests.truth.harness import MONTHS, Home

pytestmark = [pytest.mark.slow]
DAYS = (date(2025, 9, 12), date(2025, 10, 12))
IDS = ("a", "b", "c", "d")
AMOUNTS = st.integers(1, 9)
EVENTS = st.dictionaries(st.sampled_from(IDS), AMOUNTS, min_size=1)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("deliver"), st.sampled_from(DAYS), EVENTS),
        st.tuples(st.just("amend"), st.sampled_from(IDS), AMOUNTS),
        st.tuples(st.just("void"), st.sampled_from(IDS), AMOUNTS),
        st.tuples(st.just("replace"), st.sampled_from(DAYS), EVENTS),
    ),
    min_size=3,
    max_size=6,
)


def made(day, events):
    """The records of a day."""
    return [request(id, "twin", f"{day}T12:00:00Z", n) for id, n in events.items()]


def applied(home, book, values, step, number):
    """Carry out one step on the home and in the book: of each event the day and tokens in force,
    None where it is void. `values` are the newest of every event, though it be void."""
    kind, what, how = step
    if kind == "deliver":
        home.load(made(what, how))
        for id, tokens in how.items():
            if id not in book:
                book[id] = values[id] = (what, tokens)
    elif kind == "amend" and what in book:
        amend(home.lake, asked(what, tokens=str(how)), "r")
        book[what] = values[what] = (values[what][0], how)
    elif kind == "void" and what in book:
        void(home.lake, asked(what), "r")
        book[what] = None
    elif kind == "replace":
        replaced(home, book, what, how, number)
        values.update((id, (what, tokens)) for id, tokens in how.items())


def replaced(home, book, day, events, number):
    """Replace a day twice: the second time changes nothing."""
    file = home.path / f"{number}.ndjson"
    file.write_text("".join(event.line + "\n" for event in made(day, events)))
    replace_day(home.lake, "api", day, [file], "r")
    again = replace_day(home.lake, "api", day, [file], "r")
    assert (again.batch_seq, again.changes) == (None, 0)
    for id, held in book.items():
        if held is not None and held[0] == day and id not in events:
            book[id] = None
    book.update((id, (day, tokens)) for id, tokens in events.items())


@given(steps=STEPS)
@settings(
    max_examples=2,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@pytest.mark.soak
def test_any_sequence_of_corrections_gives_the_usage_of_the_newest_versions(another, steps):
    home, book, values = another(), {}, {}
    for number, step in enumerate(steps):
        applied(home, book, values, step, number)
    in_force = {id: held for id, held in book.items() if held is not None}
    assert live(home) == {id: tokens for id, (_, tokens) in in_force.items()}
    assert balanced(home)
    first = home.issue(MONTHS[1])
    assert not {name for name, _, _ in first.failed} - {"conflicts_are_resolved"}
    assert _tokens(home) == {
        day.month: sum(tokens for on, tokens in in_force.values() if on == day)
        for day in DAYS
        if any(on == day for on, _ in in_force.values())
    }
    facts = home.count_facts()
    home.issue(MONTHS[1])
    again = home.count_facts()
    assert {name: again[name] for name in INPUTS} == {name: facts[name] for name in INPUTS}


INPUTS = ("usage_events", "batches", "commands", "documents", "billed_lines", "journal_entries")


def _tokens(home):
    """Month to tokens of Twin, where there are any."""
    with duckdb.connect(str(home.lake.settings.warehouse), read_only=True) as db:
        rows = db.execute(
            "select month(window_start_on), quantity from usage.determinants "
            "where contract_id = 'twin-tokens' and quantity <> 0"
        ).fetchall()
    return {month: int(quantity) for month, quantity in rows}


def determinants(home):
    """Quantity and events of every window of every meter."""
    with duckdb.connect(str(home.lake.settings.warehouse), read_only=True) as db:
        rows = db.execute(
            "select contract_id, item_id, window_start_on, quantity, event_count "
            "from usage.determinants"
        ).fetchall()
    return {row[:3]: row[3:] for row in rows}


@pytest.mark.soak
def test_a_backfill_of_a_past_month_changes_its_windows_alone_and_is_billed_by_the_next_run(
    october,
):
    before, documents = determinants(october), october.documents()
    september = [request(f"old-{n}", "twin", f"2025-09-{n:02d}T03:00:00Z", 1_000) for n in (5, 6)]
    october.load(september)
    done = october.issue(MONTHS[1])
    after = determinants(october)
    changed = {key for key in after if after[key] != before.get(key)}
    assert {(contract, on) for contract, _, on in changed} == {("twin-tokens", date(2025, 9, 1))}
    assert set(before) == set(after)
    [contract] = done.billed
    assert contract == "twin-tokens"
    issued = october.documents()
    assert issued[: len(documents)] == documents
    [line] = [line for document in issued[len(documents) :] for line in document["lines"]]
    assert (line["service"]["start"], line["amount"]) == ("2025-09-01", "0.20")


@pytest.mark.soak
def test_a_window_below_zero_is_held_and_the_rest_of_the_book_is_billed(home):
    home.load(
        [
            request("minus", "twin", "2025-10-12T12:00:00Z", -100_000),
            request("september", "twin", "2025-09-12T12:00:00Z", 50_000),
            request("alpha", "alpha", "2025-10-12T12:00:00Z", 10, region="eu", cached=False),
        ]
    )
    done = home.issue(MONTHS[1])
    [(name, kind, window)] = done.failed
    assert (name, kind) == ("quantities_are_not_negative", "window")
    assert set(done.held) == {"twin-tokens"}
    assert "below zero" in done.held["twin-tokens"]
    with duckdb.connect(str(home.lake.settings.warehouse), read_only=True) as db:
        held = db.execute(
            "select window_start_on, quantity from usage.determinants where window_id = ?",
            [window],
        ).fetchall()
    assert held == [(date(2025, 10, 1), -100_000)]
    assert {"alpha-main", "sato-main", "gurung-main"} <= done.billed
    # Amended, it is billed by the next run.
    amend(home.lake, asked("minus", tokens="100000"), "a sign")
    again = home.issue(MONTHS[1])
    assert (again.failed, again.held, again.billed) == (set(), {}, {"twin-tokens"})


def test_more_cannot_be_voided_than_was_used(home):
    home.load([request("only", "twin", "2025-10-12T12:00:00Z", 5)])
    void(home.lake, asked("only"), "r")
    void(home.lake, asked("only"), "r")
    assert home.issue(MONTHS[1]).failed == set()
    assert _tokens(home) == {}


def test_a_home_of_an_earlier_release_gets_what_corrections_need(tmp_path):
    home = Home.make(tmp_path / "home")
    home.load([request("e", "twin", "2025-09-12T12:00:00Z", 5)])
    with home.lake.session() as db:
        db.execute("alter table lake.facts.usage_events drop column action")
        db.execute("alter table lake.facts.rejected_events drop column action")
    assert home.lake.create() is False
    void(home.lake, asked("e"), "r")
    assert live(home) == {}
