"""The contract on paper: every figure in its tables is what the invoices of the example say."""

import ast
import csv
import operator
import re
from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest
import yaml

from tests.examples.paper import pages, set_in_type

EXAMPLE = Path(__file__).parents[2] / "examples" / "enterprise"
PAPER = (EXAMPLE / "contract.md").read_text("utf-8")
HEAD = re.compile(r"conglomerate: invoice of (\S+), due (\S+): (\S+)")
LINE = re.compile(r"  (\S{10}) (\S{10})  (.+?) +\S+ +(\S+)$")
SIGNS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}
COMMITTED = Decimal(240000)


def tables(*heading):
    """The rows of all tables whose heading begins with these words."""
    found, inside = [], False
    for line in PAPER.splitlines():
        cells = tuple(cell.strip() for cell in line.strip("|").split("|"))
        if not line.startswith("|"):
            inside = False
        elif cells[: len(heading)] == heading:
            inside = True
        elif inside and not cells[0].startswith("-"):
            found.append(cells)
    return found


def figure(text):
    return Decimal(text.replace(",", "").replace("−", "-"))


def reckoned(text):
    """A reckoning of the paper, rounded once to the cent, half away from zero."""
    plain = re.sub(r"([\d.]+) %", r"(\1 / 100)", text.replace(",", "").replace("×", "*"))
    found = _value(ast.parse(plain.replace("−", "-"), mode="eval").body)
    return found.quantize(Decimal("0.01"), ROUND_HALF_UP)


def _value(node):
    if isinstance(node, ast.Constant):
        return Decimal(str(node.value))
    if isinstance(node, ast.UnaryOp):
        return -_value(node.operand)
    left, right = _value(node.left), _value(node.right)
    if isinstance(node.op, ast.Div):
        return left / right
    return SIGNS[type(node.op)](left, right)


@pytest.fixture(scope="module")
def invoices():
    """(day, due day, net, lines) of every golden invoice."""
    found = []
    for text in (EXAMPLE / "invoices.txt").read_text("utf-8").splitlines():
        if head := HEAD.match(text):
            found.append((head[1], head[2], Decimal(head[3]), []))
        elif line := LINE.match(text):
            start, end, what, amount = line.groups()
            found[-1][3].append((start, end, what, Decimal(amount)))
    return found


WORKED = tables("Line of the invoice", "From", "Before", "Reckoning", "EUR")


def test_every_worked_charge_comes_to_its_figure_and_is_a_line_of_an_invoice(invoices):
    billed = {line for *_, lines in invoices for line in lines}
    assert len(WORKED) == 40
    for what, start, end, reckoning, euros in WORKED:
        assert reckoned(reckoning) == figure(euros), (what, start, reckoning)
        assert (start, end, what, figure(euros)) in billed, (what, start, euros)


def test_every_kind_of_charge_that_is_billed_is_worked_out_once(invoices):
    assert {what for *_, lines in invoices for _, _, what, _ in lines} == {row[0] for row in WORKED}


def test_every_invoice_that_the_paper_names_has_its_sum_and_its_due_day(invoices):
    named = tables("Invoice of", "Due on")
    assert len(named) == 8
    found = [(day, due, figure(net)) for day, due, _, net in named]
    assert set(found) <= {one[:3] for one in invoices}


def test_each_invoice_is_the_sum_of_its_lines(invoices):
    assert len(invoices) == 44
    for day, _, net, lines in invoices:
        assert sum(line[3] for line in lines) == net, day


def test_the_commitment_burns_down_as_the_invoices_of_its_year_are_written(invoices):
    used, wanted = Decimal(0), []
    for day, _, _, lines in invoices:
        counts = [one for one in lines if one[0] < "2024" and one[2] != "Yearly commitment"]
        if counts:
            net = sum(one[3] for one in counts)
            used += net
            wanted.append((day, net, used, COMMITTED - used))
    told = tables("Invoice of", "Counts for 2023")
    assert [(row[0], *map(figure, row[1:])) for row in told] == wanted


