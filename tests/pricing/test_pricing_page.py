"""Every example of docs/pricing.md costs what it says, under both engines."""

import re
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from pydantic import TypeAdapter
from ruamel.yaml import YAML

from meterhouse.canonical import canonical_json
from meterhouse.contracts.prices import Price
from meterhouse.pricing.models import MODELS, PARTS
from meterhouse.pricing.rating import rate_windows
from meterhouse.pricing.scalar import charge
from tests.pricing.prices import windows

PAGE = (Path(__file__).parents[2] / "docs" / "pricing.md").read_text()
BOOK = TypeAdapter(Price)
EXAMPLES = [YAML(typ="safe").load(text) for text in re.findall(r"(?ms)^```yaml\n(.*?)^```$", PAGE)]


def part(said):
    """A part with the columns of PARTS: a quantity alone, or with keys and a weight."""
    given = {"quantity": said} if isinstance(said, str) else said
    above, below = (int(n) for n in given.get("weight", "1/1").split("/"))
    return {
        "keys": canonical_json(given.get("keys", {})),
        "quantity": Decimal(given["quantity"]),
        "weight_numerator": above,
        "weight_denominator": below,
    }


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: one["price"]["model"])
def test_an_example_costs_what_the_page_says(example):
    price = BOOK.dump_python(BOOK.validate_python(example["price"]), mode="json")
    parts = [part(one) for one in example.get("parts", [])]
    quantity = Decimal(example.get("quantity", sum(one["quantity"] for one in parts)))
    assert charge(price, quantity, parts) == Decimal(example["costs"])
    rows = [{"window_id": "0000", "part_no": n, **one} for n, one in enumerate(parts)]
    frame = windows([(price, quantity)]).with_columns(
        prorate_start=True,
        prorate_end=True,
        window_start_on=pl.date(2026, 1, 1),
        window_end_on=pl.date(2026, 2, 1),
        period_start_on=pl.date(2026, 1, 1),
        period_end_on=pl.date(2026, 2, 1),
    )
    found = rate_windows(frame, pl.DataFrame(rows, schema=dict(PARTS)))
    assert found["amount_unrounded"].item() == Decimal(example["costs"])


def test_every_model_has_an_example_and_a_way_to_it():
    assert {example["price"]["model"] for example in EXAMPLES} == set(MODELS)
    assert all(f"\n### {name}\n" in PAGE and f"](#{name})" in PAGE for name in MODELS)
