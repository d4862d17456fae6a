"""Run: everything from landed files to issued documents. Close: end a period."""

from datetime import date
from typing import TYPE_CHECKING, Any

import click

from meterhouse.cli.app import App, Command, pass_app
from meterhouse.cli.options import DAY
from meterhouse.cli.progress import rate

if TYPE_CHECKING:
    from meterhouse.run.bill import Billed
    from meterhouse.run.issuing import Issued

CHECKS_FAILED = 3
LOADING = "Loading files that landed"
LEFT_BY_RUN = (
    "Files that were loaded and documents that were issued stay; tables that were being made are "
    "made again by the next run."
)
LEFT_BY_CLOSE = "The period is closed only if the entries were committed, all of them at once."
Held = list[dict[str, Any]]


@click.command(cls=Command, short_help="Load, rate, check, issue, publish.")
@click.option("--through", type=DAY, required=True, help="Bill what is due up to this day.")
@click.option("--known-at", type=int, metavar="BATCH", help="Know only up to this batch (dry).")
@click.option("--dry-run", is_flag=True, help="Work on a copy; load and issue nothing.")
@click.option("--full", is_flag=True, help="Run every step even if nothing has changed.")
@click.pass_context
def run(
    context: click.Context, through: date, known_at: int | None, dry_run: bool, full: bool
) -> None:
    """Load, rate, draft, check, issue what may be issued, and publish.

    Safe to repeat after any interruption; when nothing has changed since the last run it says so
    and stops. Ends with 3 if a blocking check failed or a draft was
    held back by more than a missing approval, after everything else was done.
    """
    app = context.find_object(App) or App()
    with app.working("Opening the home", LEFT_BY_RUN) as work:
        from meterhouse.run.bill import bill

        result = bill(
            app.lake, through, known_at=known_at, dry_run=dry_run, full=full, tell=work.stage
        )
        received = sum(one.received for one in result.loaded)
        if received and LOADING in work.took:
            work.message(f"Loaded {rate(received, work.took[LOADING])}")
        held = held_of(app, result.issued)
    app.show(_payload(result, held), lambda console: _render(console, result, held))
    for sentence in result.warnings:
        app.tell(f"Warning: {sentence}")
    for sentence in result.failed_checks:
        click.echo(sentence, err=True)
    if result.failed_checks or is_blocked(held):
        context.exit(CHECKS_FAILED)


def held_of(app: App, issued: "Issued | None") -> Held:
    """What stayed behind, with its state: blocked, or waiting for a person's approval."""
    if issued is None or not issued.held:
        return []
    from meterhouse.cli.drafts import drafts, with_money_text
    from meterhouse.cli.reading import derived

    names = {draft for draft, _ in issued.held}
    with derived(app.lake) as db:
        found = [row for row in drafts(db, None, None) if row["id"] in names]
    # What only this person may not do is no state of the draft.
    why = dict(issued.held)
    told = [{**row, "reason": row["reason"] or why[row["id"]]} for row in found]
    return with_money_text(told)


def is_blocked(held: Held) -> bool:
    """Whether a draft stays for another reason than a missing approval."""
    return any(row["state"] == "blocked" for row in held)


def _payload(result: "Billed", held: Held) -> dict[str, Any]:
    issued = result.issued
    return {
        "run_id": result.run_id,
        "through": result.through,
        "known_at": result.known_at,
        "is_dry": result.is_dry,
        "why_dry": result.why_dry or None,
        "batches": [one.as_dict() for one in result.loaded],
        "counts": result.counts,
        "second_rating": result.second_rating,
        "drafts": result.totals,
        "issued": list(issued.numbers) if issued else [],
        "held": held,
        "failed_checks": result.failed_checks,
        "warnings": result.warnings,
        "is_published": result.is_published,
        "is_unchanged": result.is_unchanged,
    }


