"""Plans: which there are, who has them, and moving contracts to another version."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from meterhouse.cli.app import App, Command, Group, pass_app
from meterhouse.cli.values import counted

if TYPE_CHECKING:
    from rich.console import Console

    from meterhouse.run.plan_migration import Migration

LEFT = "Contracts are moved all together, in one commit, or not at all."


@click.group(cls=Group, short_help="Plans, and moving contracts to another version.")
def plans() -> None:
    """Plans of the book: their versions, who has them, moving contracts to another version."""


@plans.command("list", cls=Command, short_help="All plans, and how many contracts have them.")
@pass_app
def list_plans(app: App) -> None:
    """All recorded plans with their newest version, and how many contracts have them."""
    from meterhouse.run.plan_catalog import list_plans as find

    found = find(app.lake)
    app.show({"plans": found}, lambda console: _render(console, found))


@plans.command("show", cls=Command, short_help="All versions of one plan.")
@click.argument("plan", metavar="PLAN")
@pass_app
def show_plan(app: App, plan: str) -> None:
    """All versions of a plan: from when each holds, its items, and how many contracts have it."""
    from meterhouse.run.plan_catalog import show_plan as find

    found = find(app.lake, plan)
    app.show(found, lambda console: _render_one(console, found))


@plans.command(cls=Command, short_help="Move contracts to another version of their plan.")
@click.argument("plan", metavar="PLAN")
@click.option("--to", "version", required=True, metavar="VERSION", help="Version they should have.")
@click.option(
    "--contract", "contracts", multiple=True, metavar="ID", help="Only this one; may be repeated."
)
@click.option(
    "--on",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    help="First day of the new terms; default: the day the version holds from.",
)
@click.option("--dry-run", is_flag=True, help="Show which contracts would change, and how.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@pass_app
def migrate(
    app: App,
    plan: str,
    version: str,
    contracts: tuple[str, ...],
    on: datetime | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """Move the contracts that have a plan to another version of it, from a day on."""
    from meterhouse.run.plan_migration import plan_migration, record_migration

    with app.working("Comparing contracts", "Nothing was recorded."):
        found = plan_migration(app.lake, plan, version, contracts, on.date() if on else None)
    if dry_run or not found.moved:
        _show(app, found, None)
        app.tell("Nothing was recorded." if found.moved else "Nothing to record.")
        return
    if not yes and not app.as_json:
        _show(app, found, None)
    what = f"{counted(len(_contracts(found)), 'contract')} would get new terms from {found.on}"
    app.ask(what, yes=yes, question="Record them?")
    with app.working("Recording the contracts", LEFT):
        batch_seq = record_migration(app.lake, found)
    if yes or app.as_json:
        _show(app, found, batch_seq)
    app.tell(f"Recorded as batch {batch_seq}; `meterhouse run` bills by the new terms.")


def _contracts(found: "Migration") -> list[str]:
    return sorted({one.contract_id for one in found.moved})


def _show(app: App, found: "Migration", batch_seq: int | None) -> None:
    payload = {
        "on": found.on,
        "batch_seq": batch_seq,
        "contract_count": len(_contracts(found)),
        "untouched_count": found.untouched,
        "moved": [
            {
                "contract_id": one.contract_id,
                "valid_from": one.valid_from,
                "is_new": one.is_new,
                "fields": [field._asdict() for field in one.fields],
            }
            for one in found.moved
        ],
    }
    app.show(payload, lambda console: _render_moved(console, found))


def _render_moved(console: "Console", found: "Migration") -> None:
    from meterhouse.cli.tables import table

    rows: list[list[Any]] = []
    for one in found.moved:
        head = [one.contract_id, one.valid_from or "always", "new" if one.is_new else "changed"]
        # The pins say by hash what the items say in full.
        told = [field for field in one.fields if not field.path.startswith("$.pinned")]
        for index, field in enumerate(told):
            shown = [field.path.removeprefix("$."), _text(field.old), _text(field.new)]
            rows.append([*(head if index == 0 else ["", "", ""]), *shown])
    if rows:
        console.print(table(["contract", "from", "terms", "field", "old", "new"], rows))
    console.print(
        f"{counted(len(_contracts(found)), 'contract')} changed, {found.untouched} untouched"
    )


def _render(console: "Console", found: list[dict[str, Any]]) -> None:
    from meterhouse.cli.tables import table

    if not found:
        console.print("The book has no plan.")
        return
    columns = ["plan", "name", "currency", "newest version", "from", "versions>", "contracts>"]
    rows = [
        [one["plan_id"], one["name"], one["currency"], one["version"],
         one["valid_from"] or "always", one["version_count"], one["contract_count"]]
        for one in found
    ]  # fmt: skip
    console.print(table(columns, rows))


def _render_one(console: "Console", found: dict[str, Any]) -> None:
    from meterhouse.cli.tables import clean, table

    console.print(clean(f"{found['plan_id']}: {found['name']}, in {found['currency']}"))
    rows = [
        [one["version"], one["valid_from"] or "always", one["contract_count"], _item(item)]
        for one in found["versions"]
        for item in one["items"]
    ]
    console.print(table(["version", "from", "contracts>", "item"], rows))


def _item(item: dict[str, Any]) -> str:
    price = item.get("price") or {}
    how = price.get("model") or price.get("ref") or "list price"
    return f"{item['id']}: {item.get('description') or item.get('product')} ({how})"


def _text(value: Any) -> str:
    import json

    text = "-" if value is None else value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
