"""Empty lists for the book: a CSV file with a column for each key."""

from pathlib import Path

import click

from meterhouse.cli.app import App, Command, Group, pass_app
from meterhouse.errors import UsageError


@click.group(cls=Group, short_help="Files of the book.")
def book() -> None:
    """Files of the folder `book/`."""


@book.command(cls=Command, short_help="Write an empty CSV list.")
@click.argument("name", metavar="LIST")
@click.option(
    "--to",
    "target",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="File to write, `-` for stdout; default: LIST.csv in the book.",
)
@pass_app
def template(app: App, name: str, target: Path | None) -> None:
    """Write an empty CSV list, such as customers or prices, with a column for each key."""
    from meterhouse.catalog.csv_columns import LISTS, columns
    from meterhouse.cli.names import refuse_unknown

    refuse_unknown("List", name, LISTS, "nothing was written")
    header = ",".join(columns(LISTS[name])) + "\r\n"
    if target == Path("-"):
        click.echo(header, nl=False)
        return
    path = target or app.settings.book / f"{name}.csv"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="") as file:
            file.write(header)
    except FileExistsError:
        raise UsageError(
            f"{path} is there already and was not touched. Name another file with --to; a list may "
            f"have several, such as {name}-2.csv."
        ) from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error}). Name another with --to.") from error
    count = len(columns(LISTS[name]))
    payload = {"file": str(path), "columns": list(columns(LISTS[name]))}
    app.show(payload, lambda console: console.print(f"{path}: {count} columns, no rows"))
    app.tell("Leave out columns you do not need; `meterhouse plan` checks what you fill in.")
