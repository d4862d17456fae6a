"""The table of what modifiers may not say together: each row is refused, and its way out holds."""

import ast
import re
from pathlib import Path
from typing import NamedTuple

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from meterhouse.contracts.documents import Contract

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/modifiers.md"
# Where a combination of modifiers is refused.
MODULES = ("modifiers", "fee_terms", "counted_periods", "grants")
PER_UNIT = {"model": "per_unit", "unit_amount": "1"}
BY_EVENT = {"model": "percentage", "rate": "0.1", "fixed_amount": "1"}
FLAT = {"model": "flat", "amount": "10"}
# The contract that the page describes above the table.
ITEMS = {
    "api": {"meter": "tokens", "price": PER_UNIT},
    "calls": {"meter": "calls", "price": BY_EVENT},
    "seat": {"price": FLAT},
    "rack": {"price": FLAT, "cadence": "yearly", "timing": "arrears"},
}
CONTRACT = {
    "customer": "c",
    "entity": "us",
    "currency": "USD",
    "zone": "UTC",
    "start": "2025-01-01",
    "payment_terms": "net30",
}


class Row(NamedTuple):
    said: str
    sentence: str
    instead: str


def rows():
    """The rows of the table under its heading."""
    _, _, section = PAGE.read_text().partition("## What is refused\n")
    lines = [line for line in section.split("\n## ")[0].splitlines() if line.startswith("| `")]
    found = [re.fullmatch(r"\| `([^`]+)` \| (.+?) \| `([^`]+)` \|", line) for line in lines]
    assert None not in found
    return [Row(*match.groups()) for match in found]


def book(text):
    """A contract with the modifiers that a cell of the table says, as the book gives it."""
    told = YAML(typ="safe").load("{" + text + "}")
    (where, modifiers), = told.items()  # fmt: skip
    plain = _texts(modifiers)
    whole = {"modifiers": plain} if where == "contract" else {}
    items = [
        {"id": id, "description": id, **terms, **({"modifiers": plain} if id == where else {})}
        for id, terms in ITEMS.items()
    ]
    return {**CONTRACT, "items": items, **whole}


def _texts(value):
    """Days as the book's loader gives them."""
    if isinstance(value, dict):
        return {name: _texts(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_texts(one) for one in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


def refusal(text):
    with pytest.raises(ValidationError) as refused:
        Contract.model_validate(book(text))
    (fault,) = refused.value.errors()
    return fault["msg"].removeprefix("Value error, ")


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.said)
def test_a_combination_is_refused_with_its_sentence_and_what_the_table_says_instead_holds(row):
    assert refusal(row.said) == row.sentence
    assert Contract.model_validate(book(row.instead))


def test_a_contract_of_the_table_is_refused_for_its_modifiers_alone():
    assert Contract.model_validate(book("api: {}"))


def sentences(module):
    """Patterns of all sentences that a module refuses with: what is filled in may be anything."""
    tree = ast.parse((ROOT / f"meterhouse/contracts/{module}.py").read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Yield):
            yield node.value
        elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            yield from node.exc.args


def pattern(node):
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.escape(node.value)
    if isinstance(node, ast.JoinedStr):
        parts = (
            re.escape(one.value) if isinstance(one, ast.Constant) else ".+" for one in node.values
        )
        return "".join(parts)
    return None


@pytest.mark.parametrize("module", MODULES)
def test_every_sentence_of_the_code_is_in_the_table(module):
    patterns = [found for node in sentences(module) if (found := pattern(node)) is not None]
    told = [row.sentence for row in rows()]
    missing = [one for one in patterns if not any(re.search(one, sentence) for sentence in told)]
    assert len(patterns) > 1
    assert missing == []
