"""The parallel run: import what the old system billed, map its names, compare, report."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meterhouse.cli.app import App, Group, pass_app
from meterhouse.cli.values import counted, grouped, money_text

if TYPE_CHECKING:
    from rich.console import Console

    from meterhouse.run.parallel_compare import MonthCompared
    from meterhouse.run.parallel_import import Imported

UNEXPLAINED = 4
FILE = click.Path(path_type=Path)


@click.group(cls=Group)
def parallel() -> None:
    """The old billing system beside this one, until every difference is explained."""


@parallel.command("import")
@click.argument("file", type=FILE)
@click.option("--map", "mapping", type=FILE, help="Mapping file (YAML) of the columns.")
@click.option("--layout", help="Layout of an export: stripe, chargebee or zoho_books.")
@click.option("--dry-run", is_flag=True, help="Read everything, show it and import nothing.")
@click.pass_context
def import_file(
    context: click.Context, file: Path, mapping: Path | None, layout: str | None, dry_run: bool
) -> None:
    """Import invoices and credit notes of the old system, to compare with.

    Nothing of them is billed. A document with a fault is kept out with its reason, and the command
    ends with code 4; the same file again changes nothing; of each number the newest import counts.
    """
    from meterhouse.run.parallel_import import find_mapping, import_legacy

    app = context.find_object(App) or App()
    how = find_mapping(layout, mapping)
    with app.working("Reading the file", "The file is imported whole, or not at all."):
        found = import_legacy(app.lake, file, how, dry=dry_run)
    _show_import(app, found, is_dry=dry_run)
    if found.faults:
        context.exit(UNEXPLAINED)


@parallel.command("map")
@click.option("--customers", type=FILE, help="CSV with the columns legacy and ours.")
@click.option("--products", type=FILE, help="CSV: old product to an item, a product or item/part.")
@click.option("--accounts", type=FILE, help="CSV: account of the old journal to ours.")
@pass_app
def map_names(
    app: App, customers: Path | None, products: Path | None, accounts: Path | None
) -> None:
    """Record maps of old names to ours, each whole; without a file, list what is not mapped."""
    from meterhouse.run.parallel_map import read_map, record_maps, unmapped_names

    given = {"customers": customers, "products": products, "accounts": accounts}
    maps = {kind: read_map(path) for kind, path in given.items() if path is not None}
    batch = record_maps(app.lake, maps) if maps else None
    left = unmapped_names(app.lake)
    payload = {
        "recorded": {kind: len(one) for kind, one in maps.items()},
        "batch_seq": batch,
        "unmapped": left,
    }
    app.show(payload, lambda console: _render_map(console, payload))


@parallel.command()
@click.option("--period", required=True, metavar="MONTH", help="Month of service, like 2025-01.")
@click.option("--customer", "customers", multiple=True, help="Compare this customer; repeatable.")
@click.option("--cohort", default=None, help="Name of the customers that are compared together.")
@click.option("--record", "is_recorded", is_flag=True, help="Keep the result as facts.")
@click.pass_context
def compare(
    context: click.Context,
    period: str,
    customers: tuple[str, ...],
    cohort: str | None,
    is_recorded: bool,
) -> None:
    """Compare a month: issued documents and the drafts of the last run with the old ones.

    Every variance has one cause; causes add up to the difference, or nothing is shown. Ends with
    code 4 while anything is unexplained.
    """
    from meterhouse.run.parallel_compare import record_comparison

    app = context.find_object(App) or App()
    found = _compared(app, period, customers, cohort)
    batch = record_comparison(app.lake, found) if is_recorded else None
    payload = _payload(found) | ({"batch_seq": batch} if is_recorded else {})
    app.show(payload, lambda console: _render(console, payload))
    if not found.is_explained:
        context.exit(UNEXPLAINED)


@parallel.command()
@click.option("--period", required=True, metavar="MONTH", help="Month of service, like 2025-01.")
@click.option("--customer", "customers", multiple=True, help="Compare this customer; repeatable.")
@click.option("--cohort", default=None, help="Name of the customers that are compared together.")
@click.option("--html", type=FILE, help="Write the report as a page.")
@click.option("--xlsx", type=FILE, help="Write the report as a workbook.")
@click.pass_context
def report(
    context: click.Context,
    period: str,
    customers: tuple[str, ...],
    cohort: str | None,
    html: Path | None,
    xlsx: Path | None,
) -> None:
    """Write the comparison of a month as a page and as a workbook; codes as of compare."""
    from meterhouse.errors import UsageError
    from meterhouse.parallel.page import page
    from meterhouse.parallel.report import report as reported
    from meterhouse.parallel.workbook import write_workbook

    app = context.find_object(App) or App()
    if html is None and xlsx is None:
        raise UsageError("Give --html or --xlsx with the file to write; nothing was written.")
    found = _compared(app, period, customers, cohort)
    if html is not None:
        told = reported(
            found.result,
            period=found.period,
            cohort=found.cohort,
            documents=found.documents,
            kept_out=found.kept_out,
            report_hash=found.report_hash,
        )
        html.write_bytes(page(told))
    if xlsx is not None:
        write_workbook(found.result, found.kept_out, found.period, xlsx)
    written = [str(path) for path in (html, xlsx) if path is not None]
    payload = {"written": written, **_payload(found)}
    app.show(payload, lambda console: console.print(f"Wrote {' and '.join(written)}."))
    if not found.is_explained:
        context.exit(UNEXPLAINED)


@parallel.command("sign-off")
@click.option("--period", required=True, metavar="MONTH", help="Month of service, like 2025-01.")
@click.option("--cohort", default="all", help="Name of the customers that were compared together.")
@click.option("--reason", required=True, help="Why it may go live; stays on record.")
@click.option("--tolerance", default="0", metavar="AMOUNT", help="Unexplained per customer.")
@pass_app
def sign_off(app: App, period: str, cohort: str, reason: str, tolerance: str) -> None:
    """Accept the recorded comparison of a month: the sign-off of a person, by name and date.

    Refused where something is unexplained or kept out, or the comparison came out otherwise since.
    An entity with `go_live_months` issues for a customer when as many months are signed off.
    """
    from decimal import Decimal, InvalidOperation

    from meterhouse.errors import UsageError
    from meterhouse.run import parallel_signing

    try:
        most = Decimal(tolerance)
    except InvalidOperation:
        most = Decimal("NaN")
    if not most.is_finite() or most < 0:
        raise UsageError(
            f"--tolerance {tolerance!r} is no decimal of zero or more; nothing was signed off."
        )
    with app.working("Comparing again", "Nothing is changed by a comparison."):
        batch = parallel_signing.sign_off(app.lake, period, cohort, reason, most)
    payload = {"period": period, "cohort": cohort, "batch_seq": batch}
    app.show(payload, lambda console: console.print(f"Signed off as batch {batch}."))


@parallel.command()
@click.argument("file", type=FILE)
@click.option("--period", required=True, metavar="MONTH", help="Month of posting, like 2025-01.")
@click.pass_context
def journals(context: click.Context, file: Path, period: str) -> None:
    """Compare a journal of the old system with ours, by account, customer and currency.

    The CSV has date, account, customer, currency, debit and credit. Ends with code 4 where an
    account differs.
    """
    from meterhouse.run.parallel_journals import compare_journals

    app = context.find_object(App) or App()
    found = compare_journals(app.lake, file, period)
    rows = [_money_row(one, ("old", "new", "difference")) for one in found.cells.to_dicts()]
    payload = {"is_equal": found.is_equal, "cells": rows, "faults": found.faults}
    app.show(payload, lambda console: _render_journals(console, payload))
    if not found.is_equal:
        context.exit(UNEXPLAINED)


def _compared(
    app: App, period: str, customers: tuple[str, ...], cohort: str | None
) -> "MonthCompared":
    from meterhouse.run.parallel_compare import EVERYBODY, compare_month

    name = cohort or (",".join(customers) if customers else EVERYBODY)
    with app.working("Comparing", "Nothing is changed by a comparison."):
        return compare_month(app.lake, period, name, customers)


def _money_row(row: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    texts = {name: money_text(row[name], row["currency"]) for name in names if name in row}
    return {**row, **texts}


def _payload(found: "MonthCompared") -> dict[str, Any]:
    from meterhouse.parallel.report import by_cause, totals

    money = ("old", "new", "difference", "unexplained", "net", "tax", "amount")
    variances = found.result.variances.to_dicts()
    amounts = (*money, "old_amount", "new_amount", "old_tax", "new_tax")
    return {
        "period": found.period,
        "cohort": found.cohort,
        "is_explained": found.is_explained,
        "report_hash": found.report_hash,
        "documents": found.documents,
        "pairs": found.result.pairs,
        "totals": [_money_row(one, money) for one in totals(found.result)],
        "causes": [_money_row(one, money) for one in by_cause(found.result.variances)],
        "customers": [
            _money_row({n: v for n, v in one.items() if not n.startswith("of_")}, money)
            for one in found.result.cells.to_dicts()
        ],
        "variances": [_money_row(one, amounts) for one in variances],
        "kept_out": found.kept_out.to_dicts(),
    }


def _render(console: "Console", told: dict[str, Any]) -> None:
    from meterhouse.cli.tables import table

    causes = [
        (one["cause"], f"{one['count']:,}", grouped(one["amount"]), one["currency"], one["meaning"])
        for one in told["causes"]
    ]
    if causes:
        console.print(table(["cause", "variances>", "amount>", "", "meaning"], causes))
    for one in told["totals"]:
        console.print(
            f"{one['currency']}: old {grouped(one['old'])}, new {grouped(one['new'])}, difference "
            f"{grouped(one['difference'])}; causes add up to it."
        )
    names = [(one["number"], one["customer"], one["fault"]) for one in told["kept_out"]]
    if names:
        console.print(table(["kept out", "customer", "fault"], names))
    if told["is_explained"]:
        console.print("Every difference is explained.")
    else:
        count = sum(one["count"] for one in told["causes"] if one["cause"] == "other")
        console.print(
            f"{counted(count, 'variance')} without a cause and "
            f"{counted(len(names), 'document')} kept out. `meterhouse parallel map` lists names."
        )


def _show_import(app: App, found: "Imported", *, is_dry: bool) -> None:
    payload = {
        "is_dry": is_dry,
        "import_id": found.import_id,
        "system": found.system,
        "batch_seq": found.batch_seq,
        "is_known": found.is_known,
        "skipped": found.skipped,
        "totals": [_money_row(one, ("net", "tax")) for one in found.totals],
        "faults": list(found.faults),
    }
    app.show(payload, lambda console: _render_import(console, payload))


def _render_import(console: "Console", told: dict[str, Any]) -> None:
    from meterhouse.cli.tables import table

    if told["is_known"]:
        console.print(
            f"This file was imported before, in batch {told['batch_seq']}; nothing was changed."
        )
        return
    rows = [
        (one["currency"], f"{one['documents']:,}", f"{one['lines']:,}", grouped(one["net"]),
         grouped(one["tax"]))
        for one in told["totals"]
    ]  # fmt: skip
    console.print(table(["", "documents>", "lines>", "net>", "tax>"], rows))
    if told["skipped"]:
        console.print(f"{counted(told['skipped'], 'row')} skipped, as the mapping says.")
    if told["faults"]:
        shown = told["faults"][:100]
        lines = [(one["source_line"], one["number"], one["fault"]) for one in shown]
        console.print(table(["line>", "document", "kept out because"], lines))
        rest = len(told["faults"]) - len(shown)
        if rest:
            console.print(f"and {rest:,} more lines; --json lists all.")
    console.print("Dry run, nothing was imported." if told["is_dry"] else "Imported.")


def _render_map(console: "Console", told: dict[str, Any]) -> None:
    from meterhouse.cli.tables import table

    for kind, count in told["recorded"].items():
        console.print(f"Recorded {count:,} {kind}.")
    if not told["unmapped"]:
        console.print("Every name of the old system is mapped.")
        return
    rows = [
        (one["what"], one["legacy"], f"{one['lines']:,}", one["nearest"])
        for one in told["unmapped"]
    ]
    console.print(table(["not mapped", "name", "lines>", "near"], rows))


def _render_journals(console: "Console", told: dict[str, Any]) -> None:
    from meterhouse.cli.tables import table

    rows = [
        (one["account"], one["customer_id"] or "", grouped(one["old"]), grouped(one["new"]),
         grouped(one["difference"]), one["currency"])
        for one in told["cells"]
    ]  # fmt: skip
    console.print(table(["account", "customer", "old>", "new>", "difference>", ""], rows))
    if told["faults"]:
        lines = [(one["source_line"], one["fault"]) for one in told["faults"]]
        console.print(table(["line>", "fault"], lines))
    console.print("Both journals agree." if told["is_equal"] else "The journals differ.")
