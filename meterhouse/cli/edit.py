"""Changing drafts: lines, what is added to them, notes, references and due dates."""

from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import click

from meterhouse.cli.app import App, Command, pass_app
from meterhouse.cli.options import DAY, DRAFT
from meterhouse.cli.values import grouped, money_text
from meterhouse.errors import UsageError

if TYPE_CHECKING:
    import duckdb

    from meterhouse.run.editing import Ask, Edited

NOTHING = "Nothing was changed."


@click.command(cls=Command, short_help="Change a draft.")
@click.argument("draft", required=False, metavar="[DRAFT]", type=DRAFT)
@click.option("--line", metavar="N|KEY", help="The line to change, by number or key.")
@click.option("--amount", metavar="AMOUNT", help="What the line comes to.")
@click.option("--discount", metavar="AMOUNT|N%", help="What is taken off the line.")
@click.option("--quantity", metavar="N", help="Price the line for another quantity.")
@click.option("--remove-line", is_flag=True, help="Waive the line: it comes to nothing.")
@click.option("--add-line", metavar="AMOUNT", help="Add a line; needs --description.")
@click.option("--description", metavar="TEXT", help="Of the line, or of what changes its amount.")
@click.option("--note", metavar="TEXT", help="Printed on the document.")
@click.option("--po", metavar="TEXT", help="The buyer's purchase order.")
@click.option("--due-on", type=DAY, help="Another due date.")
@click.option("--withdraw", metavar="EDIT", help="Take an edit back, by 8 digits of its id.")
@click.option("--move", metavar="EDIT", help="Put an edit on --line of DRAFT instead.")
@click.option("--reason", required=True, help="Why; stays on record.")
@click.option("--dry-run", is_flag=True, help="Show the draft as it would be; record nothing.")
@pass_app
def edit(app: App, /, draft: str | None, reason: str, dry_run: bool, **given: Any) -> None:
    """Change a draft: each change is recorded, and applied by every run until it is issued.

    What changes an amount becomes a line of its own beside the line. An edit whose line is gone
    blocks its draft until it is withdrawn or moved. Approvals of the draft as it was end.
    """
    from meterhouse.run.editing import edit as edit_draft
    from meterhouse.run.editing import withdraw

    if given["withdraw"] is not None:
        _alone(draft, given)
        done = withdraw(app.lake, given["withdraw"], reason)
        said = f"Edit {done[:8]} is withdrawn; the next run drafts without it."
        app.show({"withdrawn": done}, lambda console: console.print(said))
        return
    if draft is None:
        raise UsageError(f"Name the draft, or give --withdraw. {NOTHING}")
    asked = _asked(given)
    found = edit_draft(app.lake, draft, asked, reason, dry=dry_run, replaces=given["move"])
    _show(app, found, is_dry=dry_run)


def _alone(draft: str | None, given: dict[str, Any]) -> None:
    others = [name for name, value in given.items() if value and name != "withdraw"]
    if draft is not None or others:
        raise UsageError(f"--withdraw goes with --reason alone. {NOTHING}")


def _asked(given: dict[str, Any]) -> "list[Ask]":
    from meterhouse.run.editing import Ask

    line, text = given["line"], given["description"]
    if given["move"] is not None:
        if (
            line is None
            or any(_money(given).values())
            or given["add_line"]
            or text
            or _header(given)
        ):
            raise UsageError(f"--move goes with --line, which is where it goes. {NOTHING}")
        return [Ask("", line=line)]
    chosen = {op: value for op, value in _money(given).items() if value}
    if len(chosen) > 1 or (chosen and given["add_line"]):
        raise UsageError(
            "Give one of --amount, --discount, --quantity, --remove-line and --add-line. " + NOTHING
        )
    if (chosen or (text and not given["add_line"])) and line is None:
        raise UsageError(f"Say which --line. {NOTHING}")
    asked = [_of_line(op, value, line, text) for op, value in chosen.items()]
    if given["add_line"]:
        asked.append(Ask("add", given["add_line"], None, text))
    elif text and not chosen:
        asked.append(Ask("description", None, line, text))
    asked += _header(given)
    if not asked:
        raise UsageError(f"Say what to change; --help lists it. {NOTHING}")
    return asked


