"""Verify: is every stored byte what was registered, and does all hang together."""

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import click

from meterhouse.cli.app import App, Command

if TYPE_CHECKING:
    from meterhouse.run.verifying import Look

DAMAGED = 6
SHOWN = 50


class Share(click.ParamType[Decimal]):
    """A share in percent: 1%, 0.5% or 100%."""

    name = "share"

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> Decimal:
        """The share as a number between 0 and 1."""
        try:
            share = Decimal(str(value).removesuffix("%")) / 100
        except InvalidOperation:
            self.fail(f"{value!r} is not a share such as 1%.", param, context)
        if not 0 < share <= 1:
            self.fail(f"{value!r} is not above 0% and at most 100%.", param, context)
        return share


@click.command(cls=Command, short_help="Compare everything stored with its hashes.")
@click.option(
    "--sample", type=Share(), metavar="SHARE", help="Also make this share of documents again: 1%."
)
@click.option("--seed", default="1", show_default=True, help="Which documents are drawn; any word.")
@click.pass_context
def verify(context: click.Context, sample: Decimal | None, seed: str) -> None:
    """Compare files, catalog, manifests and documents with what was registered.

    With --sample some issued documents are made again from their determinants and from events, and
    compared byte for byte. Changes nothing. Ends with 6 if facts are damaged; what is merely left
    over or derived is shown with its remedy and does not change the code.
    """
    app = context.find_object(App) or App()
    with app.working("Opening the lake", "Nothing was changed.") as work:
        from meterhouse.run.verifying import verify as looks

        found = list(looks(app.lake, work.stage))
        if sample is not None and not any(look.status == "fail" for look in found):
            from meterhouse.run.sampled import look_at_sample

            work.stage("Making documents again")
            found.append(look_at_sample(app.lake, sample, seed))
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
