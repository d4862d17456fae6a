"""Verify: is every stored byte what was registered, and does all hang together."""

from typing import TYPE_CHECKING, Any

import click

from meterhouse.cli.app import App, Command

if TYPE_CHECKING:
    from meterhouse.run.verifying import Look

DAMAGED = 6
SHOWN = 50


@click.command(cls=Command, short_help="Compare everything stored with its hashes.")
@click.pass_context
def verify(context: click.Context) -> None:
    """Compare files, catalog, manifests and documents with what was registered.

    Changes nothing. Ends with 6 if facts are damaged; what is merely left over or derived is shown
    with its remedy and does not change the code.
    """
    app = context.find_object(App) or App()
    with app.working("Opening the lake", "Nothing was changed.") as work:
        from meterhouse.run.verifying import verify as looks

        found = list(looks(app.lake, work.stage))
    app.show(_payload(found), lambda console: _render(console, found))
    if any(look.status == "fail" for look in found):
        context.exit(DAMAGED)


def _payload(found: "list[Look]") -> dict[str, Any]:
    return {
        "is_damaged": any(look.status == "fail" for look in found),
        "looks": [
            {
                "name": look.name,
                "status": look.status,
                "seen": look.seen,
                "faults": [
                    {"found": f.sentence, "remedy": f.remedy, "is_damage": f.is_damage}
                    for f in look.faults
                ],
            }
            for look in found
        ],
    }


def _render(console: Any, found: "list[Look]") -> None:
    from meterhouse.cli.tables import clean, table

    console.print(table(["", "what", "compared"], [(x.status, x.name, x.seen) for x in found]))
    for look in found:
        for fault in look.faults[:SHOWN]:
            console.print(clean(f"{look.name}: {fault.sentence} {fault.remedy}"))
        if len(look.faults) > SHOWN:
            console.print(f"... and {len(look.faults) - SHOWN:,} more: --json lists all.")