def _render(console: Any, result: "Billed", held: Held) -> None:
    from meterhouse.cli.tables import table
    from meterhouse.cli.usage import print_batches
    from meterhouse.cli.values import grouped, money_text

    if result.is_dry:
        console.print(f"Dry run, nothing was issued: {result.why_dry}.")
    print_batches(console, [one for one in result.loaded if one.batch_seq is not None])
    if result.is_unchanged:
        console.print("Nothing has changed since this run, so no step was run again (--full does).")
    counts = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in result.counts.items())
    console.print(f"Run {result.run_id[:8]} through {result.through}: {counts}")
    if result.second_rating:
        from meterhouse.run.second_rating import spelled

        console.print(f"Second rater: {spelled(result.second_rating)}")
    if result.totals:
        rows = [
            (t["kind"], t["documents"], grouped(money_text(t["net"], t["currency"])), t["currency"])
            for t in result.totals
        ]
        console.print(table(["drafts", "count>", "net>", "currency"], rows))
    if result.issued:
        print_issued(console, result.issued.numbers, held)


def print_issued(console: Any, numbers: tuple[str, ...], held: Held, limit: int = 20) -> None:
    """Numbers given, and drafts that stayed; long lists are cut with a word on the rest."""
    from meterhouse.cli.tables import table

    listed = ", ".join(numbers[:limit])
    rest = f" and {len(numbers) - limit:,} more" if len(numbers) > limit else ""
    console.print(f"Issued {len(numbers):,}: {listed}{rest}" if numbers else "Issued nothing.")
    if held:
        rows = [
            (row["id"][:8], row["state"], row["customer"] or row["customer_id"], row["reason"])
            for row in sorted(held, key=lambda row: row["state"])[:limit]
        ]
        console.print(table(["held draft", "state", "customer", "reason"], rows))
    if len(held) > limit:
        console.print(f"... and {len(held) - limit:,} more: `meterhouse invoices list`.")


@click.command(cls=Command, short_help="Close the books before a day.")
@click.option("--until", "cut_off", type=DAY, required=True, help="First day that stays open.")
@click.option("--entity", metavar="ID", help="Only this entity.  [default: all]")
@click.option("--dry-run", is_flag=True, help="Show what would be posted and close nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@pass_app
def close(app: App, cut_off: date, entity: str | None, dry_run: bool, yes: bool) -> None:
    """Close the books before a day; what comes later is posted into the open period.

    A closed day stays closed, so it asks first, with the entries it would post.
    """
    if not (dry_run or yes):
        planned = _closed(app, cut_off, entity, dry_run=True)
        if planned["entities"]:
            app.ask(_would_close(planned), yes=False, question="Close the books?")
    result = _closed(app, cut_off, entity, dry_run=dry_run)
    app.show({**result, "is_dry": dry_run}, lambda console: _render_close(console, result, dry_run))


def _closed(app: App, cut_off: date, entity: str | None, *, dry_run: bool) -> dict[str, Any]:
    what = "Computing the close" if dry_run else "Closing the books"
    with app.working(f"{what} before {cut_off}", LEFT_BY_CLOSE):
        from meterhouse.run.close import close as close_period

        return close_period(app.lake, cut_off, entity, dry_run=dry_run)


def _would_close(planned: dict[str, Any]) -> str:
    from meterhouse.cli.values import grouped, money_text

    posted = ", ".join(
        f"{p['entries']:,} {p['event']} of {grouped(money_text(p['debit'], p['currency']))} "
        f"{p['currency']}"
        for p in planned["posted"]
    )
    names = ", ".join(planned["entities"])
    until = planned["cut_off"]
    return f"{names} would be closed before {until} for good, posting {posted or 'nothing'}"


def _render_close(console: Any, result: dict[str, Any], dry_run: bool) -> None:
    from meterhouse.cli.tables import table
    from meterhouse.cli.values import grouped, money_text

    if not result["entities"]:
        console.print(f"Nothing was closed: {result['note']}.")
        return
    closed = ", ".join(result["entities"])
    if dry_run:
        console.print(f"Dry run, nothing was closed. {closed} before {result['cut_off']} would be.")
    else:
        batch = result["batch_seq"]
        console.print(f"Closed {closed} before {result['cut_off']}, as batch {batch}.")
    rows = [
        (p["event"], p["entries"], grouped(money_text(p["debit"], p["currency"])), p["currency"])
        for p in result["posted"]
    ]
    if rows:
        console.print(table(["posted", "entries>", "debit>", "currency"], rows))
