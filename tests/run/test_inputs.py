"""Only what changed is rated again, and the lines are those of rating everything."""

from datetime import date
from decimal import Decimal

import pytest
from ruamel.yaml import YAML

from meterhouse.errors import ChecksFailed, UsageError
from meterhouse.run import steps
from meterhouse.run.bill import admit, begin
from meterhouse.run.close import close
from meterhouse.run.inputs import forget_rated
from meterhouse.run.kept import forget
from meterhouse.run.rating import rate_due
from meterhouse.run.rerating import rebill
from meterhouse.warehouse import Warehouse
from tests.run.test_commitments_whole import BASE, PARTIES, SEAT, TOKENS
from tests.truth.events import request
from tests.truth.harness import GREAT_EXPECTATIONS, SETTINGS, Home

pytestmark = [pytest.mark.slow, GREAT_EXPECTATIONS]
THROUGH = date(2025, 3, 1)
TIERS = {
    "model": "graduated",
    "tiers": [{"up_to": "10", "unit_amount": "3"}, {"unit_amount": "1"}],
}
DEARER = {
    "model": "graduated",
    "tiers": [{"up_to": "10", "unit_amount": "4"}, {"unit_amount": "2"}],
}
TIERED = {**TOKENS, "price": TIERS}
SHARE = {"model": "percentage", "rate": "0.01", "fixed_amount": "0.25", "free_events": 1}
MINIMUM = {**TOKENS, "modifiers": {"minimum": {"amount": "50"}}}
QUARTER = {"id": "k", "amount": "500", "period": "quarter"}
GRANT = {"id": "welcome", "amount": "20"}
OTHER = {
    "kind": "meter", "id": "tokens_2", "event_type": "request", "aggregation": "sum",
    "property": "tokens", "unit": "token", "decimals": 0,
}  # fmt: skip
# What each contract has; its name says what becomes of it.
CONTRACTS = {
    "plain": {"items": [TOKENS, SEAT]},
    "late": {"items": [TIERED, SEAT]},
    "edited": {"items": [TOKENS, SEAT]},
    "slotted": {"items": [TIERED, SEAT]},
    "divided": {"items": [{**TIERED, "prices": [{"from": "2025-01-11", "price": DEARER}]}, SEAT]},
    "ended": {"items": [TIERED, SEAT]},
    "committed": {"modifiers": {"commitments": [QUARTER]}},
    "recommitted": {"modifiers": {"commitments": [QUARTER]}},
    "least": {"items": [MINIMUM, SEAT]},
    "granted": {"modifiers": {"credits": [GRANT]}},
    "unmodified": {"modifiers": {"discounts": [{"id": "less", "percentage": "0.1"}]}},
    "profiled": {"items": [{**TIERED, "prices": [{"from": "2025-01-11", "price": DEARER}]}]},
    "pool": {"items": [{**TOKENS, "usage_of": "children"}, SEAT]},
    "remeasured": {"items": [{**TOKENS, "meter": "tokens_2"}, SEAT]},
    "shares": {"items": [{**TOKENS, "price": SHARE}, SEAT]},
    "quiet_shares": {"items": [{**TOKENS, "price": SHARE}]},
    "open": {"items": [TOKENS], "thresholds": {"amounts": ["1000"]}},
}
LINES = "select * exclude (unit_no), unit_no from billing.desired_lines order by all"
TOLD = (
    LINES,
    "from billing.commitments order by all",
    "from billing.grant_uses order by all",
    "from billing.grant_balances order by all",
    "from ops.failures order by all",
)


def contract(id, **more):
    return BASE | {"id": id, "customer": id} | CONTRACTS[id] | more


def use(customer, day, tokens, month=1):
    at = f"2025-{month:02}-{day:02}T08:00:00Z"
    return request(f"{customer}-{month}-{day}-{tokens}", customer, at, tokens)


def customer(id, **more):
    taxed = {"treatment": "taxed", "rate": "0.20", "name": "VAT"}
    return {"kind": "customer", "id": id, "name": id.title(), "tax": taxed, **more}


