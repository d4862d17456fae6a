"""Bill a small example company, from files to issued invoices."""

import click

from meterhouse.cli.app import App, Command, pass_app


@click.command(cls=Command, short_help="Bill an example company.")
@pass_app
def demo(app: App) -> None:
    """Make a home with an example company and bill three months of its usage."""
    from meterhouse import demo as example

    example.run(app.folder(), app.progress)
