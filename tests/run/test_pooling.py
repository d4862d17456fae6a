"""Usage of several customers is counted together, billed, explained, rebuilt and corrected."""

import re
from datetime import date
from decimal import Decimal

import pytest
from rich.console import Console

from meterhouse.cli.tree import tree_of
from meterhouse.errors import BookFault
from meterhouse.run.asked_spans import Asked
from meterhouse.run.close import close
from meterhouse.run.estimates import estimate
from meterhouse.run.explain import explain
from meterhouse.run.rebuild import rebuild
from meterhouse.run.usage_behind import usage_behind
from meterhouse.warehouse import Warehouse
from tests.truth.events import Event

pytestmark = pytest.mark.slow
THROUGH = date(2026, 2, 1)
NO_TAX = {"treatment": "out_of_scope", "reason": "Not taxable"}


def customer(id, **more):
    return {"kind": "customer", "id": id, "name": id, "tax": NO_TAX, **more}


def meter(id, aggregation, **more):
    return {"kind": "meter", "id": id, "event_type": "use", "aggregation": aggregation,
            "unit": "unit", **more}  # fmt: skip


BOOK = [
    {
        "kind": "event_type",
        "id": "use",
        "properties": {
            "amount": {"type": "integer"},
            "user": {"type": "string"},
            "region": {"type": "string"},
        },
    },
    {
        "kind": "event_type",
        "id": "seat",
        "properties": {"seats": {"type": "integer"}},
    },
    meter("sums", "sum", property="amount"),
    meter("regions", "sum", property="amount", dimensions=["region"]),
    meter("users", "unique_count", property="user"),
    meter("peaks", "max", property="amount"),
    meter("seats", "sum", event_type="seat", property="seats", recurring=True),
    customer("group", consolidate=True),
    customer("north", parent="group"),
    customer("south", parent="group"),
    # A grandchild, which is sold on the eleventh.
    customer("west", parent="south"),
    {**customer("west"), "valid_from": "2026-01-11"},
    customer("stranger"),
    # Its parent pays for what begins before the fifteenth.
    customer("daughter", parent="group", billing="parent"),
    {**customer("daughter", parent="group"), "valid_from": "2026-01-15"},
]
TIERS = {"model": "graduated", "tiers": [{"up_to": "100", "unit_amount": "2"},
                                         {"unit_amount": "1"}]}  # fmt: skip


def item(id, usage_of, price=None, **more):
    one = {"id": id, "description": id, "price": price or {"model": "per_unit", "unit_amount": "1"}}
    return {**one, "meter": id, "usage_of": usage_of, **more}


ITEMS = [
    item("sums", "children", TIERS),
    item("regions", ["north", "south"], shared=True),
    item("users", "children"),
    item("peaks", [{"customer": "north", "until": "2026-01-10"}, "west"]),
    item("seats", ["group", "north", "south"]),
]


def contract(**more):
    return {
        "kind": "contract", "id": "group-main", "customer": "group", "entity": "us",
        "currency": "USD", "zone": "America/New_York", "start": "2026-01-01",
        "payment_terms": "net30", "items": ITEMS, **more,
    }  # fmt: skip


def fee(id, **more):
    price = {"model": "flat", "amount": "10"}
    return {"id": id, "description": id, "price": price, "timing": "arrears", **more}


WEST = contract(
    id="west-main",
    customer="west",
    start="2026-01-11",
    anchor_day=1,
    items=[item("sums", ["west"])],
)
DAUGHTER = contract(id="daughter-main", customer="daughter",
                    items=[fee("early"), {**fee("late"), "from": "2026-01-20"}])  # fmt: skip


def used(number, who, time, amount, user, region="eu"):
    data = (("amount", amount), ("user", user), ("region", region))
    return Event("api", f"u{number}", "use", who, f"2026-01-{time}Z", data)


def seat(number, who, day, seats):
    return Event("api", f"s{number}", "seat", who, f"{day}T15:00:00Z", (("seats", seats),))


