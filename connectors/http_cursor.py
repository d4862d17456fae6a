"""How far an API has been read: the greatest instant or number in a field of its records."""

import json
import operator
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation, localcontext
from typing import Any, Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from connectors.json_answer import WrongAnswer
from meterhouse.canonical import canonical_json

SECOND = 10**9
DIGITS = 60  # on either side of the point
NUMBERS = list[Decimal]
ABSENT = msgspec.Raw(b"null")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Cursor:
    """An instant in nanoseconds since 1970 UTC, or a number."""

    kind: Literal["instant", "number"]
    value: Decimal

    def text(self) -> str:
        """How a server is told: an ISO instant that ends in Z, or the plain digits."""
        if self.kind == "number":
            return _plain(self.value)
        seconds, rest = divmod(int(self.value), SECOND)
        whole = (EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{whole}.{rest:09d}".rstrip("0").rstrip(".") + "Z"

    def before(self, seconds: int) -> "Cursor":
        """The cursor so many seconds earlier; a number is taken as one of seconds."""
        step = seconds * (SECOND if self.kind == "instant" else 1)
        with localcontext(prec=2 * DIGITS + 10):
            return Cursor(self.kind, self.value - step)

    def stored(self) -> str:
        """Canonical JSON of it, as it is committed with the events."""
        return canonical_json({self.kind: self.text()})

    @classmethod
    def of_stored(cls, text: str) -> "Cursor":
        """What `stored` gave; WrongAnswer where it gave no such thing."""
        try:
            [(kind, value)] = json.loads(text).items()
        except (ValueError, AttributeError) as error:
            raise WrongAnswer("is no cursor of an HTTP source") from error
        if kind not in ("instant", "number") or not isinstance(value, str):
            raise WrongAnswer("is no cursor of an HTTP source")
        if kind == "instant":
            return cls("instant", _greatest_instant([value]))
        return cls("number", _greatest_number([_decimal(value)]))


class CursorField:
    """The field of a record, by key path, that only rises."""

    def __init__(self, path: str) -> None:
        self.path = path
        keys = path.split(".")
        self._values = operator.attrgetter(".".join("inner" for _ in keys))
        self._type = list[_reaching(keys)]  # type: ignore[misc]

    def greatest(self, items: bytes) -> Cursor:
        """The greatest of a compact JSON array of one record or more."""
        try:
            records = msgspec.json.decode(items, type=self._type)
        except msgspec.ValidationError as error:
            raise self._wrong(error) from error
        joined = b"[" + b",".join(map(self._values, records)) + b"]"
        try:
            if b'"' in joined:
                texts = msgspec.json.decode(joined, type=list[str])
                return Cursor("instant", _greatest_instant(texts))
            return Cursor("number", _greatest_number(msgspec.json.decode(joined, type=NUMBERS)))
        except msgspec.ValidationError as error:
            raise self._wrong(error) from error
        except WrongAnswer as error:
            raise WrongAnswer(f"has a cursor field {self.path!r} that {error}") from error

    def _wrong(self, error: Exception) -> WrongAnswer:
        found = re.search(r"\$\[(\d+)\]", str(error))
        at = f"record {int(found[1]) + 1}" if found else "a record"
        return WrongAnswer(
            f"has a cursor field {self.path!r} that is missing or of another kind in {at}; it must "
            "be an instant in each record or a number in each"
        )


def _reaching(keys: list[str]) -> Any:
    """A type of objects that keeps the text at a key path and nothing else."""
    inner: Any = msgspec.Raw
    default: dict[str, Any] = {"default": ABSENT}
    for key in reversed(keys):
        field = msgspec.field(name=key, **default)
        inner = msgspec.defstruct("Reaching", [("inner", inner, field)])
        default = {"default_factory": inner}
    return inner


def _greatest_instant(texts: list[str]) -> Decimal:
    try:
        instants = pa.array(texts, pa.string()).cast(pa.timestamp("ns", "UTC"))
    except pa.ArrowInvalid as error:
        raise WrongAnswer(
            "is no instant with its offset, such as 2026-01-31T12:00:00Z, in some record"
        ) from error
    return Decimal(pc.max(instants).value)


def _greatest_number(values: list[Decimal]) -> Decimal:
    greatest = max(values)
    exponent = greatest.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -DIGITS or greatest.adjusted() >= DIGITS:
        raise WrongAnswer(f"has more than {DIGITS} digits before or after the point in some record")
    return greatest


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise WrongAnswer("is no cursor of an HTTP source") from error


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
