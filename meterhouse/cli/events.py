"""Single usage events: look at them, correct them, take them back."""

import click

from meterhouse.cli.app import Group


@click.group(cls=Group, short_help="Usage events, one by one.")
def events() -> None:
    """Usage events: see them, amend or void single ones, replace the day of a source."""