USAGE = [
    used(1, "group", "03T12:00:00", 40, "ada"),
    used(2, "north", "04T12:00:00", 50, "ada", "us"),
    used(3, "south", "05T12:00:00", 20, "ben"),
    # The last minute of the tenth in New York, and the first of the eleventh.
    used(4, "west", "11T04:59:00", 30, "cat"),
    used(5, "west", "11T05:00:00", 700, "dan"),
    used(6, "north", "10T05:00:00", 60, "ada", "us"),
    used(7, "stranger", "05T12:00:00", 9999, "eve"),
    seat(1, "north", "2025-11-30", 4),
    seat(2, "south", "2026-01-20", 3),
]
# What people would reckon by hand.
BILLED = {
    # 40 + 50 + 20 + 30 + 60 = 200: 100 x 2 + 100 x 1.
    "sums": Decimal(300),
    "regions eu": Decimal(20),
    "regions us": Decimal(110),
    # Ada of two customers is one; dan came after the sale.
    "users": Decimal(3),
    # The 60 of north came on the tenth, the 700 of west counts here.
    "peaks": Decimal(700),
    "seats": Decimal(7),
}


@pytest.fixture(scope="module")
def billed(book_home, tmp_path_factory):
    home = book_home.copy(tmp_path_factory.mktemp("pools") / "home")
    home.record(*BOOK, contract(), WEST, DAUGHTER)
    home.land(USAGE)
    home.done = home.issue(THROUGH)
    return home


def document_of(home):
    (document,) = (one for one in home.documents() if one["buyer"]["id"] == "group")
    return document


def test_a_pool_is_one_line_priced_on_the_usage_of_all(billed):
    assert [one["check"] for one in billed.done.failed] == []
    amounts = {}
    for line in (one for one in document_of(billed)["lines"] if one["contract"] == "group-main"):
        key = " ".join([line["item"], *(line["dimensions"] or {}).values()])
        amounts[key] = Decimal(line["amount"])
    assert amounts == BILLED


@pytest.mark.soak
def test_a_second_run_bills_nothing_more(billed):
    assert billed.issue(THROUGH).issued.numbers == ()


def test_usage_in_a_pool_is_read_and_what_came_after_the_sale_is_not(billed):
    with Warehouse(billed.lake).connect(billed.lake.head()) as db:
        rows = db.execute(
            "select customer_id, fate, sum(event_count)::int from usage.fates "
            "where customer_id in ('north', 'south', 'west', 'stranger') group by all order by all"
        ).fetchall()
    # The seats of north came before the contract; the peaks of west count all month.
    assert rows == [
        ("north", "no_contract", 1), ("north", "read", 2), ("south", "read", 2),
        ("stranger", "no_contract", 1), ("west", "read", 2),
    ]  # fmt: skip


@pytest.mark.parametrize("level", ["determinants", "events"])
def test_the_document_is_rebuilt_byte_for_byte(billed, level):
    found = rebuild(billed.lake, [document_of(billed)["issue"]["number"]], level)
    assert [(one.is_identical, one.path) for one in found] == [(True, None)]


def test_explain_tells_how_much_came_from_whom(billed):
    told = explain(billed.lake, document_of(billed)["issue"]["number"])
    measures = {
        line["item"]: line["measure"]
        for line in told["lines"]
        if line["contract"] == "group-main" and line["item"] != "regions"
    }
    assert all(one["agrees"] for one in measures.values())
    pooled = {
        name: {part["customer"]: (part["quantity"], part["events"]) for part in one["pooled"]}
        for name, one in measures.items()
    }
    assert pooled["sums"] == {
        "group": ("40", 1), "north": ("110", 2), "south": ("20", 1), "west": ("30", 1),
    }  # fmt: skip
    assert pooled["users"] == {
        "group": ("1", 1), "north": ("1", 2), "south": ("1", 1), "west": ("1", 1),
    }  # fmt: skip
    assert pooled["peaks"] == {"north": ("50", 1), "west": ("700", 2)}
    assert pooled["seats"] == {"north": ("4", 0), "south": ("3", 1)}
    console = Console(width=200, color_system=None)
    with console.capture() as captured:
        console.print(tree_of(told))
    assert "of north: 110 from 2 events" in " ".join(captured.get().split())


def test_the_events_behind_a_line_name_their_customers(billed):
    behind = usage_behind(billed.lake, document_of(billed)["issue"]["number"])
    sums = behind.filter(behind["item"] == "sums")
    assert sums["customer"].to_list() == ["group", "north", "south", "north", "west"]


def test_an_estimate_measures_the_pool(billed):
    january = Asked("sums", "group", date(2026, 1, 1), date(2026, 2, 1), "window")
    (row,) = estimate(billed.lake, january)["rows"]
    assert row["quantity"] == 200
    two_days = Asked("users", "group", date(2026, 1, 10), date(2026, 1, 12), "day")
    assert [one["quantity"] for one in estimate(billed.lake, two_days)["rows"]] == [2, 0]