def rated(home, through=THROUGH, *, is_used=True):
    """A run up to its lines: how many windows were rated, and of which contracts.

    Usage is folded only where some is new.
    """
    lake = home.lake
    with lake.run_lock.held():
        admit(lake)
        with begin(lake, through, None, dry_run=False) as (run, _):
            with run.warehouse.connect(run.pin, run.known_at) as db:
                _, fold_from = steps.cut(run, db)
            if is_used:
                steps.fold(run, fold_from)
            with run.warehouse.connect(run.pin, run.known_at) as db:
                _, windows = steps.rate(run, db)
                names = db.execute(
                    "select distinct contract_id from due semi join units_changed using (unit_no)"
                ).fetchall()
    return windows, {name for (name,) in names}


def told(home):
    """Everything that rating leaves in the warehouse."""
    with Warehouse(home.lake).connect(home.lake.head()) as db:
        return [db.sql(query).pl() for query in TOLD]


def rated_anew(home, through=THROUGH):
    """The same of the same home where nothing was kept."""
    lake = home.lake
    with (
        lake.run_lock.held(),
        begin(lake, through, None, dry_run=False) as (run, _),
        run.warehouse.connect(run.pin, run.known_at) as db,
    ):
        forget_rated(db)
        everything = rate_due(run, db).windows
    return everything, told(home)


def same(ones, others):
    return [one.equals(other) for one, other in zip(ones, others, strict=True)]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """January and February, billed; then a change of every kind, each of a contract of its own."""
    path = tmp_path_factory.mktemp("inputs") / "home"
    path.mkdir()
    with (path / "meterhouse.yaml").open("w") as file:
        YAML().dump(SETTINGS, file)
    home = Home(path.resolve(), {})
    home.lake.create()
    home.record(
        *YAML(typ="safe").load_all(PARTIES), OTHER,
        *(customer(id) for id in CONTRACTS), customer("child", parent="pool"), customer("joins"),
        *(contract(id) for id in CONTRACTS),
    )  # fmt: skip
    used = [*CONTRACTS, "child", "joins"]
    home.land([use(id, day, 7, month) for id in used for day, month in ((5, 1), (20, 1), (9, 2))])
    assert home.issue(THROUGH).failed == set()
    home.unchanged = rated(home)
    changes = [
        contract("edited", items=[{**TOKENS, "price": TIERS}, SEAT]),
        {**contract("slotted", items=[{**TOKENS}, SEAT]), "valid_from": "2025-01-11"},
        contract("ended", end="2025-02-15"),
        contract("recommitted", modifiers={"commitments": [{**QUARTER, "amount": "600"}]}),
        contract("unmodified", modifiers=None),
        contract("profiled", profile={"split_tiers": "restart"}),
        customer("joins", parent="pool"),
        {**OTHER, "convert": {"multiply": "2"}},
        home.changed("entity", "north", zone="Europe/Dublin"),
    ]
    home.record(*({k: v for k, v in one.items() if v is not None} for one in changes))
    home.land([use(id, 7, 100) for id in ("late", "divided", "least", "granted", "shares")])
    home.touched = rated(home)
    home.after = told(home)
    home.anew = rated_anew(home)
    return home


def test_where_nothing_changed_no_window_is_rated(home):
    assert home.unchanged == (0, set())


def test_only_contracts_whose_inputs_changed_are_rated(home):
    changed = {"edited", "slotted", "ended", "recommitted", "unmodified", "profiled", "pool"}
    late = {"late", "divided", "least", "granted", "shares"}
    assert home.touched[1] == changed | late | {"remeasured"}
    assert home.touched[0] < home.anew[0]


def test_after_every_kind_of_change_lines_are_those_of_rating_everything(home):
    assert same(home.after, home.anew[1]) == [True] * len(TOLD)
    assert all(frame.height for frame in home.after[:-1])


