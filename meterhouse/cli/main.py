"""The command line `meterhouse`: options, commands, and what becomes of an error."""

import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from meterhouse.cli import (
    balance,
    billing,
    book,
    checks,
    commitments,
    completion,
    conflicts,
    demo,
    doctor,
    events,
    expectations,
    explaining,
    export,
    history,
    home,
    invoices,
    meters,
    parallel,
    pilot,
    plans,
    quarantine,
    rates,
    rebill,
    renewals,
    sql,
    tax,
    templates,
    ui,
    usage,
    verify,
    whatif,
)
from meterhouse.cli.app import App, Group
from meterhouse.cli.faults import fault_of, print_fault


class Root(Group):
    """The outermost group: every exception ends in a sentence and an exit code."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run; in standalone mode the process ends with the exit code."""
        given = list(sys.argv[1:] if args is None else args)
        if not standalone_mode:
            return super().main(given, prog_name, complete_var, standalone_mode=False, **extra)
        try:
            code = super().main(given, prog_name, complete_var, standalone_mode=False, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            sys.exit(2)
        except (Exception, KeyboardInterrupt) as error:
            if "--debug" in given:
                traceback.print_exc()
            fault = fault_of(error)
            print_fault(fault, as_json="--json" in given)
            sys.exit(fault.exit_code)
        sys.exit(code if isinstance(code, int) else 0)


@click.group(
    cls=Root, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.option(
    "--home",
    "folder",
    metavar="DIR",
    envvar="METERHOUSE_HOME",
    show_envvar=True,
    type=click.Path(path_type=Path),
    help="Folder of settings, book and data.  [default: this folder]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.option("--quiet", "-q", is_flag=True, help="No messages and no progress.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="meterhouse")
@click.pass_context
def cli(
    context: click.Context, folder: Path | None, as_json: bool, quiet: bool, debug: bool
) -> None:
    """Metering and billing: usage in, invoices and entries out, everything a table.

    \b
    A first month:
      meterhouse --home acme init --example azure
      meterhouse --home acme apply --yes
      meterhouse --home acme ingest usage.csv --source azure
      meterhouse --home acme run --through 2023-12-01
      meterhouse --home acme invoices list
    """
    context.obj = App(folder, as_json, quiet, debug)


for command in (
    home.init,
    doctor.doctor,
    book.plan,
    book.apply,
    usage.ingest,
    billing.run,
    billing.close,
    invoices.invoices,
    explaining.explain,
    explaining.rebuild,
    export.export,
    history.history,
    parallel.parallel,
    pilot.pilot,
    sql.sql,
    quarantine.quarantine,
    conflicts.conflicts,
    events.events,
    meters.meters,
    plans.plans,
    rebill.rebill,
    balance.balance,
    renewals.renewals,
    tax.tax,
    rates.rates,
    commitments.commitments,
    whatif.whatif,
    templates.book,
    checks.checks,
    expectations.expectations,
    verify.verify,
    demo.demo,
    ui.ui,
    completion.completion,
):
    cli.add_command(command)


def main() -> None:
    """The entry point of the installed command."""
    cli(prog_name="meterhouse")