def _money(given: dict[str, Any]) -> dict[str, Any]:
    return {
        "amount": given["amount"],
        "discount": given["discount"],
        "quantity": given["quantity"],
        "waive": given["remove_line"],
    }


def _of_line(op: str, value: Any, line: str, text: str | None) -> "Ask":
    from meterhouse.run.editing import Ask

    if op == "waive":
        return Ask(op, None, line, text)
    if op == "discount" and value.endswith("%"):
        return Ask("percent", _share(value), line, text)
    return Ask(op, value, line, text)


def _share(text: str) -> str:
    try:
        return format(Decimal(text.removesuffix("%")).scaleb(-2), "f")
    except InvalidOperation:
        raise UsageError(f"{text!r} is not a discount such as 10%. {NOTHING}") from None


def _header(given: dict[str, Any]) -> "list[Ask]":
    from meterhouse.run.editing import Ask

    due: date | None = given["due_on"]
    told = {"note": given["note"], "purchase_order": given["po"]}
    told["due_on"] = None if due is None else due.isoformat()
    return [Ask(op, value) for op, value in told.items() if value is not None]


def _show(app: App, found: "Edited", *, is_dry: bool) -> None:
    def money(amount: Decimal) -> str:
        return money_text(amount, found.currency)

    lines = [{**line, "amount": money(line["amount"])} for line in found.lines]
    payload = {
        "is_dry": is_dry,
        "draft_id": found.draft_id,
        "edits": list(found.edits),
        "currency": found.currency,
        "net": money(found.net),
        "net_after": money(found.net_after),
        "lines": lines,
    }
    done = "Dry run, nothing was recorded. Draft" if is_dry else "Recorded. Draft"
    after = "" if is_dry else " The next run applies it: `meterhouse run --through DATE`."
    said = (
        f"{done} {found.draft_id[:8]}: net {grouped(money(found.net))} becomes "
        f"{grouped(money(found.net_after))} {found.currency}.{after}"
    )

    def render(console: Any) -> None:
        from meterhouse.cli.tables import clean, table

        rows = [(line["item_description"], line["role"], grouped(line["amount"])) for line in lines]
        console.print(table(["line", "role", "net>"], rows))
        console.print(clean(said))

    app.show(payload, render)


@click.command(cls=Command, short_help="List the edits of drafts.")
@click.argument("draft", required=False, metavar="[DRAFT]", type=DRAFT)
@pass_app
def edits(app: App, draft: str | None) -> None:
    """Every edit of a draft, or of all: what, who, why, and whether it is new, applied, orphaned,
    replaced, issued or withdrawn."""
    from meterhouse.cli.reading import derived, has_drafts
    from meterhouse.run.edits import listed

    with derived(app.lake) as db:
        found = listed(db) if has_drafts(db) else []
    if draft is not None:
        found = [one for one in found if str(one["draft_id"]).startswith(draft)]
    app.show({"edits": found}, lambda console: print_edits(console, found))


def edits_of(db: "duckdb.DuckDBPyConnection", draft_id: str) -> list[dict[str, Any]]:
    """The edits of one draft, also once it is issued."""
    from meterhouse.cli.reading import has_drafts
    from meterhouse.run.edits import listed

    return listed(db, draft_id) if has_drafts(db) else []


def print_edits(console: Any, found: list[dict[str, Any]]) -> None:
    """A table of edits; nothing where there are none."""
    from meterhouse.cli.tables import table

    if not found:
        console.print("Nobody edited a draft.")
        return
    rows = [
        (one["edit_id"][:8], one["state"], one["draft_id"][:8], one["op"].replace("_", " "),
         " ".join(str(one[n]) for n in ("what", "value", "text") if one[n]), one["actor"],
         one["reason"])
        for one in found
    ]  # fmt: skip
    console.print(
        table(["edit", "state", "draft", "change", "of what, to what", "who", "why"], rows)
    )
