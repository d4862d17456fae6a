"""What an approval or an issue would do, with counts and totals, before it is done."""

from typing import Any

from meterhouse.cli.app import App
from meterhouse.cli.filters import EVERYTHING, Filter, refuse_unknown
from meterhouse.cli.values import counted, grouped, money_text

Rows = list[dict[str, Any]]


def planned(
    app: App, names: tuple[str, ...], states: tuple[str, ...], chosen: Filter = EVERYTHING
) -> Rows:
    """The drafts in these states, or those of them that are named; an unknown name is refused."""
    from meterhouse.cli.drafts import find, listed
    from meterhouse.cli.reading import derived

    with derived(app.lake) as db:
        refuse_unknown(db, chosen)
        rows = listed(db, None, states, None, chosen)
        wanted = {find(db, name)["id"] for name in names}
    return [row for row in rows if not names or row["id"] in wanted]


def sums_text(rows: Rows) -> str:
    """`3 drafts: 1,234.50 EUR, 10.00 USD` by net, for a question before something is final."""
    sums: dict[str, Any] = {}
    for row in rows:
        sums[row["currency"]] = sums.get(row["currency"], 0) + row["net"]
    listed = ", ".join(
        f"{grouped(money_text(net, currency))} {currency}" for currency, net in sorted(sums.items())
    )
    return counted(len(rows), "draft") + (f" of net {listed}" if listed else "")


def show_planned(app: App, rows: Rows, verb: str) -> None:
    """A dry run: what would be approved or issued, and nothing else."""
    from meterhouse.cli.drafts import with_money_text

    text = f"Dry run, nothing was {verb}: {sums_text(rows)} would be."
    found = with_money_text(rows)

    def render(console: Any) -> None:
        from meterhouse.cli.tables import table

        cells = [
            (r["id"][:8], r["customer"] or r["customer_id"], grouped(r["net"]), r["currency"])
            for r in found
        ]
        if cells:
            console.print(table(["draft", "customer", "net>", "currency"], cells))
        console.print(text)

    app.show({"is_dry": True, "drafts": found}, render)


def show_approved(app: App, approved: list[str], left: dict[str, str]) -> None:
    """What was approved, and what stayed as it was with the reason."""

    def render(console: Any) -> None:
        for draft, why in sorted(left.items()):
            console.print(f"Draft {draft[:8]} was not approved: {why}")
        console.print(f"Approved {len(approved)}. `invoices issue` issues them.")

    app.show({"approved": approved, "left": left}, render)
