"""What the demo prints: counts at each step, the sums that must agree, one invoice explained."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.console import Console

from meterhouse.cli.tables import table
from meterhouse.cli.tree import tree_of
from meterhouse.cli.values import grouped, money_text, number_text
from meterhouse.demo.tour import OUTCOMES, StageReport, Tour

NEXT = """\
What to try next (the home is {home}):
  meterhouse --home {home} invoices list --through 2026-11-01
  meterhouse --home {home} explain {number} --line 1 --events
  meterhouse --home {home} rebuild {number}
  meterhouse --home {home} conflicts list        # two customers wait for a decision
  meterhouse --home {home} quarantine list       # why records were kept out
  meterhouse --home {home} sql "from reporting.revenue_by_month"
  make ui                                        # the same run in Dagster"""


def payload(found: Tour) -> dict[str, Any]:
    """The figures, for `--json`."""
    return {
        "home": found.plan.home,
        "stages": [
            {
                "through": stage.through,
                "expected": stage.expected,
                "got": stage.got,
                "counts": stage.billed.counts,
                "issued": len(_numbers(stage)),
                "held": len(stage.billed.issued.held) if stage.billed.issued else 0,
            }
            for stage in found.stages
        ],
        "closed": found.closed,
        "conservation": {"records": found.conserved, "fates": dict(found.fates)},
        "usage_without_contract": found.outside,
        "trial_balance": found.trial_balance,
        "receivables": found.receivables,
        "largest": found.largest,
        "plan": {k: v for k, v in asdict(found.plan).items() if k != "stages"},
    }


def render(found: Tour, console: Console) -> None:
    """The figures as tables."""
    for one in (_stages, _conservation, _outside, _close, _trial_balance, _receivables):
        for part in one(found):
            console.print(part)
    if found.largest:
        console.print("The largest invoice of the largest customer, explained:")
        console.print(tree_of(_without_days(found.largest)))
        number = found.largest["number"]
        console.print(NEXT.format(home=found.plan.home.name, number=number), soft_wrap=True)


def _stages(found: Tour) -> Iterator[Any]:
    columns = ("through", *(f"{name}>" for name in OUTCOMES), "as expected", "windows>", "rated>",
               "drafts>", "issued>", "held back>")  # fmt: skip
    rows = [
        (
            stage.through,
            *(f"{stage.got.get(name, 0):,}" for name in OUTCOMES),
            "yes" if stage.got == stage.expected else "NO",
            *(f"{stage.billed.counts[name]:,}" for name in _COUNTS),
            len(_numbers(stage)),
            len(stage.billed.issued.held) if stage.billed.issued else 0,
        )
        for stage in found.stages
    ]
    yield table(columns, rows, title="Each stage: what landed, and the run after it")
    why = (
        [w for _, w in found.stages[-1].billed.issued.held]
        if found.stages[-1].billed.issued
        else []
    )
    conflicts = sum("conflicts_are_resolved" in sentence for sentence in why)
    yield (
        f"Held back at the end: {conflicts} drafts for an open conflict, "
        f"{len(why) - conflicts} for a customer without a tax decision; everyone else was billed.\n"
    )


_COUNTS = ("charge_windows", "desired_lines", "drafts")


def _numbers(stage: StageReport) -> tuple[str, ...]:
    return stage.billed.issued.numbers if stage.billed.issued else ()


def _conservation(found: Tour) -> Iterator[Any]:
    sums = found.conserved
    parts = ("accepted", "duplicate", "conflict", "quarantined", "refused")
    total = sum(sums[name] for name in parts)
    left, sign = sums["received_and_released"], "="
    if left != total:
        sign = "IS NOT"
    yield "Nothing leaks:"
    yield (
        f"  received + released {left:,} {sign} "
        + " + ".join(f"{name} {sums[name]:,}" for name in parts)
    )
    fates = dict(found.fates)
    sign = "=" if sum(fates.values()) == sums["accepted"] else "IS NOT"
    buckets = " + ".join(f"{name} {count:,}" for name, count in found.fates)
    yield f"  accepted {sums['accepted']:,} {sign} {buckets}\n"


def _outside(found: Tour) -> Iterator[Any]:
    rows = [
        (fate, meter, f"{events:,}", grouped(number_text(quantity)),
         "not known: no list price" if value is None else f"{number_text(value)} {currency}")
        for fate, meter, events, quantity, currency, value in found.outside
    ]  # fmt: skip
    yield table(
        ("bucket", "meter", "events>", "quantity>", "estimated value>"),
        rows,
        title="Usage that no contract reads",
    )


def _close(found: Tour) -> Iterator[Any]:
    rows = [
        (one["event"], one["currency"], one["entries"],
         grouped(money_text(one["debit"], one["currency"])))
        for one in found.closed.get("posted", ())
    ]  # fmt: skip
    yield table(
        ("event", "currency", "entries>", "amount>"),
        rows,
        title=f"The close before {found.closed.get('cut_off')}: earned, accrued and cleared",
    )


def _trial_balance(found: Tour) -> Iterator[Any]:
    rows = [
        (entity, account, *(_amount(a, currency) for a in (debit, credit, balance)), currency)
        for entity, currency, account, debit, credit, balance in found.trial_balance
    ]
    columns = ("entity", "account", "debit>", "credit>", "balance>", "currency")
    yield table(columns, rows, title="Trial balance")


def _receivables(found: Tour) -> Iterator[Any]:
    rows = [
        (currency, _amount(ledger, currency), _amount(invoices, currency), "yes" if same else "NO")
        for currency, ledger, invoices, same in found.receivables
    ]
    columns = ("currency", "accounts receivable>", "open invoices>", "equal")
    yield table(columns, rows, title="The ledger against the invoices")


def _amount(amount: str, currency: str) -> str:
    return grouped(money_text(amount, currency))


def _without_days(found: dict[str, Any]) -> dict[str, Any]:
    """The first days of each line are enough here; `explain` prints them all."""
    lines = [{**line, "days": line["days"][:2]} for line in found["lines"]]
    return {**found, "lines": lines}
