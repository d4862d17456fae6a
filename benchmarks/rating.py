"""Rating alone: determinants of many contracts with all price models, in memory and warm.

`python -m benchmarks.rating [--windows 1_000_000] [--contracts 100_000]`. The first two rows are
the whole book, mixed: by its models alone, and through `charge_lines` as a run has it. Then each
model has as many windows of its own, and its ratio to per_unit is what counts, by row read: of
windows, and of the two parts of each for the models that read parts.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import TypeAdapter

from benchmarks.children import measured
from meterhouse.canonical import canonical_json
from meterhouse.contracts.prices import Price
from meterhouse.money import QUANTITY
from meterhouse.pricing.charging import charge_lines
from meterhouse.pricing.models import MODELS, PARTS
from meterhouse.pricing.rating import rate_windows

WINDOWS, CONTRACTS, OF_MODEL = 1_000_000, 100_000, 250_000
Rate = Callable[[pl.DataFrame, pl.DataFrame], pl.DataFrame]
# Prices are negotiated: every model has so many different ones.
PRICES = 1_000
PARTS_EACH = 2
UNIT_TIERS = [
    {"up_to": "1000", "unit_amount": "0.1", "flat_amount": "5"},
    {"up_to": "100000", "unit_amount": "0.05", "flat_amount": "3"},
    {"up_to": "1000000", "unit_amount": "0.02"},
    {"up_to": None, "unit_amount": "0.01"},
]
# Prorated tiers are paid for in time too: by each that is reached.
SEATS = [{"up_to": "100", "unit_amount": "10", "flat_amount": "9"}, {"unit_amount": "5"}]
UNIT = {"model": "per_unit", "unit_amount": "0.25"}
SAMPLES: Mapping[str, dict[str, Any]] = {
    "per_unit": {"unit_amount": "0.25"},
    "flat": {"amount": "99"},
    "graduated": {"tiers": UNIT_TIERS},
    "volume": {"tiers": UNIT_TIERS},
    "stairstep": {"tiers": [{"up_to": t["up_to"], "flat_amount": "7"} for t in UNIT_TIERS]},
    "package": {"package_size": "1000", "package_amount": "3", "free_units": "500"},
    "overage": {"included_units": "1500", "unit_amount": "0.1"},
    "dynamic": {"multiplier": "1.2"},
    "percentage": {
        "rate": "0.013",
        "fixed_amount": "0.3",
        "free_amount": "250",
        "min_per_event": "0.5",
        "max_per_event": "500",
    },
    "graduated_percentage": {
        "tiers": [{"up_to": "1000", "rate": "0.02"}, {"up_to": None, "rate": "0.01"}]
    },
    "bps": {"bps": "25", "per_event_cap": "25"},
    "bulk_bps": {"tiers": [{"up_to": "9999", "bps": "25"}, {"up_to": None, "bps": "9"}]},
    "tiered_bps": {"tiers": [{"up_to": "9999", "bps": "25"}, {"up_to": None, "bps": "9"}]},
    "matrix": {
        "cells": [
            {"keys": {"unit": "cpu"}, "price": UNIT},
            {"keys": {"unit": "ram"}, "price": {"model": "graduated", "tiers": UNIT_TIERS}},
        ],
        "default": UNIT,
    },
    "two_dimensional": {
        "tier_by": {"unit": "cpu"},
        "price_by": {"unit": "ram"},
        "tiers": [{"up_to": "1000000", "price": UNIT}, {"up_to": None, "price": UNIT}],
    },
    "bucketed": {"price": {"model": "graduated", "tiers": UNIT_TIERS}},
    "windowed_commitment": {
        "default": {"price": UNIT, "commitment_amount": "1000", "overage_factor": "1.5"}
    },
    "capacity": {
        "tiers": [
            {"limits": {"cpu": "1000", "ram": "2000000"}, "amount": "10"},
            {"limits": {}, "amount": "100"},
        ]
    },
    "prorated_graduated": {"tiers": SEATS},
    "prorated_volume": {"tiers": SEATS},
    "formula": {
        "formula": "if(quantity > included, (quantity - included) * rate, 0)",
        "constants": {"included": "1000", "rate": "0.1"},
    },
}
NEGOTIATED = ("unit_amount", "amount", "package_amount", "multiplier", "rate", "bps", "flat_amount")


def main() -> None:
    """Print the table, and the same as JSON beside it if `--output` names a file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--windows", type=_number, default=WINDOWS)
    parser.add_argument("--contracts", type=_number, default=CONTRACTS)
    parser.add_argument("--of-model", type=_number, default=OF_MODEL)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    rows = measure(options.windows, options.contracts, options.of_model)
    _table(rows)
    if options.output:
        options.output.write_text(json.dumps(rows, indent=1) + "\n")


def measure(windows: int, contracts: int, of_model: int) -> list[dict[str, Any]]:
    """One row for the mixed book, then one for each model with its ratio to per_unit by row."""
    names = list(SAMPLES)
    _rate(names, 10_000, contracts)  # Warm: imports and the thread pool.
    rows = [
        {"model": "all, mixed", **_rate(names, windows, contracts)},
        {"model": "all, charge_lines", **_rate(names, windows, contracts, charge_lines)},
    ]
    rows += [{"model": name, **_rate([name], of_model, contracts)} for name in names]
    base = rows[2]["cpu_us"]
    return [row | {"of_per_unit": round(row["cpu_us"] / base, 2)} for row in rows]


