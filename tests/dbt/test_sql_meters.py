"""Meters that are dbt models of the home: the examples to an invoice, and what is refused."""

import shutil
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from meterhouse.errors import BookFault
from meterhouse.lake import Lake
from meterhouse.run import dbt
from meterhouse.run.applying import apply_book, plan_book, planned
from meterhouse.run.bill import bill
from meterhouse.run.context import Run, code_hash
from meterhouse.run.meter_models import DETERMINANTS
from meterhouse.run.own_models import ModelsRefused
from meterhouse.run.sql_meter_checks import model_faults
from meterhouse.settings import HomeFile, Settings
from meterhouse.warehouse import Warehouse

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("dbt"),
    # A whole run judges its loads by Great Expectations, which imports a module Python renamed.
    pytest.mark.filterwarnings("ignore:module 'sre_parse' is deprecated:DeprecationWarning"),
]
EXAMPLE = Path(__file__).parents[2] / "examples" / "sql_meters"
THROUGH = date(2025, 10, 1)
CONTRACT = """
    config: {contract: {enforced: true}, tags: [meter]}
    columns:
      - {name: window_id, data_type: varchar}
      - {name: dimensions, data_type: varchar}
      - {name: event_count, data_type: bigint}
      - {name: quantity, data_type: "decimal(38, 12)"}
"""


def _land(lake, source, name, text):
    folder = lake.settings.landing(source)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


def _rows(lake, select):
    with Warehouse(lake).connect(lake.head()) as db:
        return db.sql(select).fetchall()


def _amounts(lake):
    found = _rows(
        lake, "select item_id, amount from facts.billed_lines order by batch_seq, item_id"
    )
    return [(item, amount.normalize()) for item, amount in found]


@pytest.fixture(scope="module")
def billed(tmp_path_factory):
    """The example, billed through 1 October."""
    home = tmp_path_factory.mktemp("sql_meters") / "home"
    shutil.copytree(EXAMPLE, home)
    lake = Lake(Settings.load(home))
    lake.create()
    apply_book(lake)
    for path in (EXAMPLE / "usage").glob("*.csv"):
        _land(lake, path.stem, path.name, path.read_text())
    result = bill(lake, THROUGH)
    assert result.failed_checks == []
    return lake


@pytest.fixture
def home(billed, tmp_path):
    """A copy of the billed example, to be changed."""
    shutil.copytree(billed.settings.home, tmp_path / "home", symlinks=True)
    return Lake(Settings.load(tmp_path / "home"))


def test_the_examples_reach_an_invoice(billed):
    """95 Mbit/s, 3 users, 118.666667 GB-months."""
    assert _amounts(billed) == [
        ("bandwidth", Decimal("950").normalize()),
        ("storage", Decimal("35.6")),
        ("users", Decimal("21")),
    ]


def test_a_window_without_an_answer_has_the_quantity_of_an_empty_one(billed):
    rows = _rows(
        billed,
        "select meter_id, quantity, event_count, is_measured from usage.determinants "
        "where window_start_on = date '2025-10-01' order by all",
    )
    assert rows == [
        (meter, 0, 0, False) for meter in ("active-users", "gb-months", "p95-bandwidth")
    ]


def test_the_unit_tests_of_the_examples_hold(billed):
    pin = billed.head()
    run = Run(Warehouse(billed), THROUGH, pin, pin.batch_seq, is_dry=True)
    results = dbt._on_warehouse(run, ["test", "--select", "path:own,test_type:unit"], 0, None)
    assert [(one.unique_id.split(".")[2], one.status) for one in results] == [
        ("active_crm_users", "pass"),
        ("gb_months", "pass"),
        ("p95_bandwidth", "pass"),
    ]


def test_determinants_are_built_after_the_meters_of_the_home(billed):
    nodes = dbt.parsed(billed.settings).nodes
    assert {
        "model.meterhouse.p95_bandwidth",
        "model.meterhouse.active_crm_users",
        "model.meterhouse.gb_months",
    } <= set(nodes[DETERMINANTS].depends_on.nodes)
    ours = dbt.parsed(Settings(billed.settings.home / "none", HomeFile())).nodes
    assert "model.meterhouse.p95_bandwidth" not in ours


