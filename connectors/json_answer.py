"""The list in a JSON answer, record by record as it was sent: no number is ever parsed.

msgspec checks the whole grammar while it looks for the list, and leaves each value as its text.
"""

import codecs
import json
from dataclasses import dataclass
from typing import Any

import msgspec

PIECE = 1024 * 1024


class ShortAnswer(Exception):
    """JSON that ends before it is whole."""


class WrongAnswer(Exception):
    """JSON, or something else, that cannot be the answer; the end of a sentence says why."""


class AnyObject(msgspec.Struct):
    """A JSON object, whatever is in it."""


@dataclass(frozen=True)
class Listing:
    """One list of records."""

    items: bytes  # compact JSON
    records: list[msgspec.Raw]  # compact JSON objects, so without line ends
    around: Any  # the rest of the answer: numbers are text, the list is empty; None without a rest

    def value(self, path: str) -> Any:
        """What stands at a key path beside the list; None where nothing does."""
        found = self.around
        for key in path.split("."):
            found = found.get(key) if isinstance(found, dict) else None
        return found


def listed(body: bytes, path: str) -> Listing:
    """The list at a key path of an answer, or the answer itself where the path is empty."""
    compact = _compact(body)
    items = compact
    for key in path.split(".") if path else ():
        items = _member(items, key, path)
    if not items.startswith(b"["):
        at = f"at {path!r}" if path else "as the answer"
        raise WrongAnswer(f"has no list {at}; set `items` to the key path of the list")
    try:
        msgspec.json.decode(items, type=list[AnyObject])
    except msgspec.ValidationError as error:
        raise WrongAnswer(f"lists something that is not an object ({error})") from error
    records = msgspec.json.decode(items, type=list[msgspec.Raw])
    return Listing(items, records, _around(compact, items) if path else None)


def _compact(body: bytes) -> bytes:
    """The same JSON without white space; every number and text keeps its spelling."""
    _check_encoding(body)
    try:
        return msgspec.json.format(body.removeprefix(b"\xef\xbb\xbf"), indent=-1)
    except RecursionError as error:
        raise WrongAnswer("is nested too deeply") from error
    except msgspec.DecodeError as error:
        if "truncated" in str(error):
            raise ShortAnswer from error
        raise WrongAnswer(f"is not JSON ({error})") from error


def _check_encoding(body: bytes) -> None:
    """Piece by piece: as one text a body may take four times its bytes."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(body), PIECE):
            decoder.decode(body[start : start + PIECE])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise WrongAnswer("is not UTF-8 text") from error


def _member(level: bytes, key: str, path: str) -> bytes:
    try:
        return bytes(msgspec.json.decode(level, type=dict[str, msgspec.Raw])[key])
    except (msgspec.ValidationError, KeyError) as error:
        raise WrongAnswer(
            f"has nothing at {path!r}; set `items` to the key path of the list"
        ) from error


def _around(compact: bytes, items: bytes) -> Any:
    # A list with a quoted text in it cannot stand inside of a text, so what is cut out is a value.
    rest = compact.replace(items, b"[]") if b'"' in items else compact
    try:
        return json.loads(rest, object_pairs_hook=_once, parse_int=str, parse_float=str)
    except RecursionError as error:
        raise WrongAnswer("is nested too deeply") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise WrongAnswer("has a key twice beside its list, so one of them would be lost")
    return found