def test_the_cases_that_did_not_happen_are_reckoned_right():
    cases = tables("Case", "Reckoning", "EUR")
    assert len(cases) == 3
    assert [reckoned(row[1]) for row in cases] == [figure(row[2]) for row in cases]


def test_the_subsidiaries_used_what_their_schedule_says():
    used = defaultdict(Decimal)
    with (EXAMPLE / "usage" / "events.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for who in (row["customer"], "all"):
                used[who, row["type"], row["time"][:7]] += Decimal(row["units"] or row["amount"])
    columns = [(kind, month) for month in ("2023-01", "2023-02") for kind in ("call", "payment")]
    customers = yaml.safe_load_all((EXAMPLE / "book" / "customers.yaml").read_text("utf-8"))
    names = {one["name"]: one["id"] for one in customers} | {"All together": "all"}
    told = tables("Subsidiary", "Seat")
    assert len(told) == 5
    for name, _, *figures in told:
        assert [figure(one) for one in figures] == [used[names[name], *key] for key in columns]


def test_the_prices_of_the_ramp_and_the_renewal_are_those_of_the_book():
    contract = yaml.safe_load((EXAMPLE / "book" / "contract.yaml").read_text("utf-8"))
    items = {item["id"]: item["price"] for item in contract["items"]}
    planned = [phase.get("items", {}).get("platform", {}) for phase in contract["phases"]]
    steps = [Decimal((one.get("price") or items["platform"])["amount"]) for one in planned]
    raised = 1 + min(Decimal(contract["renewal"]["cap"]), Decimal("0.041"))
    ramp = tables("Year of the agreement")
    assert [row[1] for row in ramp[:3]] == [str(phase["from"]) for phase in contract["phases"]]
    assert [figure(row[3]) for row in ramp] == [*steps, steps[-1] * raised]
    assert all(figure(row[3]) * 4 == figure(row[4]) for row in ramp)
    prices = [[figure(text.removesuffix(" %")) for text in row[1:]] for row in tables("Price")]
    assert [new for _, new in prices] == [old * raised for old, _ in prices]
    tiers = [Decimal(tier["unit_amount"]) for tier in items["calls"]["tiers"]]
    own = [Decimal(items["seats"]["amount"]), Decimal(items["audit"]["amount"])]
    rate = Decimal(items["payments"]["rate"]) * 100
    assert [old for old, _ in prices] == [steps[-1], *tiers, rate, *own]


def test_every_clause_that_is_billed_names_a_field_of_the_book():
    told = tables("Clause", "Field")
    documents = [
        one
        for path in sorted((EXAMPLE / "book").glob("*.yaml"))
        for one in yaml.safe_load_all(path.read_text("utf-8"))
    ]
    contract = next(one for one in documents if one["kind"] == "contract")
    contract["items"] = {item["id"]: item for item in contract["items"]}
    customer = {key for one in documents if one["kind"] == "customer" for key in one}
    fields = [name for row in told for name in re.findall(r"`([^`]+)`", row[1])]
    assert len(fields) > 20
    for name in fields:
        assert name in customer or _at(contract, name) is not None, name
    clauses = set(re.findall(r"^(?:### )?(\d+(?:\.\d+)?)[. ]", PAPER, re.MULTILINE))
    assert {one for row in told for one in re.findall(r"\d+(?:\.\d+)?", row[0])} <= clauses


def _at(document, path):
    for name in path.split("."):
        document = document.get(name)
        if document is None:
            return None
    return document


def test_the_paper_is_twelve_pages_of_a4():
    printed = pages(set_in_type(PAPER))
    assert len(printed) == 12
    assert all(f"{number} / 12" in text for number, text in enumerate(printed, start=1))
    assert "22. Signatures" in printed[6]