def test_late_usage_of_a_child_corrects_the_line_of_the_pool_alone(billed, tmp_path):
    home = billed.copy(tmp_path / "home")
    home.land([used(8, "south", "06T12:00:00", 5, "fay"), seat(3, "north", "2026-01-25", -1)])
    home.issue(date(2026, 3, 1))
    sums = {}
    for key, amount in home.sums().items():
        if key[0] == "group-main" and key[2] == date(2026, 1, 1):
            sums[key[1]] = amount
    assert sums == {"sums": 305, "regions": 135, "users": 4, "peaks": 700, "seats": 6}


def test_a_customer_who_leaves_changes_only_the_windows_it_touches(billed, tmp_path):
    home = billed.copy(tmp_path / "home")
    before = determinants(home)
    home.record({**customer("south"), "valid_from": "2026-01-05"})
    home.issue(THROUGH)
    changed = {key for key, one in determinants(home).items() if before[key] != one}
    # The twenty of the fifth; the others name their customers, and west is below south.
    assert {key[0] for key in changed} == {"sums", "users"}


@pytest.mark.soak
def test_a_failed_check_of_a_child_holds_the_pool_that_counts_its_usage(book_home, tmp_path):
    home = book_home.copy(tmp_path / "home")
    home.record(*BOOK, customer("north", parent="group", usage_without_contract="block"))
    home.record(contract(start="2026-01-05", anchor_day=1), DAUGHTER)
    home.land(USAGE)  # North used something on the fourth.
    done = home.issue(THROUGH)
    assert done.failed == {("usage_has_a_contract", "customer", "north")}
    # The documents of the group are of all contracts that it pays for.
    held = [one for one in done.drafts if one["draft_id"] in dict(done.issued.held)]
    assert {one["customer_id"] for one in held} == {"group"}


def determinants(home):
    with Warehouse(home.lake).connect(home.lake.head()) as db:
        rows = db.execute(
            "select item_id, window_start_on, dimensions, quantity, event_count "
            "from usage.determinants where contract_id = 'group-main'"
        ).fetchall()
    return {row[:3]: row[3:] for row in rows}


@pytest.mark.soak
def test_a_close_inside_the_window_accrues_the_pool(book_home, tmp_path):
    home = book_home.copy(tmp_path / "home")
    home.record(*BOOK, contract())
    home.load(USAGE)
    close(home.lake, date(2026, 1, 5), "us")
    rows = home.rows(
        "select item_id, sum(debit - credit) from facts.journal_lines "
        "where account = 'unbilled_receivable' and contract_id = 'group-main' group by 1"
    )
    assert dict(rows) == {"sums": 180, "regions": 50, "users": 1, "peaks": 50, "seats": 4}


def test_a_parent_pays_for_its_children_as_long_as_they_say_so(billed):
    found = {
        one["buyer"]["id"]: {line["item"] for line in one["lines"]}
        for one in billed.documents()
        if any(line["contract"] == "daughter-main" for line in one["lines"])
    }
    # On one invoice with what the parent itself owes.
    assert found == {"group": {*(one["id"] for one in ITEMS), "early"}, "daughter": {"late"}}


def test_a_child_that_was_sold_is_billed_by_its_own_contract(billed):
    sums = {key[:2]: amount for key, amount in billed.sums().items()}
    assert (sums["group-main", "sums"], sums["west-main", "sums"]) == (300, 700)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ([customer("group", parent="west")], "it belongs to itself"),
        ([customer("north", parent="gruop")], "did you mean `group`?"),
        ([contract(items=[item("sums", ["nord"])])], "'nord'"),
        ([contract(items=[item("seats", "children")])], "meter 'seats' measures levels"),
        (
            [contract(), contract(id="n", customer="north", items=[item("sums", ["north"])])],
            "reads meter 'sums' for customer 'north'",
        ),
        (
            [contract(), contract(id="n", customer="west", start="2026-01-10",
                                  items=[item("sums", "children")])],
            "from 2026-01-10",
        ),
    ],
)  # fmt: skip
def test_pools_that_cannot_be_are_refused(book_home, tmp_path, changes, fault):
    home = book_home.copy(tmp_path / "home")
    with pytest.raises(BookFault, match=re.escape(fault)):
        home.record(*BOOK, *changes)
