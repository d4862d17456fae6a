"""Run: everything from landed files to issued documents. Close: end a period."""

from datetime import date
from typing import TYPE_CHECKING, Any

import click

from meterhouse.cli.app import App, Command, pass_app
from meterhouse.cli.options import DAY

if TYPE_CHECKING:
    from meterhouse.run.bill import Billed

CHECKS_FAILED = 3
# How the sentences of `issue` begin for drafts that only lack a person's decision.
WAITING = ("It waits for approval", "It has changed since it was approved")


@click.command(cls=Command, short_help="Load, rate, check, issue, publish.")
@click.option("--through", type=DAY, required=True, help="Bill what is due up to this day.")
@click.option("--known-at", type=int, metavar="BATCH", help="Know only up to this batch (dry).")
@click.option("--dry-run", is_flag=True, help="Work on a copy; load and issue nothing.")
@click.pass_context
def run(context: click.Context, through: date, known_at: int | None, dry_run: bool) -> None:
    """Load, rate, draft, check, issue what may be issued, and publish.

    Safe to repeat after any interruption. Ends with 3 if a blocking check failed or a draft was
    held back by more than a missing approval, after everything else was done.
    """
    from meterhouse.run.bill import bill

    app = context.find_object(App) or App()
    result = bill(app.lake, through, known_at=known_at, dry_run=dry_run, tell=app.progress)
    app.show(_payload(result), lambda console: _render(console, result))
    for sentence in result.warnings:
        app.tell(f"Warning: {sentence}")
    for sentence in result.failed_checks:
        click.echo(sentence, err=True)
    if result.failed_checks or held_by_more(result.issued.held if result.issued else ()):
        context.exit(CHECKS_FAILED)


def held_by_more(held: tuple[tuple[str, str], ...]) -> bool:
    """Whether a draft stays for another reason than a missing approval."""
    return any(not why.startswith(WAITING) for _, why in held)


def _payload(result: "Billed") -> dict[str, Any]:
    issued = result.issued
    return {
        "run_id": result.run_id,
        "through": result.through,
        "known_at": result.known_at,
        "is_dry": result.is_dry,
        "why_dry": result.why_dry or None,
        "batches": [one.as_dict() for one in result.loaded],
        "counts": result.counts,
        "drafts": result.totals,
        "issued": list(issued.numbers) if issued else [],
        "held": held_as_dicts(issued.held if issued else ()),
        "failed_checks": result.failed_checks,
        "warnings": result.warnings,
        "is_published": result.is_published,
    }


def held_as_dicts(held: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    """Drafts that stayed, with the sentence that says why."""
    return [{"draft": draft, "reason": why} for draft, why in held]


def _render(console: Any, result: "Billed") -> None:
    from meterhouse.cli.tables import table
    from meterhouse.cli.usage import print_batches
    from meterhouse.cli.values import grouped, money_text

    if result.is_dry:
        console.print(f"Dry run, nothing was issued: {result.why_dry}.")
    print_batches(console, [one for one in result.loaded if one.batch_seq is not None])
    counts = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in _told(result))
    console.print(f"Run {result.run_id[:8]} through {result.through}: {counts}")
    if result.totals:
        rows = [
            (t["kind"], t["documents"], grouped(money_text(t["net"], t["currency"])), t["currency"])
            for t in result.totals
        ]
        console.print(table(["drafts", "count>", "net>", "currency"], rows))
    if result.issued:
        print_issued(console, result.issued.numbers, result.issued.held)


def _told(result: "Billed") -> list[tuple[str, int]]:
    return list(result.counts.items())


def print_issued(
    console: Any, numbers: tuple[str, ...], held: tuple[tuple[str, str], ...], limit: int = 20
) -> None:
    """Numbers given, and drafts that stayed; long lists are cut with a word on the rest."""
    from meterhouse.cli.tables import table

    if numbers:
        listed = ", ".join(numbers[:limit])
        rest = f" and {len(numbers) - limit:,} more" if len(numbers) > limit else ""
        console.print(f"Issued {len(numbers):,}: {listed}{rest}")
    else:
        console.print("Issued nothing.")
    if held:
        rows = [(draft[:8], why) for draft, why in held[:limit]]
        console.print(table(["held draft", "reason"], rows))
        if len(held) > limit:
            console.print(f"... and {len(held) - limit:,} more: `meterhouse invoices list`.")


@click.command(cls=Command, short_help="Close the books before a day.")
@click.option("--until", "cut_off", type=DAY, required=True, help="First day that stays open.")
@click.option("--entity", metavar="ID", help="Only this entity.  [default: all]")
@pass_app
def close(app: App, cut_off: date, entity: str | None) -> None:
    """Close the books before a day; what comes later is posted into the open period."""
    from meterhouse.run.close import close as close_period

    result = close_period(app.lake, cut_off, entity)
    app.show(result, lambda console: _render_close(console, result))


def _render_close(console: Any, result: dict[str, Any]) -> None:
    from meterhouse.cli.tables import table
    from meterhouse.cli.values import grouped, money_text

    if not result["entities"]:
        console.print(f"Nothing was closed: {result['note']}.")
        return
    closed = ", ".join(result["entities"])
    console.print(f"Closed {closed} before {result['cut_off']}, as batch {result['batch_seq']}.")
    rows = [
        (p["event"], p["entries"], grouped(money_text(p["debit"], p["currency"])), p["currency"])
        for p in result["posted"]
    ]
    if rows:
        console.print(table(["posted", "entries>", "debit>", "currency"], rows))