def test_one_late_event_rates_its_unit_alone(home, tmp_path):
    """A whole month is a unit; of a divided one the parts, of a modified contract all it has."""
    mine = home.copy(tmp_path / "home")
    mine.land([use("late", 8, 1), use("divided", 20, 1), use("committed", 8, 1)])
    before = told(mine)[0]
    windows, contracts = rated(mine)
    assert contracts == {"late", "divided", "committed"}
    assert windows == 1 + 2 + 2
    assert not same(told(mine), rated_anew(mine)[1]).count(False)
    assert told(mine)[0].height == before.height


@pytest.mark.soak
def test_a_new_day_rates_what_modifiers_of_contracts_make_of_it_and_no_other(home, tmp_path):
    mine = home.copy(tmp_path / "home")
    windows, contracts = rated(mine, date(2025, 3, 2), is_used=False)
    assert contracts == {"committed", "recommitted", "granted"}
    assert windows
    assert not same(told(mine), rated_anew(mine, date(2025, 3, 2))[1]).count(False)


@pytest.mark.soak
def test_windows_cut_and_rated_in_groups_of_contracts_are_the_same(home, tmp_path, monkeypatch):
    """Groups bound the memory; here each contract is one of its own."""
    mine = home.copy(tmp_path / "home")
    windows = "from billing.charge_windows order by all"
    with Warehouse(mine.lake).connect(mine.lake.head()) as db:
        before = db.sql(windows).pl()
        forget(db)
    monkeypatch.setattr("meterhouse.run.windows.GROUP", 1)
    monkeypatch.setattr("meterhouse.run.rating.GROUP", 1)
    assert rated(mine) == (home.anew[0], set(CONTRACTS))
    with Warehouse(mine.lake).connect(mine.lake.head()) as db:
        assert db.sql(windows).pl().equals(before)
    assert not same(told(mine), home.after).count(False)


@pytest.mark.soak
def test_a_warehouse_that_was_deleted_or_lost_its_lines_comes_back_the_same(home, tmp_path):
    mine = home.copy(tmp_path / "home")
    with Warehouse(mine.lake).connect(mine.lake.head()) as db:
        db.execute("drop table billing.desired_lines")
    assert rated(mine, is_used=False)[0] == home.anew[0]
    assert not same(told(mine), home.after).count(False)


@pytest.mark.soak
def test_a_close_finds_a_kept_line_that_rating_would_not_make(home, tmp_path):
    mine = home.copy(tmp_path / "home")
    with Warehouse(mine.lake).connect(mine.lake.head()) as db:
        db.execute(
            "update billing.desired_lines set amount = amount + 1 "
            "where contract_id = 'plain' and item_id = 'seat' and window_start_on = '2025-01-01'"
        )
    with pytest.raises(ChecksFailed, match=r"contract plain, window [0-9a-f]{32}") as found:
        close(mine.lake, THROUGH)
    assert len(found.value.sentences) == 1
    assert "32 is kept, 31 is right, in EUR" in str(found.value)
    assert mine.rows("select count(*) from facts.commands where kind = 'close'") == [(0,)]
    with Warehouse(mine.lake).connect(mine.lake.head()) as db:
        forget_rated(db)
    assert rated(mine, is_used=False)[0] == home.anew[0]
    assert close(mine.lake, THROUGH)["batch_seq"] is not None


@pytest.mark.soak
def test_rebill_says_which_billed_windows_cost_something_else_now(home, tmp_path):
    mine = home.copy(tmp_path / "home")
    dry = rebill(mine.lake, ["late", "plain"], dry_run=True)
    of_late = dry.lines.to_dicts()
    assert [(one["billed"], one["amount"]) for one in of_late] == [(Decimal(34), Decimal(134))]
    assert rated(mine, is_used=False)[0] == 0
    everything = rebill(mine.lake)
    assert everything.windows == home.anew[0]
    assert everything.lines.filter(contract_id="late").equals(dry.lines)
    assert "plain" not in everything.lines["contract_id"]
    assert rated(mine, is_used=False)[0] == home.anew[0]
    rebill(mine.lake, ["late"])
    assert rated(mine, is_used=False)[1] == {"late"}
    with pytest.raises(UsageError, match="No contract in the book is named nobody"):
        rebill(mine.lake, ["nobody"])
