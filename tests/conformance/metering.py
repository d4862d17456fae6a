"""Cases of kind meter: all of them are measured in one go, then compared one by one."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from tests.conformance.engine import measure_all
from tests.conformance.vectors import NotSupported


def measure(cases: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """By case id what was measured, in the shape of `expected`, or a NotSupported that says why."""
    return measure_all(cases)


def check_meter(case: Mapping[str, Any], found: Any) -> None:
    """Compares what was measured with what was published; in any order of rows."""
    if isinstance(found, NotSupported):
        raise found
    assert not str(found).startswith("estimate"), found
    published, measured = _comparable(case["expected"]), _comparable(found)
    assert measured == published, f"published {published}, found {measured}"


def _comparable(value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, list):
        return sorted(({**row, "value": _comparable(row["value"])} for row in value), key=repr)
    return Decimal(value).normalize()