def _rate(
    models: list[str], count: int, contracts: int, rate: Rate = rate_windows
) -> dict[str, Any]:
    asked = windows_of(models, count, contracts)
    parts = parts_of(asked)
    numbers = min(
        (_once(asked, parts, rate) for _ in range(2)), key=lambda found: found["cpu_seconds"]
    )
    # By CPU: wall times on a shared machine say more of its other guests.
    each = numbers["cpu_seconds"] / (asked.height + parts.height) * 1_000_000
    return {"windows": asked.height, "parts": parts.height, **numbers, "cpu_us": each}


def _once(asked: pl.DataFrame, parts: pl.DataFrame, rate: Rate) -> dict[str, Any]:
    numbers, result = measured(lambda: rate(asked, parts))
    if result.height != asked.height or result["amount_unrounded"].null_count():
        raise AssertionError(f"{asked.height} windows were rated to {result.height} amounts.")
    return numbers


def windows_of(models: list[str], count: int, contracts: int) -> pl.DataFrame:
    """Charge windows with quantities, items of a contract side by side, models in turn."""
    prices = pl.concat([_prices(name) for name in models])
    number = pl.int_range(count)
    spread = number.hash(seed=7)
    frame = pl.select(
        window_id=pl.format("{}{}", spread.cast(pl.String), number.cast(pl.String).str.zfill(12)),
        contract_id=pl.format("contract_{}", number % contracts),
        price_model=pl.Series(models).gather(pl.arange(count, eager=True) % len(models)),
        negotiated=(spread % PRICES).cast(pl.Int64),
        quantity=(spread % 10**10).cast(pl.Decimal(38, 0)),
    )
    thousandth = pl.lit(Decimal("0.001"), dtype=pl.Decimal(38, 3))
    return frame.join(
        prices, on=["price_model", "negotiated"], how="left", maintain_order="left"
    ).with_columns(
        quantity=(pl.col("quantity").cast(pl.Decimal(38, 3)) * thousandth).cast(QUANTITY),
        currency=pl.lit("EUR"),
        prorate_start=True,
        prorate_end=True,
        **{
            f"{span}_{edge}_on": pl.date(2026, month, 1)
            for span in ("window", "period")
            for edge, month in (("start", 10), ("end", 11))
        },
    )


def _prices(model: str) -> pl.DataFrame:
    """The different prices of a model, each negotiated a little up."""
    book: TypeAdapter[Any] = TypeAdapter(Price)
    texts = []
    for number in range(PRICES):
        said = _negotiated({"model": model, **SAMPLES[model]}, Decimal(number).scaleb(-5))
        texts.append(canonical_json(book.dump_python(book.validate_python(said), mode="json")))
    return pl.DataFrame({"price": texts}).with_columns(
        price_model=pl.lit(model), negotiated=pl.int_range(PRICES)
    )


def _negotiated(said: Any, more: Decimal) -> Any:
    if isinstance(said, list):
        return [_negotiated(one, more) for one in said]
    if not isinstance(said, dict):
        return said
    return {
        name: str(Decimal(one) + more) if name in NEGOTIATED else _negotiated(one, more)
        for name, one in said.items()
    }


def parts_of(windows: pl.DataFrame) -> pl.DataFrame:
    """Two equal parts of each window whose model reads parts."""
    reading = [name for name, model in MODELS.items() if model.reads_parts]
    places = pl.DataFrame({"part_no": range(1, PARTS_EACH + 1)})
    half = pl.col("quantity") * pl.lit(Decimal("0.5"), dtype=pl.Decimal(38, 12))
    return (
        windows.filter(pl.col("price_model").is_in(reading))
        .select("window_id", quantity=half.cast(QUANTITY))
        .join(places, how="cross")
        .select(
            "window_id",
            "part_no",
            keys=pl.when(pl.col("part_no") == 1)
            .then(pl.lit('{"unit":"cpu"}'))
            .otherwise(pl.lit('{"unit":"ram"}')),
            quantity="quantity",
            weight_numerator=pl.lit(1, dtype=pl.Int64),
            weight_denominator=pl.lit(1, dtype=pl.Int64),
        )
        .cast(dict(PARTS))  # type: ignore[arg-type]
    )


def _table(rows: list[dict[str, Any]]) -> None:
    head = ("model", "windows", "s", "cpu s", "cpu us/row", "x per_unit", "peak MB")
    sys.stdout.write("{:22} {:>10} {:>8} {:>8} {:>10} {:>10} {:>8}\n".format(*head))
    for row in rows:
        sys.stdout.write(
            f"{row['model']:22} {row['windows']:>10,} {row['seconds']:>8.2f} "
            f"{row['cpu_seconds']:>8.2f} {row['cpu_us']:>10.2f} {row['of_per_unit']:>10.2f} "
            f"{row['peak_mb']:>8,}\n"
        )


def _number(text: str) -> int:
    return int(text.replace("_", "").replace(",", ""))


if __name__ == "__main__":
    main()
