"""One spelling for each value, so that equal things have equal bytes and equal hashes."""

import hashlib
import json
from typing import Any


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces; decimals must already be strings, floats are refused."""
    _refuse_floats(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def sha256_text(text: str) -> str:
    """The SHA-256 of the UTF-8 text, 64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def short_hash(value: Any) -> str:
    """The first 32 hex digits of the hash of a value's canonical JSON: ids made from keys."""
    return sha256_text(canonical_json(value))[:32]


def _refuse_floats(value: Any) -> None:
    if isinstance(value, float):
        raise TypeError(f"A float ({value!r}) has no one spelling; pass a decimal string.")
    if isinstance(value, dict):
        for item in value.values():
            _refuse_floats(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_floats(item)
