"""The fixed words of a document, one JSON file per language."""

import json
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "labels"


@cache
def languages() -> frozenset[str]:
    """Languages that have labels."""
    return frozenset(path.stem for path in FOLDER.glob("*.json"))


@cache
def labels(language: str) -> dict[str, str]:
    """The labels of a language, English ones where it has none."""
    english: dict[str, str] = json.loads((FOLDER / "en.json").read_text(encoding="utf-8"))
    path = FOLDER / f"{language}.json"
    own = json.loads(path.read_text(encoding="utf-8")) if language in languages() else {}
    return {**english, **own}
