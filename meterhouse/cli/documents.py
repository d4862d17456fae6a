"""Documents as files: PDF, HTML, e-invoices, and the usage behind their lines as CSV."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from meterhouse.cli.app import App, Command
from meterhouse.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

    from meterhouse.run.documents import Draft, Rendered

Form = Literal["pdf", "html", "factur-x", "ubl", "cii"]
FOLDER = "documents"
DIFFERENT = 6
HASH_DIGITS = 64
LEFT = "Files that were written stay; the same command writes them again."
TO = click.option(
    "--to",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help=f"Folder to write to.  [default: {FOLDER} in the home]",
)
ANEW = click.option(
    "--anew",
    "is_anew",
    is_flag=True,
    help="Make them again and compare with what is kept, which stays.",
)


@click.command(cls=Command, short_help="Write documents as PDF.")
@click.argument("names", nargs=-1, metavar="NUMBER|DRAFT...")
@click.option("--all", "is_all", is_flag=True, help="Every issued document.")
@click.option("--factur-x", "is_facturx", is_flag=True, help="Carry the e-invoice inside.")
@TO
@ANEW
@click.pass_context
def pdf(
    context: click.Context,
    names: tuple[str, ...],
    is_all: bool,
    is_facturx: bool,
    folder: Path | None,
    is_anew: bool,
) -> None:
    """Write documents as PDF, one file each: DIR/ENTITY/YEAR/NUMBER.pdf.

    Drafts are marked as such. What was made of an issued document once is kept and given again.
    With --factur-x it carries the same invoice for machines (EN 16931). Ends with 1 if one could
    not be printed.
    """
    form: Form = "factur-x" if is_facturx else "pdf"
    _write(context, form, names, is_all, folder, is_anew=is_anew)


@click.command(cls=Command, short_help="Write documents as HTML.")
@click.argument("names", nargs=-1, metavar="NUMBER|DRAFT...")
@click.option("--all", "is_all", is_flag=True, help="Every issued document.")
@TO
@ANEW
@click.pass_context
def html(
    context: click.Context,
    names: tuple[str, ...],
    is_all: bool,
    folder: Path | None,
    is_anew: bool,
) -> None:
    """Write documents as HTML pages that need nothing else: DIR/ENTITY/YEAR/NUMBER.html."""
    _write(context, "html", names, is_all, folder, is_anew=is_anew)


@click.command(cls=Command, short_help="Write documents as e-invoices.")
@click.argument("names", nargs=-1, metavar="NUMBER...")
@click.option("--all", "is_all", is_flag=True, help="Every issued document.")
@click.option(
    "--syntax",
    type=click.Choice(["ubl", "cii"]),
    default="ubl",
    show_default=True,
    help="UBL 2.1 with the profile of Peppol BIS 3, or UN/CEFACT CII.",
)
@TO
@ANEW
@click.pass_context
def xml(
    context: click.Context,
    names: tuple[str, ...],
    is_all: bool,
    syntax: Literal["ubl", "cii"],
    folder: Path | None,
    is_anew: bool,
) -> None:
    """Write documents as e-invoices of EN 16931: DIR/ENTITY/YEAR/NUMBER.xml, or .cii.xml.

    One that lacks what the norm asks for is told with all that it lacks. Ends with 1 then.
    """
    _write(context, syntax, names, is_all, folder, is_anew=is_anew)


@click.command(cls=Command, short_help="Write the events behind a document as CSV.")
@click.argument("number", metavar="NUMBER")
@click.option("--line", type=int, metavar="N", help="Only this line.")
@click.option(
    "--to",
    "file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write to.  [default: stdout]",
)
@click.pass_context
def usage(context: click.Context, number: str, line: int | None, file: Path | None) -> None:
    """One row per line and event that it was measured from, as the document's run knew them.

    Values of count and sum meters add up to the line's quantity before its conversion; what
    others make of them, `meterhouse explain` shows.
    """
    from meterhouse.csv_text import csv_bytes, write_csv
    from meterhouse.run.usage_behind import in_csv, usage_behind

    app = context.find_object(App) or App()
    (known,), _ = _resolved(app, [number], takes_drafts=False)
    found = usage_behind(app.lake, known, line)
    if file is None and not app.as_json:
        click.echo(csv_bytes(in_csv(found)), nl=False)
        return
    payload: dict[str, Any] = {"number": known, "lines": _summed(found)}
    if file is None:
        payload["events"] = found.to_dicts()
    else:
        write_csv(in_csv(found), file)
        payload |= {"path": str(file), "events_written": found.height}
    app.show(payload, lambda console: console.print(f"Wrote {found.height:,} events to {file}."))


def _summed(found: "pl.DataFrame") -> list[dict[str, Any]]:
    import polars as pl

    lines = found.group_by("line_no", "item", "meter", "dimensions", maintain_order=True)
    before = pl.col("is_before").sum().alias("events_before")
    return lines.agg(pl.len().alias("events"), before, pl.col("quantity").sum()).to_dicts()


def _write(
    context: click.Context,
    form: Form,
    names: tuple[str, ...],
    is_all: bool,
    folder: Path | None,
    *,
    is_anew: bool = False,
) -> None:
    from meterhouse.run.documents import Rendered, render, render_drafts

    app = context.find_object(App) or App()
    if bool(names) == is_all:
        raise UsageError("Name the documents to write, or give --all. Nothing was written.")
    target = (folder or app.settings.home / FOLDER).resolve()
    numbers, drafts = (None, []) if is_all else _resolved(app, names)
    found = Rendered()
    with app.working("Writing documents", LEFT) as work:
        if numbers is None or numbers:
            found = render(app.lake, numbers, form, target, tell=work.message, anew=is_anew)
        if drafts:
            more = render_drafts(app.lake, drafts, form, target)
            found = Rendered(found.written + more.written, found.failed + more.failed)
    _show(app, found)
    if found.failed:
        context.exit(1)


def _show(app: App, found: "Rendered") -> None:
    payload = {
        "documents": found.written,
        "failed": found.failed,
        "differing": found.differing,
    }

    def render(console: Any) -> None:
        from meterhouse.cli.tables import clean

        for one in found.written:
            console.print(clean(one.path), soft_wrap=True)

    app.show(payload, render)
    for sentence in found.failed:
        click.echo(sentence, err=True)
    for number in found.differing:
        said = "made anew has other bytes than what was handed out, which is kept"
        click.echo(f"{number} {said}; without --anew you get that.", err=True)


def _resolved(
    app: App, names: Sequence[str], *, takes_drafts: bool = True
) -> tuple[list[str], "list[Draft]"]:
    """Numbers of issued documents and drafts that are named; every unknown name is told at once."""
    from meterhouse.cli.drafts import find
    from meterhouse.cli.reading import derived
    from meterhouse.run.documents import Draft

    numbers: list[str] = []
    drafts: list[Draft] = []
    faults: list[str] = []
    with derived(app.lake) as db:
        for name in names:
            try:
                found = find(db, name)
            except UsageError as error:
                faults.append(str(error))
                continue
            if found["number"] is not None:
                numbers.append(found["number"])
            elif takes_drafts:
                drafts.append(Draft(found["id"], found["content"]))
            else:
                faults.append(f"{name!r} is a draft; only an issued document has fixed usage.")
    if faults:
        raise UsageError("\n".join([*faults, "Nothing was written."]))
    return numbers, drafts


@click.command(cls=Command, short_help="Write all that a total is made of, for the customer.")
@click.argument("number", metavar="NUMBER")
@click.option(
    "--to",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write to.  [default: documents/packs/NUMBER in the home]",
)
@click.option("--check", "is_check", is_flag=True, help="Only check the pack that is in DIR.")
@click.pass_context
def pack(context: click.Context, number: str, folder: Path | None, is_check: bool) -> None:
    """Write the customer's pack of a document: events, line arithmetic, hashes, and a query.

    Whoever has the folder can add the total up again with DuckDB alone. The pack's own query is
    run at the end; ends with 6 if one of its claims does not hold.
    """
    from meterhouse.run.packing import check
    from meterhouse.run.packing import pack as write_pack

    app = context.find_object(App) or App()
    target = (folder or app.settings.home / FOLDER / "packs" / number).resolve()
    with app.working("Checking the pack" if is_check else "Writing the pack", LEFT):
        if is_check:
            made = check(target)
        else:
            (known,), _ = _resolved(app, [number], takes_drafts=False)
            made = write_pack(app.lake, known, target)

    def render(console: Any) -> None:
        from meterhouse.cli.tables import clean, table

        rows = [(one.holds, one.claim, one.stated or "", one.found or "") for one in made.claims]
        texts = [("yes" if row[0] else "NO", *(_short(text) for text in row[1:])) for row in rows]
        console.print(table(["holds", "claim", "stated", "found"], texts))
        console.print(clean(str(made.folder)), soft_wrap=True)

    app.show({"folder": str(made.folder), "holds": made.holds, "claims": made.claims}, render)
    if not made.holds:
        context.exit(DIFFERENT)


def _short(text: str) -> str:
    """Hashes by their beginning."""
    return f"{text[:12]}…" if len(text) == HASH_DIGITS and text.isalnum() else text
