import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from meterhouse.catalog.json_schema import json_schema, main, text
from meterhouse.catalog.kinds import KINDS

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "docs" / "schema" / "book.schema.json"
EXAMPLES = sorted((ROOT / "examples" / "azure" / "book").glob("*.yaml"))


PAGE = (ROOT / "docs" / "book.md").read_text()


def documents(path):
    for value in YAML(typ="safe", pure=True).load_all(path):
        yield {
            key: item.isoformat() if hasattr(item, "isoformat") else item
            for key, item in value.items()
        }


def test_the_published_schema_is_current(tmp_path):
    assert main([str(tmp_path / "schema.json")]) == 0
    assert (tmp_path / "schema.json").read_text() == text()
    assert PUBLISHED.read_text() == text(), (
        "run: python -m meterhouse.catalog.json_schema docs/schema/book.schema.json"
    )


def test_every_field_of_every_document_is_described():
    for name, definition in json_schema()["$defs"].items():
        for key, field in definition["properties"].items():
            assert field.get("description"), f"{name}.{key}"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_fit_the_schema(path):
    validator = Draft202012Validator(json_schema())
    for document in documents(path):
        assert [fault.message for fault in validator.iter_errors(document)] == []


@pytest.mark.parametrize("text", re.findall(r"(?ms)^```yaml\n(.*?)^```$", PAGE))
def test_the_examples_of_the_page_fit_the_schema(text):
    validator = Draft202012Validator(json_schema())
    for document in documents(text):
        assert [fault.message for fault in validator.iter_errors(document)] == []


CONTRACT = {
    "kind": "contract",
    "id": "k",
    "customer": "c",
    "entity": "e",
    "currency": "USD",
    "zone": "UTC",
    "start": "2024-01-01",
    "payment_terms": "n",
}


@pytest.mark.parametrize(
    ("more", "is_valid"),
    [
        ({"plan": "pro"}, True),
        ({"plan": {"id": "pro", "overrides": {"a": {"quantity": "5"}}}}, True),
        ({"plan": {"id": "pro", "overrides": {"a": {"quantty": "5"}}}}, False),
        ({"items": [{"id": "a", "product": "seats"}]}, True),
        ({"items": [{"id": "a", "description": "A", "price": {"ref": "list"}}]}, True),
        ({"items": [{"id": "a", "description": "A"}]}, False),
        ({"items": [{"product": "seats"}]}, False),
        ({"items": [{"id": "a", "description": "A", "price": {"rf": "list"}}]}, False),
    ],
)
def test_the_schema_knows_what_a_contract_may_leave_to_the_catalog(more, is_valid):
    assert Draft202012Validator(json_schema()).is_valid({**CONTRACT, **more}) == is_valid


def test_the_schema_is_itself_valid_and_refuses_an_unknown_key():
    Draft202012Validator.check_schema(json_schema())
    terms = {"kind": "payment_terms", "id": "net30", "net_days": 30}
    validator = Draft202012Validator(json_schema())
    assert validator.is_valid(terms)
    assert not validator.is_valid({**terms, "net_dys": 30})
    assert not validator.is_valid({**terms, "kind": "meter"})


def test_the_schema_knows_every_kind():
    assert len(json_schema()["oneOf"]) == len(KINDS)