def test_building_writes_nothing_into_the_folder_of_the_models(billed):
    def files(folder):
        return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}

    models = billed.settings.models
    assert files(models) == files(EXAMPLE / "models")
    assert (models / "gb_months.sql").read_text() == (EXAMPLE / "models/gb_months.sql").read_text()


@pytest.mark.soak
def test_the_crm_changes_no_billed_month_and_late_usage_of_the_meter_does(home):
    crm = home.settings.models / "crm_users.csv"
    before = code_hash(home.settings.models)
    crm.write_text(crm.read_text().replace("ada,pro", "ada,internal"))
    assert code_hash(home.settings.models) != before
    late = "customer,port,time,kbps\nnorthwind,p1,2025-09-12T00:00:00Z,200000\n"
    _land(home, "bandwidth", "late.csv", late)
    result = bill(home, THROUGH)
    assert result.failed_checks == []
    # 101 samples: the one at ceil(95.95) is the 96th.
    assert _amounts(home)[3:] == [("bandwidth", Decimal("10").normalize())]
    frozen = "select meter_id, is_frozen from ops.sql_asks where window_start_on = '2025-09-01'"
    assert dict(_rows(home, frozen)) == {
        "active-users": True,
        "gb-months": True,
        "p95-bandwidth": False,
    }


@pytest.mark.soak
def test_a_meter_that_says_reopen_follows_what_it_joins(home):
    book = home.settings.book / "usage.yaml"
    text = book.read_text()
    book.write_text(
        text.replace("model: active_crm_users", "model: active_crm_users\nreopen: true")
    )
    apply_book(home)
    crm = home.settings.models / "crm_users.csv"
    crm.write_text(crm.read_text().replace("ada,pro", "ada,internal"))
    result = bill(home, THROUGH)
    assert result.failed_checks == []
    assert _amounts(home)[3:] == [("users", Decimal("-7"))]


def test_a_meter_without_its_model_is_refused_with_the_nearest_name(billed, tmp_path):
    book = tmp_path / "book"
    shutil.copytree(billed.settings.book, book)
    usage = book / "usage.yaml"
    usage.write_text(usage.read_text().replace("model: p95_bandwidth", "model: p95_bandwith"))
    with pytest.raises(BookFault) as refused:
        plan_book(billed, book)
    (fault,) = refused.value.faults
    assert "`model: p95_bandwith`" in fault
    assert "did you mean 'p95_bandwidth'?" in fault


def test_a_model_that_no_meter_names_is_told(billed, tmp_path):
    book = tmp_path / "book"
    shutil.copytree(billed.settings.book, book)
    assert planned(billed, book).warnings == []
    usage = book / "usage.yaml"
    usage.write_text(usage.read_text().replace("model: gb_months", "model: p95_bandwidth"))
    (told,) = planned(billed, book).warnings
    assert "Model gb_months is tagged `meter`, and no meter of the book" in told


FAULTY = {
    "clocked.sql": "select window_id, '{}' as dimensions, cast(1 as bigint) as event_count,\n"
    "    cast(epoch_us(now()) as decimal(38, 12)) as quantity\n"
    "from {{ asked() }} as asked\n",
    "rates.sql": "select\n    sum(amount) / 2 as rate\n"
    "from {{ source('facts', 'billed_lines') }}\n",
    "above_rates.sql": "select asked.window_id, '{}' as dimensions, cast(1 as bigint) as "
    "event_count,\n    cast(rates.rate as decimal(38, 12)) as quantity\n"
    "from {{ asked() }} as asked cross join {{ ref('rates') }} as rates\n",
    "loose.sql": "{{ config(tags=['meter']) }}\nselect window_id from {{ asked() }} as asked\n",
    "past_the_pin.sql": "select asked.window_id, '{}' as dimensions, count(*) as event_count,\n"
    "    cast(count(*) as decimal(38, 12)) as quantity\n"
    "from {{ asked() }} as asked\ncross join lake.facts.usage_events\ngroup by all\n",
    "from_a_mart.sql": "select asked.window_id, '{}' as dimensions, count(*) as event_count,\n"
    "    cast(count(*) as decimal(38, 12)) as quantity\n"
    "from {{ asked() }} as asked\ncross join {{ ref('invoices') }} as invoices\ngroup by all\n",
    "guessed.sql": "select asked.window_id, '{}' as dimensions, cast(1 as bigint) as event_count,\n"
    "    cast(seats.seats as decimal(38, 12)) as quantity\n"
    "from {{ asked() }} as asked cross join {{ ref('seats') }} as seats\n",
    "whole.sql": "select window_id, '{}' as dimensions, cast(1 as bigint) as event_count,\n"
    "    cast(1 as decimal(18, 2)) as quantity\nfrom {{ asked() }} as asked\n",
    "seats.csv": "customer_id,seats\nc,3\n",
}
METERS = ("clocked", "above_rates", "past_the_pin", "from_a_mart", "guessed", "whole")


