"""What the examples' tests share: a home billed from an example, and its documents as text."""

import json
import shutil
from pathlib import Path

from meterhouse.lake import Lake
from meterhouse.rendering.presentation import Presentation
from meterhouse.rendering.printable import printable
from meterhouse.run.applying import apply_book
from meterhouse.run.bill import bill
from meterhouse.settings import Settings
from meterhouse.warehouse import Warehouse

EXAMPLES = Path(__file__).parents[2] / "examples"
LINES = """
select documents.customer_id, documents.invoice_date, documents.due_date, documents.net,
    documents.number, lines.item_description, lines.window_start_on, lines.window_end_on,
    documents.content, lines.line_no, lines.quantity, lines.amount, documents.kind
from facts.billed_lines as lines join facts.documents as documents using (document_id)
order by documents.customer_id, documents.invoice_date, documents.number, lines.line_no
"""
LOOK = Presentation("en-GB")


def billed_home(name, home, days):
    """The lake of an example after runs through each of the days, of which none failed a check."""
    shutil.copytree(EXAMPLES / name, home)
    lake = Lake(Settings.load(home))
    lake.create()
    apply_book(lake)
    landing = lake.settings.landing("events")
    landing.mkdir(parents=True, exist_ok=True)
    shutil.copy(EXAMPLES / name / "usage" / "events.csv", landing)
    for through in days:
        assert bill(lake, through).failed_checks == []
    return lake


def number(value):
    return format(value.normalize(), "f")


def invoices(lake):
    """Every document as a person would read it."""
    with Warehouse(lake).connect(lake.head()) as db:
        rows = db.sql(LINES).fetchall()
    text, last, shown = [], None, {}
    for (
        customer,
        invoiced,
        due,
        net,
        name,
        item,
        start,
        end,
        content,
        no,
        quantity,
        amount,
        kind,
    ) in rows:
        if name != last:
            what = kind.replace("_", " ")
            text += ["", f"{customer}: {what} of {invoiced}, due {due}: {net:.2f}"]
            last = name
            shown = {one.number: one for one in printable(json.loads(content), LOOK).lines}
        line = shown[no]
        what = f"{item or '-'}{f' ({line.dimensions})' if line.dimensions else ''}"
        text.append(f"  {start} {end}  {what:56} {number(quantity):>10} {amount:>12.2f}")
        text += [f"      {why}" for why in reasons(line)]
    return "\n".join(text).strip() + "\n"


def reasons(line):
    """What is printed of a line beside its amount: price, tiers, days, allowances, corrections."""
    if line.unit_price and not line.tiers:
        yield f"at {line.unit_price}{f' ({line.unit})' if line.unit else ''}"
    for tier in line.tiers:
        price = f" at {tier.unit_price}" if tier.unit_price else ""
        yield f"{tier.units}{f': {tier.quantity}' if tier.quantity else ''}{price} = {tier.amount}"
    yield from line.notes


def differences(found, name, *, update):
    """The lines of the documents that the example's invoices.txt does not have, or has more."""
    golden = EXAMPLES / name / "invoices.txt"
    if update:
        golden.write_text(found, encoding="utf-8")
    published = golden.read_text("utf-8").splitlines()
    made = found.splitlines()
    return [line for line in made if line not in published] or len(made) - len(published)
