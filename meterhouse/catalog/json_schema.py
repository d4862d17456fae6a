"""The JSON Schema of the book, for editors that complete and check YAML while it is written."""

import json
import sys
from pathlib import Path
from typing import Any

from pydantic.json_schema import models_json_schema

from meterhouse.catalog.kinds import KINDS, Header

DIALECT = "https://json-schema.org/draft/2020-12/schema"
HEADER_DESCRIPTIONS = {
    "id": "Id of the document, unique in its kind.",
    "valid_from": "First day the document holds; absent: it always held.",
}


def json_schema() -> dict[str, Any]:
    """One schema that fits any document of the book; `kind` says which."""
    kinds = [(model, "validation") for model in KINDS.values()]
    _, schema = models_json_schema([*kinds, (Header, "validation")])  # type: ignore[list-item]
    definitions = schema["$defs"]
    header = definitions.pop("Header")["properties"]
    for kind, model in KINDS.items():
        definitions[model.__name__] = _document(kind, definitions[model.__name__], header)
    _widen(definitions)
    return {
        "$schema": DIALECT,
        "title": "A document of the Meterhouse book",
        "type": "object",
        "required": ["kind", "id"],
        "discriminator": {"propertyName": "kind"},
        "oneOf": [{"$ref": f"#/$defs/{model.__name__}"} for model in KINDS.values()],
        "$defs": definitions,
    }


def _widen(definitions: dict[str, Any]) -> None:
    """What contracts may leave to the catalog: the items of a plan, what a product says."""
    terms = {"$ref": "#/$defs/ItemTerms"}
    by_reference = {"properties": {"price": {"required": ["ref"]}}, "required": ["id", "price"]}
    of_catalog = {"anyOf": [{"required": ["id", "product"]}, by_reference]}
    contract, use = definitions["Contract"]["properties"], definitions["PlanUse"]["properties"]
    whole = contract["items"]["items"]
    contract["items"]["items"] = {"anyOf": [whole, {"allOf": [terms, of_catalog]}]}
    contract["plan"]["anyOf"].append({"type": "string"})
    phased = definitions["PhaseItem"]["properties"]["price"]
    phased["anyOf"].append({"$ref": "#/$defs/PriceReference"})
    named = use["overrides"].get("patternProperties", {})
    use["overrides"] |= {"patternProperties": dict.fromkeys(named, terms)}
    use["overrides"]["additionalProperties"] = terms if not named else False


def text() -> str:
    """The schema as it is published."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _document(kind: str, content: dict[str, Any], header: dict[str, Any]) -> dict[str, Any]:
    named = {name: {**header[name], "description": HEADER_DESCRIPTIONS[name]} for name in header}
    tag = {"kind": {"const": kind, "type": "string", "description": "Kind of the document."}}
    return {
        **content,
        "properties": {**tag, **named, **content["properties"]},
        "required": ["kind", "id", *content.get("required", [])],
    }


def main(arguments: list[str]) -> int:
    """Writes the schema to the one file named."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m meterhouse.catalog.json_schema FILE\n")
        return 2
    target = Path(arguments[0])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