def _home(folder, files):
    """A home with these models."""
    settings = Settings(folder, HomeFile())
    for name, text in files.items():
        path = folder / "models" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return settings


@pytest.fixture(scope="module")
def faults(tmp_path_factory):
    """All faults of a folder of models, each of which has one."""
    yml = "models:\n" + "".join(f"  - name: {name}{CONTRACT}" for name in METERS)
    folder = tmp_path_factory.mktemp("faulty")
    return model_faults(_home(folder, FAULTY | {"faulty.yml": yml}), {}, {})


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("Model clocked (models/clocked.sql), line 2", "`now` gives another answer"),
        ("Model rates (models/rates.sql), line 2", "Use exact_quotient(a, b, places)"),
        ("Model loose (models/loose.sql)", "its contract is not enforced"),
        ("Model loose (models/loose.sql)", "its YAML names the columns: none"),
        ("Model past_the_pin (models/past_the_pin.sql), line 4", "past the pin of the run"),
        ("Model from_a_mart (models/from_a_mart.sql), line 4", "is made after the meters"),
        ("Seed seats", "gives column customer_id no type"),
        ("Seed seats", "gives column seats no type"),
        ("Model whole (models/whole.sql)", "quantity decimal(18, 2), and a meter yields"),
    ],
)
def test_each_fault_of_a_model_is_told_before_anything_is_built(faults, model, said):
    assert any(fault.startswith(model) and said in fault for fault in faults), faults


def test_a_meter_that_reads_determinants_is_refused(tmp_path):
    circle = (
        "select window_id, dimensions, event_count, quantity from {{ ref('between') }} as between"
    )
    between = "select * from {{ ref('determinants') }}"
    yml = "models:\n  - name: circle" + CONTRACT
    files = {"circle.sql": circle, "deep/between.sql": between, "circle.yml": yml}
    (fault,) = model_faults(_home(tmp_path, files), {"m": "circle"}, {})
    assert "Model circle reads usage.determinants (determinants -> between -> circle)" in fault


def test_a_model_called_like_ours_or_like_another_is_refused(tmp_path):
    files = {"daily.sql": "select 1 as x", "a/same.sql": "select 1 as x", "b/same.csv": "x\n1\n"}
    with pytest.raises(ModelsRefused) as refused:
        dbt.parsed(_home(tmp_path, files))
    ours, twice = sorted(refused.value.faults, key=lambda fault: "both" in fault)
    assert "daily.sql is called 'daily', as a model of Meterhouse is" in ours
    assert "a/same.sql and b/same.csv are both called 'same'" in twice


def test_a_run_refuses_what_became_wrong_after_the_plan(home):
    model = home.settings.models / "gb_months.sql"
    model.write_text(
        model.read_text().replace("each_day.day + 1", "each_day.day + 1 + 0 * random()")
    )
    with pytest.raises(ModelsRefused) as refused:
        bill(home, date(2025, 11, 1))
    assert "Model gb_months (models/gb_months.sql), line" in str(refused.value)
    assert "no model was built" in str(refused.value)
