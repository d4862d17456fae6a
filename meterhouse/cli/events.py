"""Single usage events: look at them, correct them, take them back."""

import click

from meterhouse.cli import event_corrections, event_list
from meterhouse.cli.app import Group


@click.group(cls=Group, short_help="Usage events, one by one.")
def events() -> None:
    """Usage events: see them, amend or void single ones, replace the day of a source."""


for command in (
    event_list.list_events,
    event_list.show_event,
    event_corrections.amend,
    event_corrections.void,
    event_corrections.replace_day,
):
    events.add_command(command)
