"""Two definitions of a meter against each other, before anything is changed."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meterhouse.cli.app import App, Command, pass_app
from meterhouse.cli.options import DAY
from meterhouse.errors import UsageError

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Console

SHOWN = 50
WIDTH = 40  # characters of the longest bar
WINDOW = ("customer_id", "contract_id", "item_id", "window_start_on", "window_end_on")
BY: dict[str, tuple[str, ...]] = {
    "customer": ("customer_id",),
    "window": (*WINDOW, "billed", "documents"),
    "dimension": ("dimensions",),
}


@click.command("diff", cls=Command, short_help="Quantity and money under two definitions.")
@click.argument("a", metavar="A")
@click.argument("b", metavar="B", required=False)
@click.option("--from", "first", type=DAY, metavar="DATE", help="Windows that end after this day.")
@click.option("--to", "until", type=DAY, metavar="DATE", help="Windows that begin before this day.")
@click.option("--customer", metavar="ID", help="Only this customer: id, external id or alias.")
@click.option(
    "--book",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="B as this folder has it, applied or not; default of B is then A.",
)
@click.option("--by", type=click.Choice([*BY]), default="customer", help="One row for each.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead of tables.")
@pass_app
def diff(app: App, /, a: str, b: str | None, by: str, as_csv: bool, **given: Any) -> None:
    """What every charge window of A would be under B: quantity, and money at the items' prices.

    A and B are meters, or versions of one: `tokens tokens@2`. Only what differs is shown, the
    largest difference first. Nothing is recorded.
    """
    from meterhouse.run.meter_differences import Compared, differences

    if as_csv and app.as_json:
        raise UsageError("Give one of --json and --csv. Nothing was compared.")
    if b is None and given["book"] is None:
        raise UsageError(
            "With what? Give a second meter or version, such as `tokens@2`, or --book with the "
            "folder that changes it. Nothing was compared."
        )
    other = a.partition("@")[0] if b is None else b
    with app.working("Measuring every window twice", "Nothing was changed."):
        found = differences(app.lake, Compared(a, other, **given))
    rows = grouped_by(found.lines, by)
    if as_csv:
        click.echo(_csv(rows), nl=False)
    else:
        payload = _payload(found, a, other, rows)
        app.show(payload, lambda console: _render(console, payload, by))
    for warning in found.warnings:
        app.tell(warning)


def grouped_by(lines: "pl.DataFrame", by: str) -> "pl.DataFrame":
    """The differences of each customer, window or combination of dimensions, the largest first."""
    import polars as pl

    sums = [
        pl.col(f"{name}_{end}").sum()
        for name in ("quantity", "amount")
        for end in ("a", "b", "difference")
    ]
    billed = [] if by == "window" else [billed_windows(pl.col("documents").is_not_null())]
    return (
        lines.group_by(*BY[by], "currency")
        .agg(pl.col("window_id").n_unique().alias("windows"), *billed, *sums)
        .filter((pl.col("quantity_difference") != 0) | (pl.col("amount_difference") != 0))
        .sort(pl.col("amount_difference").abs(), pl.col("quantity_difference").abs(), *BY[by][:1],
              descending=[True, True, False])
    )  # fmt: skip


def billed_windows(is_billed: "pl.Expr") -> "pl.Expr":
    """How many of the windows an issued document has billed."""
    import polars as pl

    return pl.col("window_id").filter(is_billed).n_unique().alias("billed_windows")


def _payload(found: Any, a: str, b: str, rows: "pl.DataFrame") -> dict[str, Any]:
    customers = grouped_by(found.lines, "customer")
    return {
        "a": a,
        "b": b,
        "units": list(found.units),
        "windows": found.windows,
        "windows_that_differ": found.lines["window_id"].n_unique(),
        "billed_windows_that_differ": found.lines.drop_nulls("documents")["window_id"].n_unique(),
        "totals": _totals(customers),
        "distribution": _distribution(customers),
        "rows": [_row(row) for row in rows.to_dicts()],
        "warnings": found.warnings,
    }


def _totals(customers: "pl.DataFrame") -> list[dict[str, Any]]:
    """By currency: both amounts, the difference, and for how many it is more or less."""
    import polars as pl

    change = pl.col("amount_difference")
    sums = (
        customers.group_by("currency")
        .agg(
            pl.col("amount_a", "amount_b", "amount_difference").sum(),
            customers_that_pay_more=(change > 0).sum(),
            customers_that_pay_less=(change < 0).sum(),
            customers_that_pay_the_same=(change == 0).sum(),
        )
        .sort("currency")
    )
    return [_row(row) for row in sums.to_dicts()]


def _row(row: dict[str, Any]) -> dict[str, Any]:
    from meterhouse.cli.values import money_text

    amounts = ("amount_a", "amount_b", "amount_difference", "billed")
    texts = {
        name: money_text(row[name], row["currency"])
        for name in amounts
        if row.get(name) is not None
    }
    return {**row, **texts}


def _distribution(customers: "pl.DataFrame") -> list[dict[str, Any]]:
    """By currency and power of ten of the difference, how many customers it is for."""
    counts: dict[tuple[str, int, int], int] = {}
    for currency, change in customers.select("currency", "amount_difference").iter_rows():
        key = (currency, *_size(change))
        counts[key] = counts.get(key, 0) + 1
    return [
        {"currency": currency, "sign": sign, "from": format(Decimal(1).scaleb(power), "f"),
         "customers": count}
        for (currency, sign, power), count in sorted(
            counts.items(), key=lambda one: (one[0][0], one[0][1] * (one[0][2] + 40))
        )
    ]  # fmt: skip


def _size(change: Decimal) -> tuple[int, int]:
    """Sign and power of ten; nothing is 0."""
    return (0, 0) if not change else (1 if change > 0 else -1, change.adjusted())


def _render(console: "Console", found: dict[str, Any], by: str) -> None:
    from meterhouse.cli.tables import clean, table

    console.print(
        clean(
            f"{found['windows_that_differ']:,} of {found['windows']:,} windows differ, "
            f"{found['billed_windows_that_differ']:,} of them billed already."
        )
    )
    if not found["rows"]:
        return
    rows = [_cells(row, by) for row in found["rows"][:SHOWN]]
    names = [name.removesuffix("_id") for name in _heads(by)]
    ends = (found["a"], found["b"], "difference")
    columns = [*names, *(f"{end}>" for end in ends), "unit"]
    columns += [*(f"amount {end}>" for end in ends), "currency"]
    columns += [] if by == "window" else ["windows>", "billed>"]
    unit = found["units"][0]
    console.print(table(columns, [[*row[0], *row[1], unit, *row[2]] for row in rows]))
    if len(found["rows"]) > SHOWN:
        console.print(f"{len(found['rows']) - SHOWN:,} more; --csv and --json have them all.")
    console.print(table(*_summary(found), title="In all"))
    if len(found["distribution"]) > 1:
        console.print(table(["customers who pay", "", "customers>"], _bars(found["distribution"])))


def _heads(by: str) -> tuple[str, ...]:
    return (
        ("customer_id", "contract_id", "item_id", "from", "to", "billed on")
        if by == "window"
        else BY[by]
    )


def _cells(row: dict[str, Any], by: str) -> tuple[list[Any], list[str], list[Any]]:
    from meterhouse.cli.values import grouped, number_text

    names = [*WINDOW, "documents"] if by == "window" else BY[by]
    ends = ("a", "b", "difference")
    quantities = [grouped(number_text(row[f"quantity_{end}"])) for end in ends]
    amounts = [*(grouped(row[f"amount_{end}"]) for end in ends), row["currency"]]
    counts = [] if by == "window" else [row["windows"], row["billed_windows"]]
    return [row[name] or "-" for name in names], quantities, [*amounts, *counts]


def _summary(found: dict[str, Any]) -> tuple[list[str], list[list[Any]]]:
    from meterhouse.cli.values import grouped

    columns = [f"amount {found['a']}>", f"amount {found['b']}>", "difference>", "currency"]
    columns += ["pay more>", "pay less>", "pay the same>"]
    rows = [
        [*(grouped(one[name]) for name in ("amount_a", "amount_b", "amount_difference")),
         one["currency"],
         *(one[f"customers_that_pay_{how}"] for how in ("more", "less", "the_same"))]
        for one in found["totals"]
    ]  # fmt: skip
    return columns, rows


def _bars(distribution: Sequence[dict[str, Any]]) -> list[list[Any]]:
    greatest = max(one["customers"] for one in distribution)
    return [
        # exact: the length of a bar, at least one character.
        [_span(one), "█" * max(1, one["customers"] * WIDTH // greatest), one["customers"]]
        for one in distribution
    ]


def _span(one: dict[str, Any]) -> str:
    if one["sign"] == 0:
        return "the same"
    return f"{'more' if one['sign'] > 0 else 'less'}, by {one['from']} {one['currency']} or above"


def _csv(rows: "pl.DataFrame") -> str:
    from meterhouse.csv_text import csv_bytes

    return csv_bytes(rows).decode()
