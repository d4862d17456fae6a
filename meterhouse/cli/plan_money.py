"""The money side of `plan`: customers, windows and documents that a change would cause."""

from typing import TYPE_CHECKING, Any

from meterhouse.cli.values import counted, grouped, money_text

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Console

    from meterhouse.run.previewing import Preview

SHOWN = 50
AMOUNTS = ("amount_old", "amount_new", "amount_difference")
MONEY = (*AMOUNTS, "amount", "net", "tax", "total", "debit", "credit")
HEAD = ("document_id", "kind", "customer_id", "payer_id", "contract_id", "currency", "invoice_date")
LINE = ("contract_id", "item_id", "role", "window_start_on", "window_end_on", "currency", "amount")
NOTHING = "There is no run yet, so there is nothing to compare the money of this change with."


def rows_of(frame: "pl.DataFrame") -> list[dict[str, Any]]:
    """The rows with money as text in the places of its currency."""
    return [
        {
            name: money_text(value, row["currency"])
            if name in MONEY and value is not None
            else value
            for name, value in row.items()
        }
        for row in frame.to_dicts()
    ]


def payload(found: "Preview") -> dict[str, Any]:
    """All of the preview, with lines and entries under their document."""
    lines = _by_document(found.lines.select("document_id", *LINE))
    legs = _by_document(found.entries)
    documents = found.documents.select(
        *(name for name in HEAD if name in found.documents.columns), "net", "tax", "total"
    )
    return {
        "through": found.through,
        "customers": rows_of(found.customers),
        "windows": rows_of(found.windows),
        "documents": [
            {**one, "lines": lines.get(one["document_id"], []),
             "entries": legs.get(one["document_id"], [])}
            for one in rows_of(documents)
        ],
        "warnings": found.warnings,
    }  # fmt: skip


def _by_document(frame: "pl.DataFrame") -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows_of(frame):
        found.setdefault(row.pop("document_id"), []).append(row)
    return found


def render(console: "Console", money: dict[str, Any]) -> None:
    """Tables of customers, windows, documents and entries."""
    from meterhouse.cli.tables import table

    issued = len({one["window_id"] for one in money["windows"] if one["is_issued"]})
    changed = len({one["window_id"] for one in money["windows"]})
    console.print(
        f"Through {money['through']}: {counted(changed, 'window')} would change, {issued} of them "
        f"billed already; {counted(len(money['documents']), 'document')} would come of it."
    )
    for title, columns, rows in _tables(money):
        if rows:
            console.print(table(columns, rows[:SHOWN], title=title))
        if len(rows) > SHOWN:
            console.print(f"{len(rows) - SHOWN:,} more; --json has them all.")


def markdown(money: dict[str, Any] | None) -> str:
    """The invoice impact as Markdown, for a comment on a pull request."""
    if money is None:
        return f"### Invoice impact\n\n{NOTHING}\n"
    parts = [f"### Invoice impact through {money['through']}\n"]
    for title, columns, rows in _tables(money)[:2]:
        parts.append(f"**{title}**\n")
        parts.append(_grid(columns, rows) if rows else "None.\n")
    return "\n".join(parts)


def _grid(columns: list[str], rows: list[list[Any]]) -> str:
    rule = ["---:" if name.endswith(">") else "---" for name in columns]
    lines = [[name.rstrip(">") for name in columns], rule, *rows[:SHOWN]]
    more = f"\n{len(rows) - SHOWN:,} more.\n" if len(rows) > SHOWN else ""
    return "".join(f"| {' | '.join(_cell(one) for one in line)} |\n" for line in lines) + more


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def _tables(money: dict[str, Any]) -> list[tuple[str, list[str], list[list[Any]]]]:
    customers = [
        [one["customer_id"], one["currency"], *(grouped(one[name]) for name in AMOUNTS),
         one["windows"]]
        for one in money["customers"]
    ]  # fmt: skip
    documents = [
        [one["customer_id"], one["kind"], one["currency"],
         *(grouped(one[name] or "-") for name in ("net", "tax", "total")), len(one["lines"])]
        for one in money["documents"]
    ]  # fmt: skip
    windows = [
        [one["customer_id"], f"{one['contract_id']}/{one['item_id']}", one["component"],
         one["window_start_on"], one["window_end_on"], *(grouped(one[name]) for name in AMOUNTS),
         one["currency"], "yes" if one["is_issued"] else "no"]
        for one in money["windows"]
    ]  # fmt: skip
    entries = [
        [one["document_id"][:8], leg["account"], grouped(leg["debit"]), grouped(leg["credit"]),
         leg["currency"]]
        for one in money["documents"] for leg in one["entries"]
    ]  # fmt: skip
    ends = ["old>", "new>", "difference>"]
    return [
        ("Customers", ["customer", "currency", *ends, "windows>"], customers),
        ("Documents", ["customer", "kind", "currency", "net>", "tax>", "total>", "lines>"],
         documents),
        ("Windows", ["customer", "item", "component", "from", "to", *ends, "currency", "billed"],
         windows),
        ("Entries", ["document", "account", "debit>", "credit>", "currency"], entries),
    ]  # fmt: skip
