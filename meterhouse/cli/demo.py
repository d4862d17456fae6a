"""Bill a small example company, from files to issued invoices."""

import shutil
from pathlib import Path

import click

from meterhouse.cli.app import App, Command, pass_app
from meterhouse.errors import UsageError

MARK = ".meterhouse-demo"


@click.command(cls=Command, short_help="Bill an example company.")
@click.option("--fresh", is_flag=True, help="Delete an earlier demo in the folder first.")
@click.option(
    "--customers", default=200, show_default=True, help="Number of customers, 30 or more."
)
@pass_app
def demo(app: App, fresh: bool, customers: int) -> None:
    """Make a home with an example company and bill three months of its usage."""
    home = app.folder()
    if fresh:
        _clear(home)
    with app.working("Making the example company", "Begin again with --fresh.") as work:
        from meterhouse.cli.demo_report import payload, render
        from meterhouse.demo.tour import tour

        found = tour(home, work.stage, customers=customers, mark=MARK)
    app.show(payload(found), lambda console: render(found, console))


def _clear(home: Path) -> None:
    """Delete an earlier demo, and nothing that is not one."""
    if not home.exists() or not any(home.iterdir()):
        return
    if not (home / MARK).is_file():
        raise UsageError(
            f"Folder {home} was not made by the demo; nothing was deleted. Name another folder."
        )
    shutil.rmtree(home)
