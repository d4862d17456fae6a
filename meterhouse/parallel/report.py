"""A comparison as texts for people: by cause, by customer, line by line."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import polars as pl

from meterhouse.money import PLACES
from meterhouse.parallel.columns import CAUSES, MEANINGS
from meterhouse.parallel.compare import Compared

# A page of more customers without a difference helps nobody; the workbook has them all.
LISTED = 500


def money(amount: Decimal | None, currency: str) -> str:
    """The amount with the currency's places, and all of more places; empty for none."""
    if amount is None:
        return ""
    text = format(amount, "f")
    whole, _, fraction = text.partition(".")
    sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    cut = fraction.rstrip("0").ljust(PLACES.get(currency, 2), "0")
    return f"{sign}{int(digits):,}" + (f".{cut}" if cut else "")


def quantity(value: Decimal | None) -> str:
    """The quantity without zeros at its end; empty for none."""
    if value is None:
        return ""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def by_cause(variances: pl.DataFrame) -> list[dict[str, Any]]:
    """One row per cause and currency that has a variance: count and amount."""
    order = pl.Enum(CAUSES)
    sums = variances.group_by("cause", "currency").agg(
        count=pl.len(), net=pl.col("net").sum(), tax=pl.col("tax").sum(),
        amount=pl.col("amount").sum(),
    )  # fmt: skip
    rows = sums.sort(pl.col("cause").cast(order), "currency").to_dicts()
    return [{**row, "meaning": MEANINGS[row["cause"]]} for row in rows]


def totals(found: Compared) -> list[dict[str, Any]]:
    """One row per currency: old, new, difference, unexplained, count of variances."""
    counts = found.variances.group_by("currency").agg(count=pl.len())
    sums = found.cells.group_by("currency").agg(
        pl.col("old", "new", "difference", "unexplained").sum()
    )
    joined = sums.join(counts, on="currency", how="left").with_columns(pl.col("count").fill_null(0))
    return joined.sort("currency").to_dicts()


def report(
    found: Compared,
    *,
    period: str,
    cohort: str,
    documents: int,
    kept_out: pl.DataFrame,
    report_hash: str,
) -> dict[str, Any]:
    """What the page shows, all amounts as texts."""
    cells = found.cells.with_columns(is_flat=pl.col("difference") == 0).sort(
        "is_flat", pl.col("difference").abs(), descending=[False, True], maintain_order=True
    )
    shown = cells.head(max(LISTED, int((~cells["is_flat"]).sum())))
    groups = found.variances.partition_by("customer_id", "currency", as_dict=True)
    variances = {key: part.to_dicts() for key, part in groups.items()}
    money_names = ("old", "new", "difference", "unexplained", "amount")

    def told(row: Mapping[str, Any]) -> dict[str, Any]:
        texts = {n: money(row[n], row["currency"]) for n in money_names if n in row}
        return {**row, **texts}

    customers = [
        {
            "customer": _name(row["customer_id"]),
            "currency": row["currency"],
            "difference": money(row["difference"], row["currency"]),
            "variances": [_variance(one) for one in variances[row["customer_id"], row["currency"]]],
        }
        for row in shown.to_dicts()
        if (row["customer_id"], row["currency"]) in variances
    ]
    return {
        "period": period,
        "cohort": cohort,
        "documents": documents,
        "pairs": found.pairs,
        "variance_count": found.variances.height,
        "is_explained": found.unexplained == 0 and kept_out.height == 0,
        "report_hash": report_hash,
        "by_cause": [told(one) for one in by_cause(found.variances)],
        "totals": [told(one) for one in totals(found)],
        "cells": [
            {**told(one), "customer": _name(one["customer_id"]), "is_open": one["unexplained"] != 0}
            for one in shown.to_dicts()
        ],
        "more_cells": cells.height - shown.height,
        "customers": customers,
        "kept_out": kept_out.with_columns(pl.all().cast(pl.String).fill_null("")).to_dicts(),
    }


def _name(customer: str | None) -> str:
    return "(not mapped)" if customer is None else customer


def _variance(row: Mapping[str, Any]) -> dict[str, Any]:
    currency = row["currency"]
    amounts = ("net", "tax", "amount", "old_amount", "new_amount")
    texts = {name: money(row[name], currency) for name in amounts}
    counts = {name: quantity(row[name]) for name in ("old_quantity", "new_quantity")}
    plain = {
        name: "" if row[name] is None else str(row[name])
        for name in ("product", "from_on", "until_on", "old_numbers", "new_numbers", "detail")
    }
    first = plain["new_numbers"].split(", ")[0]
    # A draft has no number yet, and its lines are explained once it is issued.
    is_issued = bool(first) and not first.startswith("draft ")
    explain = f"meterhouse explain {first}" if is_issued else ""
    return {"cause": row["cause"], **texts, **counts, **plain, "explain": explain}
