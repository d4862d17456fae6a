"""Meters: what they measure now, what they would measure, how two of them differ."""

import click

from meterhouse.cli import meter_diff, meter_estimate, meter_list
from meterhouse.cli.app import Group


@click.group(cls=Group, short_help="Meters and what they measure.")
def meters() -> None:
    """Meters of the book: estimate a quantity without a run, compare two definitions."""


for command in (
    meter_list.list_meters,
    meter_list.show_meter,
    meter_estimate.estimate,
    meter_diff.diff,
):
    meters.add_command(command)
