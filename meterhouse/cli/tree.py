"""An explanation as a tree: document, lines, and under each line what its amount is made of."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from rich.text import Text
from rich.tree import Tree

from meterhouse.cli.measure_text import day_text, measure_lines
from meterhouse.cli.paper import price_text
from meterhouse.cli.tables import clean
from meterhouse.cli.values import grouped, number_text
from meterhouse.pricing.order import MODIFIERS, ORDER

# What a step multiplies its quantity by, whichever its model knows.
FACTORS = ("unit_amount", "rate", "multiplier")
# Steps of prices that are rated from all dimension values of a window at once.
OF_ALL = frozenset(
    {"cell", "unmatched", "tier_by", "capacity", "formula", "bucket", "committed_bucket"}
    | {"prorated_tier"}
)
PART_FACTS = ("tier_quantity", "prorated", "cost", "commitment", "excess", "factor", "true_up")
MODIFIER_FACTS = ("percentage", "fixed", "cap", "limit", "owed", "granted", "total")


def tree_of(found: dict[str, Any]) -> Tree:
    """The tree of what `meterhouse.run.explain` found."""
    total = found["total"] or "not decided"
    kind = found["kind"].replace("_", " ")
    root = Tree(_text(f"{kind} {found['number']}  {grouped(total)} {found['currency']}"))
    root.add(_text(f"buyer {found['buyer']['name']} ({found['buyer']['id']})"))
    root.add(
        _text(
            f"run {found['run_id'][:8]} through {found['through']}, "
            f"knew up to batch {found['known_at']}"
        )
    )
    for line in found["lines"]:
        _add_line(root, line, found["currency"])
    return root


def _add_line(root: Tree, line: dict[str, Any], currency: str) -> None:
    service = line["service"]
    branch = root.add(
        _text(
            f"line {line['line_no']}  {line['description']}: {grouped(line['amount'])} {currency}"
        )
    )
    branch.add(
        _text(
            f"service {service['start']} to before {service['end']} {service['zone']}, contract "
            f"{line['contract']}, item {line['item']}"
        )
    )
    steps = branch.add(_text(_reason(line)))
    for step in line["steps"]:
        _add_step(steps, step)
    rounded = f"rounded {line['amount']}"
    if "tax_included" in line:
        held = Decimal(line["tax_included"])
        priced = format(Decimal(line["amount"]) + held, "f")
        rounded = f"rounded {priced}, which holds {line['tax_included']} tax: {line['amount']}"
    steps.add(_text(f"unrounded {number_text(line['unrounded'])}, {rounded}"))
    if line["correction"]:
        branch.add(_text("correction: " + ", ".join(_named(line["correction"]))))
    if "progress" in line:
        branch.add(_text(_progress(line["progress"])))
    for one in line.get("edits", []):
        changed = " ".join(one[name] for name in ("op", "value", "text") if one[name])
        branch.add(_text(f"edit {one['edit_id'][:8]}: {changed}, {one['actor']}: {one['reason']}"))
    _add_usage(branch, line)


def _progress(progress: dict[str, Any]) -> str:
    """Why a line is for a part of its usage, or for what was left of it."""
    so_far = f"{progress['desired']} so far" if progress["goes_on"] else progress["desired"]
    why = (
        "billed before it is due, because usage reached a threshold"
        if progress["goes_on"]
        else f"its first part was billed by {progress['original_number']} at a threshold"
    )
    return f"{why}: {so_far} less {progress['already_billed']} that was billed before"


def _reason(line: dict[str, Any]) -> str:
    """The price of a line, or for a line of a modifier where it stands in the order."""
    model = line["price"]["model"]
    if model not in MODIFIERS:
        return f"price {model}: {price_text(line['price'])}"
    names = {step["step"] for step in line["steps"]}
    found = [at for at, one in enumerate(ORDER) if one.name in names or one.component == model]
    at = next((at for at in found if ORDER[at].name in names), found[0])
    return f"operation {at + 1} of {len(ORDER)}, {model}: {ORDER[at].meaning}"


def _add_usage(branch: Tree, line: dict[str, Any]) -> None:
    quantity = grouped(number_text(line["quantity"]))
    if not line["meter"]:
        branch.add(_text(f"quantity {quantity}, fixed by the contract"))
        return
    meter = line["meter"]
    told = f"quantity {quantity} {meter['unit']}: "
    told += _determinant(line)
    usage = branch.add(_text(f"{told}meter {meter['id']}, version {meter['version']}"))
    if line["dimensions"]:
        usage.add(_text("only " + ", ".join(_named(line["dimensions"]))))
    for sentence in measure_lines(line["measure"]):
        usage.add(_text(sentence))
    if line["days"]:
        days = usage.add(_text(f"days ({line['measure']['day_shows']})"))
        for day in line["days"]:
            days.add(_text(day_text(day)))
    events = line.get("events")
    if events is not None:
        listed = branch.add(_text(f"events ({len(events)} shown)"))
        for one in events:
            listed.add(_text(_event(one)))


def _determinant(line: dict[str, Any]) -> str:
    if line["determinant"]:
        return f"determinant {line['determinant'][:8]}, "
    is_of_parts = any(step["step"] in OF_ALL for step in line["steps"])
    return "all determinants of the window, " if is_of_parts else "billed no more, "


def _add_step(branch: Tree, step: dict[str, Any]) -> None:
    """A step, and below it the steps of the price that stands inside it, where there is one."""
    own = branch.add(_text(_step(step)))
    for inner in step.get("steps", ()):
        _add_step(own, inner)


def _step(step: dict[str, Any]) -> str:
    if "of" in step:
        facts = [f"{name} {number_text(step[name])}" for name in MODIFIER_FACTS if step.get(name)]
        told = ", ".join([number_text(step["of"]), *facts])
        return f"step {step['step']} of {told} = {number_text(step['amount'])}"
    span = f"from {number_text(step['from'])}" if step.get("from") is not None else ""
    upper = f" to {number_text(step['to'])}" if step.get("to") is not None else ""
    unit = "".join(f" × {number_text(step[name])}" for name in FACTORS if step.get(name))
    if step.get("packages"):
        size, each = number_text(step["package_size"]), number_text(step["package_amount"])
        unit = f" in {number_text(step['packages'])} packages of {size} × {each}"
    flat = f" + {number_text(step['flat_amount'])}" if step.get("flat_amount") is not None else ""
    quantity = number_text(step["quantity"]) if step.get("quantity") is not None else ""
    if step.get("events"):
        quantity += f"{', ' if quantity else ''}{step['events']} events"
    told = f"step {step.get('step', '')} {', '.join(_part_facts(step))} {span}{upper}"
    return f"{' '.join(told.split())}: {quantity}{unit}{flat} = {number_text(step['amount'])}"


def _part_facts(step: dict[str, Any]) -> Iterator[str]:
    """What a step of a price of parts says beside its quantity: which part, and by what terms."""
    for name in ("keys", "example", "values"):
        for key, value in (step.get(name) or {}).items():
            yield f"{key} {'/'.join(value) if isinstance(value, list) else value}"
    if step.get("formula"):
        yield f"in {step['formula']}"
    for name in PART_FACTS:
        if step.get(name) not in (None, "0"):
            yield f"{name.replace('_', ' ')} {number_text(step[name])}"


def _event(one: dict[str, Any]) -> str:
    before = "before the window: " if one["is_before"] else ""
    value = one["item"] if one["value"] is None else number_text(one["value"])
    shown = "no value" if value is None else value
    shown = f"takes {shown} away" if one["removes"] else shown
    return (
        f"{before}{one['occurred_at'].isoformat()}  {one['event_id']}  {shown}  "
        f"({one['file']} row {one['source_row']}, batch {one['batch_seq']})"
    )


def _named(values: dict[str, Any]) -> Iterator[str]:
    for name, value in values.items():
        if value is not None:
            yield f"{name.replace('_', ' ')} {value}"


def _text(value: str) -> Text:
    return Text(clean(value))
