"""Bill a small example company, from files to issued invoices."""

import click

from meterhouse.cli.app import App, Command, pass_app


@click.command(cls=Command)
@click.option("--customers", hidden=True, type=int, help="For tests.")
@pass_app
def demo(app: App, customers: int | None) -> None:
    """Make a home with an example company and bill three months of its usage."""
    from meterhouse import demo as example

    del customers
    example.run(app.folder(), app.progress)
