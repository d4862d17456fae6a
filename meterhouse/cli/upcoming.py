"""What the next invoice of a customer would be, as a person reads it, as JSON or as a page."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meterhouse.cli.app import App, Command, pass_app
from meterhouse.cli.options import DAY
from meterhouse.errors import UsageError

if TYPE_CHECKING:
    from meterhouse.run.documents import Form
    from meterhouse.run.upcoming import Upcoming

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(cls=Command, short_help="Preview the next invoice of a customer.")
@click.argument("customer", metavar="CUSTOMER")
@click.option("--on", type=DAY, help="Usage counts to the end of this day.  [default: today, UTC]")
@click.option("--html", type=FILE, metavar="FILE", help="Write it as an HTML page.")
@click.option("--pdf", type=FILE, metavar="FILE", help="Write it as PDF.")
@pass_app
def upcoming(app: App, customer: str, on: date | None, html: Path | None, pdf: Path | None) -> None:
    """What the next invoice of CUSTOMER would be: usage to the end of a day, and the fees that
    the next boundary makes due.

    Made by the steps of a run in a copy of its own: nothing is recorded, nothing that people read
    is touched, and it has no number. Files that only landed do not count.
    """
    with app.working("Looking at the customer", "Nothing was written.") as work:
        from meterhouse.run.upcoming import upcoming as preview

        found = preview(app.lake, customer, on, work.stage)
        written = _written(app, found, {"html": html, "pdf": pdf})
    app.show(_payload(found, written), lambda console: _render(console, found, written))
    for sentence in found.warnings:
        app.tell(f"Warning: {sentence}")


def _written(app: App, found: "Upcoming", files: dict[str, Path | None]) -> list[str]:
    from meterhouse.run.upcoming_page import page

    forms: tuple[Form, ...] = ("html", "pdf")
    asked = {form: file for form in forms if (file := files[form]) is not None}
    if not asked or not found.documents:
        return []
    if len(found.documents) > 1:
        raise UsageError(
            f"{found.customer_id} would get {len(found.documents)} documents on "
            f"{found.boundary_on}, which no single file holds; --json has all of them. "
            "Nothing was written."
        )
    ((draft_id, content),) = found.documents.items()
    for form, file in asked.items():
        file.write_bytes(page(app.lake, draft_id, content, form))
    return [str(file) for file in asked.values()]


def _payload(found: "Upcoming", written: list[str]) -> dict[str, Any]:
    return {
        "customer": found.customer_id,
        "on": found.on,
        "boundary_on": found.boundary_on,
        "known_at": found.known_at,
        "documents": list(found.documents.values()),
        "open_drafts": found.open_drafts,
        "sentence": found.sentence,
        "warnings": found.warnings,
        "written": written,
    }


def _render(console: Any, found: "Upcoming", written: list[str]) -> None:
    from meterhouse.cli.paper import print_document
    from meterhouse.cli.tables import clean

    for content in found.documents.values():
        print_document(console, "(preview, not issued)", content)
    console.print(clean(found.sentence))
    if found.open_drafts:
        said = "documents that were due before are not issued; `meterhouse run` drafts them."
        console.print(f"{found.open_drafts:,} {said}")
    for path in written:
        console.print(clean(path), soft_wrap=True)
